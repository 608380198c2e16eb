"""A chain process from its settings to its end.

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

from meshsec_core.kernel.crypto import MemoVerifier, PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.replica import Replica
from meshsec_core.runtime.genesis import Genesis
from meshsec_node.aliases import Aliases
from meshsec_node.api import build_app
from meshsec_node.runner import Runner
from meshsec_node.settings import BAD_SETTINGS, Settings, read_genesis, read_settings
from meshsec_node.storage import SqliteStorage
from meshsec_sdk import logs, names
from meshsec_sdk.models import load_models
from meshsec_sdk.names import ChainName
from meshsec_sdk.process import end_with_parent

PORT_IN_USE = "node/port-in-use"

BAD_INPUT = (BAD_SETTINGS, "codec/malformed", "genesis/version", "genesis/unknown-model")
BAD_INPUT_EXIT = 2
INFRASTRUCTURE_EXIT = 3

BACKLOG = 512

VERDICTS = 20_000
"""Signatures whose verdict is remembered: about 10 MiB."""

GRACE_SECONDS = 2
"""How long open requests may take when the process is asked to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run a chain from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="meshsec_node", description="One chain of a development mesh.")
    parser.add_argument("--config", type=Path, required=True, help="settings, JSON")
    try:
        return run(read_settings(parser.parse_args(arguments).config))
    except Rejected as refusal:
        sys.stderr.write(f"{refusal}\n")
        return BAD_INPUT_EXIT if refusal.code in BAD_INPUT else INFRASTRUCTURE_EXIT


def run(settings: Settings, listener: socket.socket | None = None) -> int:
    """Serve one chain until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        settings: what to run.
        listener: a listening socket to serve on instead of the settings' host and port.

    Raises:
        Rejected: `node/bad-settings`, `node/port-in-use`, `storage/…`, or what the genesis is refused for.
    """
    genesis = read_genesis(Path(settings.genesis))
    logs.set_up(settings.log_level, process="node", chain=short_name(genesis))
    if settings.parent is not None:
        end_with_parent(settings.parent)
    listener = bind(settings) if listener is None else listener
    storage = SqliteStorage(settings.database)
    try:
        uvloop.run(_serve(settings, genesis, storage, listener))
    finally:
        storage.close()
        listener.close()
    return 0


def short_name(genesis: Genesis) -> str:
    """Return the chain's short name: its id without the revision."""
    return str(genesis.chain_id).rpartition("-")[0]


def bind(settings: Settings) -> socket.socket:
    """Listen on the settings' address; whoever connects before the chain is open waits.

    Raises:
        Rejected: `node/port-in-use`.
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


def consensus_keys(chain: str, genesis: Genesis) -> dict[str, PrivateKey]:
    """Return the development keys of the genesis validators; a validator with another key is not hosted here."""
    found = {}
    for validator in genesis.validators:
        key = names.development_key(names.consensus_path(chain, validator.name))
        if key.public_key == validator.public_key:
            found[validator.name] = key
    return found


async def _serve(settings: Settings, genesis: Genesis, storage: SqliteStorage, listener: socket.socket) -> None:
    chain = ChainName(short_name(genesis), genesis.prefix, genesis.denom)
    verifier = MemoVerifier(VERDICTS)
    replica = Replica.open(
        genesis,
        consensus_keys(chain.name, genesis),
        storage,
        verify=verifier,
        models=load_models(genesis.models),
        keep=settings.keep,
    )
    partners = {name: ChainName(name, prefix, names.chain_name(name).denom) for name, prefix in settings.mesh.items()}
    runner = Runner(settings, replica, storage, verifier, Aliases(chain, {**partners, chain.name: chain}))
    server = Server(
        uvicorn.Config(build_app(runner), log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, ws="none"),
        runner,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, server.end)
    gc.collect()
    gc.freeze()
    port = listener.getsockname()[1]
    structlog.get_logger().info("serving", port=port, height=replica.height, mode=runner.block_mode)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        group.create_task(server.serve([listener]))
    structlog.get_logger().info("ended", height=replica.height)


class Server(uvicorn.Server):
    """uvicorn, ended by our own signal handler so that open event streams end first."""

    def __init__(self, config: uvicorn.Config, runner: Runner) -> None:
        super().__init__(config)
        self._runner = runner

    def end(self) -> None:
        """Stop making blocks, end streams, answer what is open, and return from `serve`."""
        self._runner.stop()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the loop's own handlers."""
        yield
