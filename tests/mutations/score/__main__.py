"""Scores the tests: `python -m mutations.score [AREA …] [--sample N] [--seed S] [--resume FILE] [--json]`.

Exit codes: 0 every area reaches the aim, 1 one does not, 2 the tests fail without any mutant or a table does not fit the code.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutations.score.operators import Mutant, mutants_of
from mutations.score.session import CORE, KILLED, ROOT, SURVIVED, TIMEOUT, UNFIT, UNREACHED, Verdict, run_area

FOLDER = Path(__file__).parent
AIM_PERCENT = 95
EQUIVALENT = "equivalent"


@dataclass
class Area:
    """Files, the tests that are asked about them, and what is known of their mutants."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    ends: dict[Mutant, str] = field(default_factory=dict)

    def count(self, file: str = "") -> Counter[str]:
        """Count mutants by how they ended, of one file or of all."""
        return Counter(end for mutant, end in self.ends.items() if not file or mutant.file == file)

    @property
    def survivors(self) -> list[Mutant]:
        return [mutant for mutant, end in self.ends.items() if end in (SURVIVED, UNREACHED)]


def percent(count: Counter[str]) -> float:
    """Return how many of the mutants that could be noticed were."""
    killed = count[KILLED] + count[TIMEOUT]
    tried = killed + count[SURVIVED] + count[UNREACHED]
    return 100.0 if not tried else round(100 * killed / tried, 1)


def read_areas(path: Path = FOLDER / "areas.toml") -> list[Area]:
    """Read the table of areas."""
    table = tomllib.loads(path.read_text())
    return [Area(name, tuple(f"{CORE}/{file}" for file in row["files"]), tuple(row["tests"])) for name, row in table.items()]


def read_equivalent(path: Path = FOLDER / "equivalent.toml") -> dict[str, str]:
    """Read which mutants change nothing that anyone could notice: their names, and why."""
    found = {}
    for row in tomllib.loads(path.read_text()).get("mutant", []):
        for what in row["what"]:
            found[f"{CORE}/{row['file']}::{row['where']}: {what}"] = row["why"]
    return found


class Memory:
    """Verdicts of earlier runs, in a file of JSON lines; they hold while the mutated file is the same, but for survivors."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._digests: dict[str, str] = {}
        self.known: dict[str, str] = {}
        if path is not None and path.exists():
            for row in map(json.loads, path.read_text().splitlines()):
                if row["end"] in (KILLED, TIMEOUT, UNFIT) and row["digest"] == self._digest(row["file"]):
                    self.known[row["name"]] = row["end"]

    def add(self, verdict: Verdict) -> None:
        """Remember a verdict at once."""
        if self._path is not None:
            mutant = verdict.mutant
            row = {"name": mutant.name, "file": mutant.file, "end": verdict.end, "test": verdict.test, "seconds": verdict.seconds}
            with self._path.open("a") as file:
                file.write(json.dumps({**row, "digest": self._digest(mutant.file)}) + "\n")

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            path = ROOT / file
            self._digests[file] = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""
        return self._digests[file]


def mutants_in(area: Area) -> list[Mutant]:
    """Return all mutants of an area, file by file."""
    return [mutant for file in area.files for mutant in mutants_of(ROOT, file)]


def score(area: Area, arguments: argparse.Namespace, equivalent: dict[str, str], memory: Memory) -> None:
    """Try the mutants of an area, and say so line by line."""
    mutants = [mutant for mutant in mutants_in(area) if arguments.only in mutant.name]
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.sample)
    for mutant in mutants:
        if mutant.name in equivalent:
            area.ends[mutant] = EQUIVALENT
        elif mutant.name in memory.known:
            area.ends[mutant] = memory.known[mutant.name]
    waiting = [mutant for mutant in mutants if mutant not in area.ends]

    def tell(verdict: Verdict) -> None:
        area.ends[verdict.mutant] = verdict.end
        memory.add(verdict)
        if verdict.end in (SURVIVED, UNREACHED):
            print(f"✗  {verdict.mutant.name} ({verdict.end}, line {verdict.mutant.lines[-1]})", file=sys.stderr, flush=True)
        done = len(area.ends)
        if done % 100 == 0:
            print(f"   {area.name}: {done} of {len(mutants)}, {percent(area.count())} %", file=sys.stderr, flush=True)

    if waiting:
        run_area(area.files, area.tests, waiting, arguments.workers, tell)


def told(areas: Iterable[Area]) -> str:
    """Spell the score of every area and file as a table."""
    lines = [f"{'':<44}{'killed':>8}{'survived':>10}{'equivalent':>12}{'score':>9}"]
    for area in areas:
        files = [(f"  {file.removeprefix(CORE + '/')}", area.count(file)) for file in area.files]
        for label, count in ((area.name, area.count()), *files):
            killed, left = count[KILLED] + count[TIMEOUT], count[SURVIVED] + count[UNREACHED]
            lines.append(f"{label:<44}{killed:>8}{left:>10}{count[EQUIVALENT]:>12}{percent(count):>8} %")
    return "\n".join(lines)


def as_json(areas: Iterable[Area]) -> dict[str, Any]:
    """Return the scores and the names of the survivors."""
    return {
        area.name: {
            "score": percent(area.count()),
            "counts": area.count(),
            "files": {file: {"score": percent(area.count(file)), "counts": area.count(file)} for file in area.files},
            "survivors": [mutant.name for mutant in area.survivors],
        }
        for area in areas
    }


def main() -> int:
    """Score the chosen areas."""
    parser = argparse.ArgumentParser(description="Count how many small changes of the code the tests notice.")
    parser.add_argument("areas", nargs="*", help="names of areas; all by default")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="try N mutants of each area, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="TEXT", help="try mutants whose name holds this text")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep verdicts in a file; what was killed is not tried again")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--json", action="store_true", help="print scores and survivors as JSON")
    arguments = parser.parse_args()
    areas = [area for area in read_areas() if not arguments.areas or area.name in arguments.areas]
    equivalent, memory = read_equivalent(), Memory(arguments.resume)
    for name in sorted(equivalent.keys() - {mutant.name for area in read_areas() for mutant in mutants_in(area)}):
        print(f"?  excused, but no longer there: {name}", file=sys.stderr)
    try:
        for area in areas:
            score(area, arguments, equivalent, memory)
    except RuntimeError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(json.dumps(as_json(areas), indent=1) if arguments.json else told(areas))
    return 0 if all(percent(area.count()) >= AIM_PERCENT for area in areas) else 1


if __name__ == "__main__":
    sys.exit(main())
