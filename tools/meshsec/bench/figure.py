"""What a measurement gives, and how it is told while the next one runs."""

import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import ParamSpec

import msgspec

P = ParamSpec("P")


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured number. As JSON its numbers are numbers, for they are no amounts."""

    name: str
    """Suite, what, and unit, such as `tx.committed_per_s`."""
    value: float
    unit: str
    limit: float | None = None
    """The most that the machine allowed in the same run, by the cost of the signatures alone."""
    ratio: float | None = None
    """The value's part of the limit."""

    def __str__(self) -> str:
        """Spell the figure for people."""
        bound = "" if self.limit is None else f"   {self.ratio:.0%} of the {self.limit:,.0f} that signatures alone allow"
        return f"{self.name:<24} {self.value:>10,} {self.unit}{bound}"


def figure(name: str, value: float, unit: str, limit: float | None = None) -> Figure:
    """Round a measured number to what can be repeated: three digits, or whole units."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    if limit is None:
        return Figure(name, round(value, digits), unit)
    return Figure(name, round(value, digits), unit, round(limit), round(value / limit, 3))


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


def tell(line: str) -> None:
    """Say how far the measurement is."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
