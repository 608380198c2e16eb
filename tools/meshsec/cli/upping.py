"""`meshsec up`: starts the supervisor, waits until the mesh is ready, and shows it until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from meshsec.cli.answer import say
from meshsec.launch import FAILED, Launch, begin
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.token import VARIABLE

if TYPE_CHECKING:
    from meshsec.home import Home

BAD_BLOCK_TIME = "cli/bad-block-time"
TOO_FEW_BLOCKS = "cli/too-few-blocks"

FRAME_SECONDS = 0.25
"""Between two looks at the mesh."""


class Wish(msgspec.Struct, frozen=True):
    """What the command line asks for."""

    mesh: str
    directory: Path
    port: int | None
    host: str
    seed: int | None
    block_mode: str
    block_time: str
    token: str | None = None
    keep_blocks: int = 0


def run(wish: Wish, *, detach: bool, json: bool) -> int:
    """Boot a mesh; return the exit code.

    Raises:
        Rejected: `up/…`, `mesh-file/…`, `yaml/…`, `process/port-in-use`, or what a process was refused.
    """
    started = time.monotonic()
    launch = _launch(wish, tied=not detach)
    if wish.token:
        os.environ[VARIABLE] = wish.token
    process = begin(launch)
    from meshsec.home import Home
    from meshsec.rest import await_ready

    home = Home(wish.directory)
    try:
        running = await_ready(process, home, launch)
    except BaseException:
        _end(process)
        raise
    took = int((time.monotonic() - started) * 1000)
    urls = {"chains": running.endpoints.chains, "relayers": running.endpoints.relayers}
    answer = {"ready_ms": took, "page": running.endpoints.gateway, "dir": str(home.path), **urls, "pid": running.pid}
    end = f"meshsec down --dir {wish.directory}" if detach else "Ctrl-C"
    text = f"ready in {took / 1000:.1f} s: {running.endpoints.gateway} ({end} ends it)"
    if detach:
        say(answer, json=json, text=text)
        return 0
    pressed: list[int] = []
    try:
        # an exception in the middle of `Popen.poll` would leave its lock taken for ever: from here on Ctrl-C is only noted
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
        say(answer, json=json, text=text)
        _show(process, home, pressed, live=not json and sys.stdout.isatty())
    except KeyboardInterrupt:
        pressed.append(signal.SIGINT)
    if pressed:
        _end(process)
    if not json:
        print("stopped; what the mesh holds stays in", home.path)
    return 0


def _launch(wish: Wish, *, tied: bool) -> Launch:
    from meshsec_sdk.quantities import duration

    block_time = duration(wish.block_time)
    if not block_time:
        raise Rejected(BAD_BLOCK_TIME, found=wish.block_time[:50], expected="such as 500ms or 2s")
    from meshsec_core.replica.pruning import KEEP

    if 0 < wish.keep_blocks < KEEP.states:
        raise Rejected(TOO_FEW_BLOCKS, found=wish.keep_blocks, least=KEEP.states, hint="0 keeps all")
    return Launch(
        dir=str(wish.directory.resolve()),
        source=wish.mesh,
        seed=wish.seed,
        port=wish.port,
        host=wish.host,
        block_mode=wish.block_mode,
        block_time=block_time,
        keep_blocks=wish.keep_blocks,
        tied=tied,
    )


def _show(process: subprocess.Popen[bytes], home: "Home", pressed: list[int], *, live: bool) -> None:
    """Draw the mesh again and again until its supervisor ends or Ctrl-C is pressed.

    Raises:
        Rejected: `up/failed` if it ended other than by being asked to.
    """
    with ExitStack() as stack:
        screen, picture = None, None
        if live:
            from rich.live import Live

            from meshsec.cli.picture import Picture, draw

            picture = stack.enter_context(Picture(home))
            screen = stack.enter_context(Live(draw(picture.look()), auto_refresh=False))
        while process.poll() is None and not pressed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(FRAME_SECONDS)
            if screen is not None and picture is not None and home.running_file.exists():
                screen.update(draw(picture.look()), refresh=True)
    if process.returncode:
        raise Rejected(FAILED, exit_code=process.returncode, log=str(home.log("supervisor")))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have a supervisor end its children and wait for it, whatever the keyboard says meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if process.poll() is None:
        process.terminate()
    process.wait()
