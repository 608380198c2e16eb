"""Figures that were saved, and what has become of them since.

A figure with a limit is compared by its part of the limit, so that a slower machine is no regression; any other as it was
measured. Two figures differ if they are further apart than noise: what the tries of both runs were spread, and at least
`QUIET`; a figure that was tried once counts as spread by `ONCE`.
"""

import os
import platform
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from meshsec.bench.figure import Figure
from meshsec_core.kernel.errors import Rejected

BAD_NAME = "bench/bad-name"
BAD_PART = "bench/bad-part"
UNKNOWN_BASELINE = "bench/unknown-baseline"
UNREADABLE = "bench/unreadable-baseline"
UNWRITABLE = "bench/unwritable-baseline"

LIMITS = "limits."

QUIET = 0.1
"""Two runs of the same code on one machine differ by so much however calm it is."""
ONCE = 0.25
"""What a single try varies by on a machine that others use too."""


class Baseline(msgspec.Struct, frozen=True):
    """Figures of one run, and of what machine they are."""

    figures: tuple[Figure, ...]
    python: str
    processor: str
    cores: int
    load: float
    """Processes that wanted a core in the minute before the last of them were measured."""

    @classmethod
    def of(cls, figures: Sequence[Figure], load: float) -> "Baseline":
        """Take figures that were measured here."""
        return cls(tuple(figures), platform.python_version(), platform.machine(), os.cpu_count() or 1, round(load, 1))

    def doubt(self, load: float) -> str:
        """Say why figures in wall time are not to be compared with those of a run that began at a load; empty if they are."""
        cores = os.cpu_count() or 1
        if self.load <= self.cores and load <= cores:
            return ""
        loads = f"load {self.load:.1f} on {self.cores} cores then, {load:.1f} on {cores} now"
        return f"{loads}: only ratios to signatures are to be believed"


class Verdict(StrEnum):
    """What has become of a figure."""

    FASTER = "faster"
    SAME = "same"
    SLOWER = "slower"


class Change(msgspec.Struct, frozen=True):
    """One figure in two runs."""

    name: str
    before: float
    now: float
    by: str
    """What is compared: `ratio` to the limit, or `value`."""
    slower: float
    """By what part it has become worse; negative if better. Twice the time, or half the rate, is 1."""
    noise: float
    verdict: Verdict


def place(name: str) -> Path:
    """Return the file of a saved baseline: given as such, or by its name among the user's, wherever meshes are.

    Raises:
        Rejected: `bench/bad-name`.
    """
    if name.endswith(".json"):
        return Path(name)
    if not name or not all(letter.isalnum() or letter in "._-" for letter in name) or name.startswith("."):
        raise Rejected(BAD_NAME, name=name[:50], expected="letters, digits, dots and dashes, or a file that ends in .json")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "meshsec" / "bench" / f"{name}.json"


def save(file: Path, figures: Sequence[Figure], load: float) -> None:
    """Keep figures; those of the same name from before are replaced, others that are there stay.

    Raises:
        Rejected: `bench/unreadable-baseline`, `bench/unwritable-baseline`.
    """
    kept = {figure.name: figure for figure in _read(file).figures} if file.exists() else {}
    kept |= {figure.name: figure for figure in figures}
    text = msgspec.json.format(msgspec.json.encode(Baseline.of(tuple(kept.values()), load)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text + b"\n")
    except OSError as error:
        raise Rejected(UNWRITABLE, file=str(file), reason=error.strerror or type(error).__name__) from None


def load(name: str) -> Baseline:
    """Read figures that were saved.

    Raises:
        Rejected: `bench/bad-name`, `bench/unknown-baseline`, `bench/unreadable-baseline`.
    """
    file = place(name)
    if not file.exists():
        raise Rejected(UNKNOWN_BASELINE, file=str(file), hint=f"save one with: meshsec bench --save {name}")
    return _read(file)


def _read(file: Path) -> Baseline:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Baseline)
    except (OSError, msgspec.DecodeError) as error:
        raise Rejected(UNREADABLE, file=str(file), reason=str(error)[:200]) from None


def part(text: str) -> float:
    """Read a part such as `20%`.

    Raises:
        Rejected: `bench/bad-part`.
    """
    digits = text.removesuffix("%")
    if digits == text or not digits.isascii() or not digits.isdigit():
        raise Rejected(BAD_PART, found=text[:50], expected="such as 20%")
    return int(digits) / 100


def worse(changes: Sequence[Change], most: float) -> list[Change]:
    """Return what has become slower beyond noise, and by more than a part."""
    return [change for change in changes if change.verdict is Verdict.SLOWER and change.slower > most]


def compare(before: Sequence[Figure], now: Sequence[Figure]) -> list[Change]:
    """Say what has become of every figure that both runs have. Limits are of the machine and are left out."""
    old = {figure.name: figure for figure in before}
    ours = [figure for figure in now if figure.name in old and not figure.name.startswith(LIMITS)]
    return [_change(old[figure.name], figure) for figure in ours if _positive(old[figure.name], figure)]


def _positive(*figures: Figure) -> bool:
    return all(figure.value > 0 and (figure.ratio is None or figure.ratio > 0) for figure in figures)


def _change(before: Figure, now: Figure) -> Change:
    if before.ratio is not None and now.ratio is not None:
        by, then, here = "ratio", before.ratio, now.ratio
    else:
        by, then, here = "value", before.value, now.value
    slower = (then / here if now.rises else here / then) - 1
    noise = max(QUIET, sum(ONCE if figure.spread is None else figure.spread for figure in (before, now)))
    verdict = Verdict.SAME
    if slower > noise:
        verdict = Verdict.SLOWER
    elif 1 / (1 + slower) - 1 > noise:
        verdict = Verdict.FASTER
    return Change(now.name, then, here, by, round(slower, 3), round(noise, 3), verdict)
