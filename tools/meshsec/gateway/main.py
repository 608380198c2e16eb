"""A gateway process from its settings to its end.

`run` builds everything and may be called in a forked child: nothing is read or built at import.
"""

import argparse
import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import structlog
import uvicorn
import uvloop

from meshsec.gateway.api import build_app
from meshsec.gateway.gateway import Gateway
from meshsec.gateway.settings import BAD_SETTINGS, GatewaySettings, read_settings
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import logs
from meshsec_sdk.process import end_with_parent

PORT_IN_USE = "gateway/port-in-use"

BAD_INPUT_EXIT = 2
INFRASTRUCTURE_EXIT = 3

BACKLOG = 512

GRACE_SECONDS = 2
"""How long open requests may take when the process is asked to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run a gateway from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="meshsec.gateway", description="One port for a whole development mesh.")
    parser.add_argument("--config", type=Path, required=True, help="settings, JSON")
    try:
        return run(read_settings(parser.parse_args(arguments).config))
    except Rejected as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT_EXIT if refusal.code == BAD_SETTINGS else INFRASTRUCTURE_EXIT


def run(settings: GatewaySettings, listener: socket.socket | None = None) -> int:
    """Serve a mesh until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        settings: what to serve.
        listener: a listening socket to serve on instead of the settings' host and port.

    Raises:
        Rejected: `gateway/port-in-use`.
    """
    logs.set_up(settings.log_level, process="gateway")
    if settings.parent is not None:
        end_with_parent(settings.parent)
    listener = bind(settings) if listener is None else listener
    try:
        uvloop.run(_serve(settings, listener))
    finally:
        listener.close()
    return 0


def bind(settings: GatewaySettings) -> socket.socket:
    """Listen on the settings' address.

    Raises:
        Rejected: `gateway/port-in-use`.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Rejected(PORT_IN_USE, host=settings.host, port=settings.port, reason=str(error.strerror)) from None
    return listener


async def _serve(settings: GatewaySettings, listener: socket.socket) -> None:
    async with Gateway(settings) as gateway:
        config = uvicorn.Config(
            build_app(gateway),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws="none",
            lifespan="off",
        )
        server = Server(config, gateway)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.end)
        gc.collect()
        gc.freeze()
        structlog.get_logger().info("serving", port=listener.getsockname()[1], chains=", ".join(settings.chains))
        await server.serve([listener])
    structlog.get_logger().info("ended")


class Server(uvicorn.Server):
    """uvicorn, ended by our own signal handler so that open event streams end first."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    def end(self) -> None:
        """End streams, answer what is open, and return from `serve`."""
        self._gateway.stop()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the loop's own handlers."""
        yield
