"""Breaks one rule after another in a copy of the tree and names the test that notices: `python -m mutations.named [--json]`.

The mutations stand in the tables beside this file: a file, a text that occurs in it once, what replaces it, and the tests that
must not survive that. Exit codes: 0 every mutant was caught, 1 one survived, 2 a mutation no longer fits the code or its tests
fail without it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[2]
TABLES = Path(__file__).parent
PARTS = ("core", "node", "relayer", "tools", "tests")
COPIED = (*PARTS, "pyproject.toml")
PATIENCE_SECONDS = 120
"""A mutant that runs for longer counts as caught: the rule it breaks is what lets the program end."""
UNTOUCHED = "untouched"

FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Mutation:
    """One broken rule."""

    name: str
    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    table: str


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    name: str
    rule: str
    file: str
    caught_by: str
    """The first test that failed; empty if none did."""
    problem: str
    """Why the mutant says nothing, if it does not."""
    seconds: float


def read_tables(folder: Path) -> list[Mutation]:
    """Read all mutations, by file and place."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text())["mutation"]:
            found.append(Mutation(**{**entry, "tests": tuple(entry["tests"]), "table": path.stem}))
    return found


def copy_tree(target: Path) -> Path:
    """Copy what tests need, without what they leave behind."""
    for part in COPIED:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        else:
            shutil.copy2(source, target / part)
    return target


def run_tests(tree: Path, tests: Iterable[str]) -> tuple[int, str]:
    """Run tests on the packages of a copy; return pytest's exit code and what it said."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / part) for part in PARTS)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-x", "--tb=no", "-p", "no:cacheprovider", *tests]
    try:
        found = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return 1, f"FAILED (no end within {PATIENCE_SECONDS} s)"
    return found.returncode, found.stdout + found.stderr


def judge(mutation: Mutation, tree: Path) -> Verdict:
    """Break the rule in a copy, run its tests, and mend it."""
    started = time.monotonic()
    path = tree / mutation.file
    text = path.read_text()
    caught, problem = "", ""
    if text.count(mutation.old) != 1:
        problem = f"its text occurs {text.count(mutation.old)} times"
    else:
        path.write_text(text.replace(mutation.old, mutation.new))
        try:
            code, said = run_tests(tree, mutation.tests)
        finally:
            path.write_text(text)
        named = FAILED.search(said)
        if code == 1:
            caught = named[1] if named else said.strip().splitlines()[-1]
        elif code != 0:
            problem = f"pytest ended with {code}: {said.strip().splitlines()[-1]}"
    return Verdict(mutation.name, mutation.rule, mutation.file, caught, problem, round(time.monotonic() - started, 1))


def judge_all(mutations: list[Mutation], workers: int) -> Iterator[Verdict]:
    """Judge every mutation, several at a time, each worker on a copy of its own; the first verdict is about the copy as it is."""
    with tempfile.TemporaryDirectory(prefix="meshsec-mutations-") as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            trees.put(copy_tree(Path(folder) / str(number)))
        yield judge_untouched(mutations, Path(folder) / "0")

        def work(mutation: Mutation) -> Verdict:
            tree = trees.get()
            try:
                return judge(mutation, tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(work, mutations)


def judge_untouched(mutations: list[Mutation], tree: Path) -> Verdict:
    """Run all tests once on an unbroken copy: a mutant is caught only by a test that passes without it."""
    started = time.monotonic()
    code, said = run_tests(tree, dict.fromkeys(test for mutation in mutations for test in mutation.tests))
    problem = "" if code == 0 else f"tests fail without any mutation: {FAILED.findall(said) or said.strip().splitlines()[-1:]}"
    return Verdict(UNTOUCHED, "the tests pass on the tree as it is", "", "", problem, round(time.monotonic() - started, 1))


def line(verdict: Verdict) -> str:
    """Spell a verdict for people."""
    if verdict.problem:
        return f"?  {verdict.name}: {verdict.problem}"
    if verdict.name == UNTOUCHED:
        return f"✓  {verdict.rule} ({verdict.seconds} s)"
    if verdict.caught_by:
        return f"✓  {verdict.name:<45} {verdict.seconds:>5} s  {verdict.caught_by}"
    return f"✗  {verdict.name}: nobody noticed that this no longer holds: {verdict.rule} ({verdict.file})"


def main() -> int:
    """Judge the chosen mutations and print what became of them."""
    parser = argparse.ArgumentParser(description="Break rules in a copy of the tree and name the tests that notice.")
    parser.add_argument("names", nargs="*", help="words in names, rules or tables of mutations; all by default")
    parser.add_argument("--json", action="store_true", help="print the verdicts as one JSON list")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    arguments = parser.parse_args()
    words = [word.lower() for word in arguments.names]
    mutations = [
        found
        for found in read_tables(TABLES)
        if not words or any(word in f"{found.name} {found.rule} {found.table}".lower() for word in words)
    ]
    verdicts = []
    for verdict in judge_all(mutations, arguments.workers):
        verdicts.append(verdict)
        if not arguments.json:
            print(line(verdict), flush=True)
    if arguments.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    survivors = [verdict for verdict in verdicts if not verdict.caught_by and not verdict.problem and verdict.name != UNTOUCHED]
    unclear = [verdict for verdict in verdicts if verdict.problem]
    if not arguments.json:
        print(f"{len(verdicts) - 1 - len(survivors) - len(unclear)} caught, {len(survivors)} survived, {len(unclear)} unclear")
    return 1 if survivors else 2 if unclear else 0


if __name__ == "__main__":
    sys.exit(main())
