"""Starts the supervisor of a mesh and hears what it says. Imports little: a supervisor cannot start before this is loaded."""

import select
import subprocess
import sys

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected

FAILED = "up/failed"

LISTEN_SECONDS = 60.0
"""How long a supervisor may take to import, to wait for what an earlier one left, and to fork."""


class Launch(msgspec.Struct, frozen=True):
    """How a mesh is to be run."""

    dir: str
    source: str = ""
    """A topology's name or a file; empty takes what the directory holds, or a triangle."""
    mesh: str = ""
    """A mesh description as JSON, in place of a source."""
    seed: int | None = None
    port: int | None = None
    """The gateway's; 0 takes a free one, none the usual one if it is free."""
    host: str = "127.0.0.1"
    block_mode: str = "auto"
    """`auto`, `interval` or `manual`."""
    block_time: int = 1_000_000_000
    """Nanoseconds between blocks in interval mode."""
    keep_blocks: int = 0
    """How many blocks each chain keeps; 0 keeps all."""
    tied: bool = False
    """End when the process that started it ends."""


class Told(msgspec.Struct, frozen=True):
    """What a supervisor says once: it listens (no code), or why not."""

    code: str = ""
    facts: dict[str, str] = {}
    process: str = ""


def begin(launch: Launch) -> subprocess.Popen[bytes]:
    """Start a supervisor; it is not waited for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "meshsec.supervisor"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(codec.encode(launch) + b"\n")
    return process


def hear(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the supervisor's next line; tell whether it came.

    Raises:
        Rejected: what the supervisor or one of its processes refused, `up/failed` if it ended without a word.
    """
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], seconds)[0]:
        return False
    line = process.stdout.readline()
    told = codec.load(line, Told) if line else Told(FAILED, {"exit_code": str(process.wait())})
    if told.code:
        process.wait()
        raise Rejected(told.code, **told.facts, **({"process": told.process} if told.process else {}))
    return True


def hear_listening(process: subprocess.Popen[bytes]) -> None:
    """Wait until the supervisor has bound every address and started every process.

    Raises:
        Rejected: as `hear`; `up/failed` after a minute.
    """
    if not hear(process, LISTEN_SECONDS):
        process.terminate()
        raise Rejected(FAILED, seconds=int(LISTEN_SECONDS))
