"""A mesh that is meant to be killed: starts it, kills its processes, and tells which processes there are."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from meshsec.home import Home
from meshsec.launch import Launch
from meshsec.rest import await_ready
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel import codec
from torture.mortal import fuse_of

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.01
TESTS = Path(__file__).parents[1]


class NeverHeld(AssertionError):
    """A condition that was waited for did not come true."""


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise NeverHeld(what)
        time.sleep(LOOK_SECONDS)


class MortalMesh:
    """Processes of one directory, under a supervisor of `torture.mortal`. Use it as a context manager."""

    def __init__(self, home: Home, topology: str, keep_blocks: int = 0) -> None:
        self.home = home
        self._launch = Launch(str(home.path), source=topology, port=0, keep_blocks=keep_blocks)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start everything and wait until all channels are open."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "torture.mortal"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(codec.encode(self._launch) + b"\n")
        try:
            await_ready(self._process, self.home, self._launch)
        except BaseException:
            self._process.terminate()
            raise
        self.world = ProcessWorld.attach(self.home.path)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End everything; nothing may be left."""
        self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> None:
        """End the supervisor by a signal, and wait until it has left nobody behind."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self.world.close()
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_SECONDS)
        until(lambda: not processes_of(process.pid), f"processes of supervisor {process.pid} to end")

    @property
    def children(self) -> dict[str, int]:
        """Name to id of every process; 0 while it is away."""
        return dict(self.home.running().children)

    def file_of(self, name: str) -> Path:
        """The file that a chain or relayer writes what must last into."""
        relayer = name.removeprefix("relayer-")
        if relayer != name:
            return self.home.relayer(relayer) / "cursor"
        return self.home.chain(name) / "chain.db"

    def kill(self, name: str) -> None:
        """Kill a process at once; its supervisor starts it again."""
        os.kill(self.children[name], signal.SIGKILL)

    def kill_and_keep_away(self, name: str) -> None:
        """Kill a process at once, and keep it away."""
        pid = self.children[name]
        self.home.away(name).parent.mkdir(exist_ok=True)
        self.home.away(name).touch()
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.children[name] == 0, f"{name} to be away")

    def bring_back(self, name: str) -> None:
        """Let the supervisor start a process that was kept away."""
        self.home.away(name).unlink()
        os.kill(self.home.running().pid, signal.SIGUSR1)

    def arm(self, name: str, point: str, passes: int) -> None:
        """Let a process die at a point of a write, after so many passes."""
        fuse = fuse_of(self.file_of(name))
        beside = fuse.with_suffix(".burning")
        beside.write_text(f"{point} {passes}")
        beside.replace(fuse)

    def disarm(self, name: str) -> None:
        """Take a fuse away that did not burn."""
        fuse_of(self.file_of(name)).unlink(missing_ok=True)

    def await_back(self, name: str, before: int) -> None:
        """Wait until another process than before has taken a name."""
        until(lambda: self.children[name] not in (0, before), f"{name} to start again")

    def await_no_orphans(self) -> None:
        """Wait until the processes of the supervisor's session are those that it looks after, and it."""
        supervisor = self.home.running().pid
        until(lambda: processes_of(supervisor) == {supervisor, *self.children.values()}, "orphans to end")


def processes_of(session: int) -> set[int]:
    """The processes of a session that have not ended."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(of) == session and state != "Z":
                found.add(int(folder.name))
    return found
