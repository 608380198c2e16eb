"""Plays random histories until so many actions are done: `python -m soak --actions 1000000`.

Every history has a seed, from which all of it follows; on all cores, histories side by side. What breaks a law is shortened and
written to a file, which `python -m soak --replay FILE` plays again. Exit codes: 0 all laws held, 1 one did not.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

from soak.chance import setting_of, steps_of
from soak.meshes import Setting
from soak.play import Outcome, play
from soak.scene import Step
from soak.shrink import Violation, shrink, violation

DIRECTORY = Path("runs")
"""Where histories that break a law are written."""


class Played(NamedTuple):
    """What became of one history."""

    seed: int
    outcomes: Counter[Outcome]
    broken: Violation | None


class Figures:
    """What became of all histories so far."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.seeds = 0

    def add(self, played: Played) -> None:
        """Count a history."""
        self.outcomes += played.outcomes
        self.seeds += 1

    @property
    def done(self) -> int:
        """Actions that had an effect."""
        return sum(count for (_, code), count in self.outcomes.items() if not code)

    def lines(self) -> Iterator[str]:
        """Tell how often each kind was done and refused, and why."""
        for kind in sorted({kind for kind, _ in self.outcomes}):
            codes = {code: count for (other, code), count in self.outcomes.items() if other == kind and code}
            refused = ", ".join(f"{code} {count:,}" for code, count in sorted(codes.items(), key=lambda item: -item[1]))
            yield f"{kind:34}{self.outcomes[kind, '']:>10,} done {sum(codes.values()):>10,} refused  {refused}"


def play_seed(given: tuple[int, int]) -> Played:
    """Play the history of a seed."""
    seed, length = given
    setting, steps = setting_of(seed), steps_of(seed, length)
    try:
        return Played(seed, play(setting, steps).outcomes, None)
    except Exception:
        return Played(seed, Counter(), violation(setting, steps))


def soak(actions: int, first: int, length: int, workers: int) -> int:
    """Play histories side by side; return the exit code. What breaks is shortened in the end, once for each place."""
    count = -(-actions // length)  # up
    figures, started, told = Figures(), time.monotonic(), 0
    broken: dict[str, Played] = {}
    with Pool(workers) as pool:
        for played in pool.imap(play_seed, ((seed, length) for seed in range(first, first + count)), chunksize=4):
            figures.add(played)
            if played.broken is not None and played.broken.kind not in broken:
                broken[played.broken.kind] = played
                print(f"seed {played.seed}: {played.broken.kind}: {played.broken.text}", file=sys.stderr, flush=True)
            if 20 * figures.seeds // count > told:
                told = 20 * figures.seeds // count
                said = f"{figures.seeds * length:,} actions, {figures.seeds:,} seeds, {time.monotonic() - started:.0f} s"
                print(said, file=sys.stderr, flush=True)
    print(*figures.lines(), sep="\n")
    print(*(_tell(played, length) for played in broken.values()), sep="\n")
    total = sum(figures.outcomes.values())
    verdict = f"{len(broken)} laws were broken" if broken else "every law held"
    print(f"{total:,} actions in {figures.seeds:,} histories, {figures.done / max(1, total):.1%} done, others refused: {verdict}")
    print(f"{time.monotonic() - started:,.0f} s with {workers} processes")
    return 1 if broken else 0


def _tell(played: Played, length: int) -> str:
    """Shorten a history that broke a law, write it down, and say how to play it again."""
    setting, steps = setting_of(played.seed), steps_of(played.seed, length)
    short = shrink(setting, steps)
    broken = violation(setting, short)
    path = DIRECTORY / f"soak-{played.seed}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"setting": asdict(setting), "steps": short, "broken": broken}, indent=1), encoding="utf-8")
    lines = [f"seed {played.seed}: {broken}", str(setting), *map(str, short), f"{len(short)} actions of {length}; repeat with:"]
    return "\n".join([*lines, f"  PYTHONPATH=tests python -m soak --replay {path}"])


def replay(path: Path) -> int:
    """Play a history that was written down; return the exit code."""
    found = json.loads(path.read_text(encoding="utf-8"))
    broken = violation(Setting(**found["setting"]), [Step(*step) for step in found["steps"]])
    print(broken or "every law held")
    return 1 if broken else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--actions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first history; the others follow")
    parser.add_argument("--length", type=int, default=250, help="actions of one history")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=Path, help="a history that was written down")
    given = parser.parse_args()
    if given.replay is not None:
        return replay(given.replay)
    return soak(given.actions, given.seed, given.length, given.workers)


if __name__ == "__main__":
    sys.exit(main())
