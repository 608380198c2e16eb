"""One warm process per area: it runs the tests once to see which reach what, and then forks for every mutant.

A child exchanges the code of the one changed function in place, forgets what the core remembers, runs the tests that reach the
changed lines, and ends at the first failure: those first that have caught a mutant of the same function, then the quick ones.
Nothing is imported or copied again.
"""

import gc
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol

from mutations.score.operators import Mutant, mutated

ROOT = Path(__file__).resolve().parents[3]
CORE = "core/meshsec_core"

PATIENCE_SECONDS = 2
SLOWDOWN = 4
"""A mutant on which a test takes this many times its time and some seconds counts as caught: what it breaks lets the test end.
Processor time, which other programs on the machine do not change."""
MEMORY_BYTES = 4 * 2**30

KILLED, TIMEOUT, SURVIVED, UNREACHED, UNFIT = "killed", "timeout", "survived", "unreached", "unfit"
ENDS = {0: SURVIVED, 1: KILLED, 2: UNFIT, -signal.SIGPROF: TIMEOUT}
"""By exit status; any other is of a child that broke down."""

CodeKey = tuple[str, int]
"""Qualified name and first line."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    end: str
    test: str = ""
    """The test that noticed."""
    seconds: float = 0.0


Tell = Callable[[Verdict], None]


def run_area(files: Iterable[str], tests: Iterable[str], mutants: list[Mutant], workers: int, tell: Tell) -> None:
    """Try mutants on the tests of an area; `tell` hears each verdict.

    Raises:
        RuntimeError: a test fails without any mutant.
    """
    session = Session([str(ROOT / file) for file in files], mutants, workers, tell)
    quietly = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    arguments = [*quietly, *(str(ROOT / "tests" / test) for test in tests)]
    code = pytest.main(arguments, plugins=[session])
    if code != 0:
        raise RuntimeError(f"the tests do not pass on the tree as it is (pytest ended with {code})")


class Session:
    """A pytest plugin that runs the collected tests its own way."""

    def __init__(self, files: list[str], mutants: list[Mutant], workers: int, tell: Tell) -> None:
        self._coverage = coverage.Coverage(data_file=None, include=files, config_file=False)
        self._mutants = mutants
        self._workers = workers
        self._tell = tell
        self._seconds: dict[str, float] = {}
        self._failed: list[str] = []
        self._caught: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """By file and function, the tests that have caught a mutant of it."""

    def pytest_configure(self) -> None:
        """Let random tests play the same examples each time, and not look for simpler ones."""
        from hypothesis import HealthCheck, Phase, settings  # pytest wants to import it first

        phases = [Phase.explicit, Phase.generate]
        settings.register_profile(
            "mutants", database=None, deadline=None, derandomize=True, phases=phases, suppress_health_check=list(HealthCheck)
        )
        settings.load_profile("mutants")

    # one run as usual

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("collection failed")
        items = {item.nodeid: item for item in session.items}
        reached = self._explore(list(items.values()))
        if self._failed:
            session.testsfailed = len(self._failed)
            print("failed without any mutant:", *self._failed, sep="\n", file=sys.stderr)
            return True
        functions = _functions({mutant.file for mutant in self._mutants})
        caches = _caches()
        gc.collect()
        self._try_all(items, reached, functions, caches)
        return True

    def _explore(self, items: list[pytest.Item]) -> dict[str, dict[int, set[str]]]:
        """Run every test; return by file and line which tests reach it."""
        for item in items:
            started = time.process_time()
            self._coverage.start()
            self._coverage.switch_context(item.nodeid)
            reports = runtestprotocol(item, nextitem=None, log=False)
            self._coverage.stop()
            self._seconds[item.nodeid] = time.process_time() - started
            self._failed += [item.nodeid for report in reports if report.failed]
        found = self._coverage.get_data()
        reached: dict[str, dict[int, set[str]]] = {}
        for path in found.measured_files():
            lines = found.contexts_by_lineno(path)
            reached[str(Path(path).relative_to(ROOT))] = {line: {name for name in names if name} for line, names in lines.items()}
        return reached

    # mutants

    def _try_all(self, items: dict[str, pytest.Item], reached: Any, functions: Any, caches: list[Any]) -> None:
        running: dict[int, tuple[Mutant, int, float]] = {}
        waiting = iter(self._mutants)
        exhausted = False
        while running or not exhausted:
            while len(running) < self._workers and not exhausted:
                mutant = next(waiting, None)
                if mutant is None:
                    exhausted = True
                    break
                tests = self._in_order(mutant, reached.get(mutant.file, {}))
                if not tests:
                    self._tell(Verdict(mutant, UNREACHED))
                    continue
                reader, writer = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(reader)
                    self._be(mutant, [items[test] for test in tests], functions, caches, writer)
                os.close(writer)
                running[child] = (mutant, reader, time.monotonic())
            self._collect(running)

    def _in_order(self, mutant: Mutant, lines: dict[int, set[str]]) -> list[str]:
        """Return the tests that reach a mutant, the likely ones first."""
        caught = self._caught[mutant.file, mutant.where]
        tests = {test for line in mutant.lines for test in lines.get(line, ())}
        return sorted(tests, key=lambda test: (test not in caught, self._seconds[test]))

    def _collect(self, running: dict[int, tuple[Mutant, int, float]]) -> None:
        """Hear the children that have ended."""
        for child, (mutant, reader, started) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                test = os.read(reader, 4_096).decode()
                os.close(reader)
                del running[child]
                end = ENDS.get(os.waitstatus_to_exitcode(status), KILLED)
                if test:
                    self._caught[mutant.file, mutant.where].add(test)
                self._tell(Verdict(mutant, end, test, round(time.monotonic() - started, 2)))
        time.sleep(0.005)

    def _be(self, mutant: Mutant, items: list[pytest.Item], functions: Any, caches: list[Any], writer: int) -> None:
        """Become the mutant, run the tests, and end."""
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            _exchange(mutant, functions)
        except (ValueError, KeyError, SyntaxError):
            os._exit(2)
        for cache in caches:
            cache.cache_clear()
        try:
            for item in items:
                signal.setitimer(signal.ITIMER_PROF, PATIENCE_SECONDS + SLOWDOWN * self._seconds[item.nodeid])
                if any(report.failed for report in runtestprotocol(item, nextitem=None, log=False)):
                    os.write(writer, item.nodeid.encode()[:4_000])
                    os._exit(1)
        except BaseException:
            os._exit(1)
        os._exit(0)


def _functions(files: set[str]) -> dict[str, dict[CodeKey, list[FunctionType]]]:
    """Return every function that lives, by its file and place: closures that were made long ago too."""
    found: dict[str, dict[CodeKey, list[FunctionType]]] = {file: defaultdict(list) for file in files}
    paths = {str(ROOT / file): file for file in files}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in paths:
            code = thing.__code__
            found[paths[code.co_filename]][code.co_qualname, code.co_firstlineno].append(thing)
    return found


def _caches() -> list[Any]:
    """Return what the core remembers."""
    return [
        thing
        for thing in gc.get_objects()
        if type(thing).__name__ == "_lru_cache_wrapper" and str(thing.__module__).startswith("meshsec_core")
    ]


def _exchange(mutant: Mutant, functions: dict[str, dict[CodeKey, list[FunctionType]]]) -> None:
    """Give every function that the mutant changes its new code.

    Raises:
        ValueError: the new code would close over other variables.
        KeyError: no function with the changed code lives: it ran at import only.
    """
    path = str(ROOT / mutant.file)
    old = dict(_codes(compile((ROOT / mutant.file).read_text(), path, "exec", dont_inherit=True)))
    new = dict(_codes(compile(mutated(ROOT, mutant), path, "exec", dont_inherit=True)))
    changed = [key for key, code in new.items() if key in old and old[key] != code]
    alive = [(function, new[key]) for key in changed for function in functions[mutant.file].get(key, ())]
    if not alive:
        raise KeyError(mutant.name)
    for function, code in alive:
        function.__code__ = code


def _codes(code: CodeType) -> Iterator[tuple[CodeKey, CodeType]]:
    yield (code.co_qualname, code.co_firstlineno), code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
