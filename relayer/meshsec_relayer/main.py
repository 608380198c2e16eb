"""A relayer process from its configuration to its end.

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

from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.api import build_app
from meshsec_relayer.config import RelayerConfig, read_config
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.runner import Runner
from meshsec_relayer.store import FileStore, MemoryStore, Store
from meshsec_sdk import logs, names
from meshsec_sdk.process import end_with_parent

PORT_IN_USE = "relayer/port-in-use"
NO_CONFIG = "relayer/no-config"

BAD_INPUT_EXIT = 2
INFRASTRUCTURE_EXIT = 3

GRACE_SECONDS = 2
"""How long open requests may take when the process is asked to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run a relayer from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="meshsec_relayer", description="Carries packets between the chains of a mesh.")
    parser.add_argument("--config", type=Path, required=True, help="configuration, JSON")
    try:
        return run(load_config(parser.parse_args(arguments).config))
    except Rejected as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT_EXIT


def load_config(path: Path) -> RelayerConfig:
    """Read a configuration file.

    Raises:
        Rejected: `relayer/no-config`, `relayer/bad-config`.
    """
    try:
        return read_config(path.read_bytes())
    except OSError as error:
        raise Rejected(NO_CONFIG, file=str(path), reason=str(error.strerror)) from None


def run(config: RelayerConfig, listener: socket.socket | None = None) -> int:
    """Relay until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        config: what to serve.
        listener: a bound socket to serve on instead of the configuration's host and port.

    Raises:
        Rejected: the configuration or the durable image does not fit.
    """
    logs.set_up(config.log_level, process="relayer", relayer=config.id)
    store: Store = FileStore(Path(config.store)) if config.store else MemoryStore()
    engine = Engine(config, names.development_key(config.key_path), store.load())
    try:
        listener = bind(config) if listener is None else listener
    except Rejected as refusal:
        sys.stderr.write(f"{refusal}\n")
        return INFRASTRUCTURE_EXIT
    if config.parent_pipe is not None:
        end_with_parent(config.parent_pipe)
    try:
        uvloop.run(_serve(config, engine, store, listener))
    finally:
        listener.close()
    return 0


def bind(config: RelayerConfig) -> socket.socket:
    """Bind the configured address.

    Raises:
        Rejected: `relayer/port-in-use`.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Rejected(PORT_IN_USE, host=config.host, port=config.port, reason=str(error.strerror)) from None
    return listener


async def _serve(config: RelayerConfig, engine: Engine, store: Store, listener: socket.socket) -> None:
    runner = Runner(config, engine, store)
    server = Server(
        uvicorn.Config(build_app(runner), log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, ws="none"),
        runner,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    gc.collect()
    gc.freeze()
    structlog.get_logger().info("serving", port=listener.getsockname()[1], chains=", ".join(config.chains))
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        group.create_task(server.serve([listener]))
    structlog.get_logger().info("ended")


class Server(uvicorn.Server):
    """uvicorn, ended by our own signal handler."""

    def __init__(self, config: uvicorn.Config, runner: Runner) -> None:
        super().__init__(config)
        self._runner = runner

    def end(self) -> None:
        """Stop relaying, answer what is open, and return from `serve`."""
        self._runner.stop()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the loop's own handlers."""
        yield
