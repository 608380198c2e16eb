"""Shows that a story repeats byte for byte: played twice, in processes that hash texts otherwise, every block is the same."""

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from meshsec.scenario.document import read
from meshsec.scenario.witness import Ended, Seen
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected

DIED = "process/witness-died"

WITNESS = (sys.executable, "-m", "meshsec.scenario.witness")
HASH_SEEDS = ("0", "4711")


class Unlike(msgspec.Struct, frozen=True):
    """The first place where two runs are not the same."""

    step: int
    line: int
    verb: str
    chain: str
    height: int
    what: str
    """`events`, `app_hash`, `block`, `missing` if one run has no such block, or `digest` if all blocks are alike."""
    first: str
    second: str


class Verdict(msgspec.Struct, frozen=True):
    """Whether a story repeats."""

    same: bool
    passed: bool
    """Whether the story itself went as it is written."""
    digest: str
    blocks: int
    """How many were compared, of all chains, those of abandoned futures included."""
    hash_seeds: tuple[str, ...]
    difference: Unlike | None = None


def verify(file: Path, witness: Sequence[str] = WITNESS) -> Verdict:
    """Play a story twice at once and compare all that both have seen.

    Args:
        file: the story.
        witness: the command that plays it, without the file.

    Raises:
        Rejected: as `document.read`; `process/witness-died` if a process ends without a result.
    """
    read(file)
    started = [
        subprocess.Popen(
            [*witness, str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in HASH_SEEDS
    ]
    told = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, told, strict=True):
        if process.returncode:
            last = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise Rejected(DIED, file=str(file), reason=last[:500], hint="run the story once to see why")
    (first, one), (second, other) = (_read(out) for out, _ in told)
    difference = _compare(first, second)
    if difference is None and one != other:
        difference = Unlike(one.steps, 0, "", "", 0, "digest", one.digest, other.digest)
    return Verdict(difference is None, one.passed, one.digest, len(first), HASH_SEEDS, difference)


def _read(out: bytes) -> tuple[list[Seen], Ended]:
    *blocks, end = out.splitlines()
    return [codec.load(line, Seen) for line in blocks], codec.load(end, Ended)


def _compare(first: Sequence[Seen], second: Sequence[Seen]) -> Unlike | None:
    """Return the first difference: what a block did before what it is called, for the name follows from it."""
    for one, other in zip_longest(first, second):
        if one == other:
            continue
        place = one or other
        where = (place.step, place.line, place.verb, place.chain, place.height)
        if one is None or other is None or (one.chain, one.height) != (other.chain, other.height):
            return Unlike(*where, "missing", *("" if each is None else f"{each.chain} {each.height}" for each in (one, other)))
        for what in ("events", "app_hash", "block"):
            pair = getattr(one, what), getattr(other, what)
            if pair[0] != pair[1]:
                return Unlike(*where, what, *pair)
        return Unlike(*where, "step", f"{one.step} {one.verb}", f"{other.step} {other.verb}")
    return None
