"""What a measurement gives, and how it is told while the next one runs."""

import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import ParamSpec

import msgspec

P = ParamSpec("P")


class Limit(msgspec.Struct, frozen=True):
    """What the machine does at most, measured in the same run as what it limits."""

    value: float
    """In the unit of the figure."""
    by: str
    """What sets it."""
    spread: float = 0.0
    """How far the median try is from the best one, as a part of the value."""

    @classmethod
    def of(cls, rates: Sequence[float], by: str = "signatures alone") -> "Limit":
        """Take the best of several tries."""
        return cls(max(rates), by, (max(rates) - median(rates)) / max(rates))


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured number. As JSON its numbers are numbers, for they are no amounts."""

    name: str
    """Suite, what, and unit, such as `tx.committed_per_s`."""
    value: float
    unit: str
    limit: float | None = None
    """The most that the machine allowed in the same run."""
    ratio: float | None = None
    """The value's part of the limit."""
    limited_by: str = ""
    """What sets the limit."""
    spread: float | None = None
    """How far the median try is from the best one, as a part of the value, and the limit so too; nothing after one try."""

    @property
    def rises(self) -> bool:
        """Tell whether more is better: so it is with rates, and with nothing else."""
        return self.unit.endswith("/s")

    def __str__(self) -> str:
        """Spell the figure for people."""
        bound = "" if self.ratio is None else f"   {self.ratio:.0%} of the {self.limit:,.0f} of {self.limited_by}"
        return f"{self.name:<32} {self.value:>10,} {self.unit}{bound}"


def figure(
    name: str,
    tries: Sequence[float],
    unit: str,
    limit: Limit | None = None,
    pick: Callable[[Sequence[float]], float] | None = None,
) -> Figure:
    """Make a figure of the best of several tries, rounded to what can be repeated: three digits, or whole units.

    Args:
        name: of the figure.
        tries: what was measured each time.
        unit: rates end in `/s`; of them the highest try counts, of all else the lowest.
        limit: what the machine allowed in the same run.
        pick: which try counts, where it is not the best one.
    """
    best = max(tries) if unit.endswith("/s") else min(tries)
    value = pick(tries) if pick else best
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    spread = abs(median(tries) - best) / value if len(tries) > 1 and value > 0 else None
    if limit is None:
        return Figure(name, round(value, digits), unit, spread=None if spread is None else round(spread, 3))
    both = None if spread is None else round(spread + limit.spread, 3)
    return Figure(name, round(value, digits), unit, round(limit.value), round(value / limit.value, 3), limit.by, both)


def seconds(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Do something once; return how long it took."""
    begun = perf_counter()
    work(*args, **kwargs)
    return perf_counter() - begun


def busy_seconds(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Do something once; return the processor time it took. For work of one thread that waits for nothing, that is how long it
    takes on a machine with nothing else to do."""
    begun = process_time()
    work(*args, **kwargs)
    return process_time() - begun


def scaled(tries: Sequence[float], factor: float) -> list[float]:
    """Convert what was measured into another unit."""
    return [each * factor for each in tries]


def tell(line: str) -> None:
    """Say how far the measurement is."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
