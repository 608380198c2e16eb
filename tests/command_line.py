"""The command line as people and programs meet it: a process, its exit code, and what it prints."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "meshsec"]

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str | Path) -> Answer:
    """Run a command to its end."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def alive(pids: Iterable[int]) -> list[int]:
    """Return the processes that still run; one that has ended and was not yet collected does not."""
    return [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc").exists():
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False  # collected meanwhile


def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait until none of these processes runs."""
    watched = list(pids)
    until(lambda: not alive(watched))


def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)
