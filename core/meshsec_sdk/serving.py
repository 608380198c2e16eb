"""How our processes serve HTTP: listen, answer until asked to end, and leave with an exit code that tells why.

Whoever connects before a process is open waits in its listening socket. SIGTERM and SIGINT end a process cleanly; a signal that
the supervisor has told it to ignore stays ignored.
"""

import argparse
import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.answers import guarded
from meshsec_sdk.problems import MALFORMED_HTTP, problem
from meshsec_sdk.process import end_with_parent
from meshsec_sdk.settings import Serving

PORT_IN_USE = "process/port-in-use"
BAD_ADDRESS = "process/bad-address"

BAD_INPUT_EXIT = 2
INFRASTRUCTURE_EXIT = 3
INFRASTRUCTURE = ("process/", "storage/", "relayer/bad-store", "relayer/store-", "relayer/foreign-store")
"""Beginnings of the codes that blame the machine and not the caller."""

BACKLOG = 512
GRACE_SECONDS = 2
"""How long open requests may take when a process is asked to end."""


def command(program: str, description: str, run: Callable[[Path], int], arguments: Sequence[str] | None) -> int:
    """Run a process from its command line; return the exit code.

    Args:
        program: name in messages.
        description: one sentence for `--help`.
        run: is given the settings file.
        arguments: those of this process if None.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--config", type=Path, required=True, help="settings, JSON")
    path = parser.parse_args(arguments).config
    return guard(lambda: run(path))


def guard(work: Callable[[], int]) -> int:
    """Do a process's work; say on stderr why it was refused, and return the exit code: 2 blames the caller, 3 the machine."""
    try:
        return work()
    except Rejected as refusal:
        sys.stderr.write(f"{refusal}\n")
        return INFRASTRUCTURE_EXIT if refusal.code.startswith(INFRASTRUCTURE) else BAD_INPUT_EXIT


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; whoever connects before somebody serves it waits.

    Raises:
        Rejected: `process/port-in-use`; `process/bad-address` for one that this machine cannot listen on.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        code = PORT_IN_USE if getattr(error, "errno", None) == errno.EADDRINUSE else BAD_ADDRESS
        reason = getattr(error, "strerror", None) or str(error)
        raise Rejected(code, host=host, port=port, reason=reason, hint="choose another port") from None
    return listener


def run(settings: Serving, listener: socket.socket | None, work: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
    """Do a process's work on a listening socket, and end with the supervisor.

    Args:
        settings: where to listen, unless a listener is given.
        listener: already bound, by whoever started this process.
        work: is given the listener, and ends when `serve` does.

    Raises:
        Rejected: `process/port-in-use`, or what the work refuses.
    """
    if settings.parent is not None:
        end_with_parent(settings.parent)
    listener = listen(settings.host, settings.port) if listener is None else listener
    with listener:
        uvloop.run(work(listener))


async def serve(
    app: ASGIApp, listener: socket.socket, stop: Callable[[], None], beside: Awaitable[None] | None = None, **said: object
) -> None:
    """Answer requests until SIGTERM or SIGINT; orders need the token, if there is one.

    Args:
        app: what answers.
        listener: where requests come in.
        stop: called first when the process is to end; must end event streams, and `beside`.
        beside: runs as long as requests are answered.
        said: what the log line `serving` carries besides the port.

    Raises:
        Rejected: what `beside` ended with; whoever was being answered has been.
    """
    config = uvicorn.Config(
        guarded(app),
        http=_Protocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
        lifespan="off",
    )
    server = _Server(config)

    def end() -> None:
        stop()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end)
    gc.collect()
    gc.freeze()
    structlog.get_logger().info("serving", port=listener.getsockname()[1], **said)
    refusals: list[Rejected] = []
    async with asyncio.TaskGroup() as group:
        if beside is not None:
            group.create_task(_finish(beside, refusals, end))
        group.create_task(server.serve([listener]))
    if refusals:
        structlog.get_logger().error("failed", code=refusals[0].code, **refusals[0].texts)
        raise refusals[0]
    structlog.get_logger().info("ended")


async def _finish(work: Awaitable[None], refusals: list[Rejected], end: Callable[[], None]) -> None:
    """Do the work beside; when it refuses to go on, note why and end the rest, politely."""
    try:
        await work
    except* Rejected as group:
        refusals.extend(_leaves(group))
        end()


def _leaves(group: BaseExceptionGroup[Rejected]) -> Iterator[Rejected]:
    for found in group.exceptions:
        if isinstance(found, BaseExceptionGroup):
            yield from _leaves(found)
        else:
            yield found


class _Server(uvicorn.Server):
    """uvicorn, ended by our own signal handler so that open event streams end first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the loop's own handlers."""
        yield


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1, whose refusals have the one shape even if the request is no HTTP."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and hang up."""
        body = codec.encode(problem(Rejected(MALFORMED_HTTP, detail=msg)))
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)
        self.transport.close()
