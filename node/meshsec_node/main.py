"""A chain process from its settings to its end.

`run` builds everything and may be called in a forked child: nothing is read or built at import.
"""

import contextlib
import socket
from pathlib import Path

from meshsec_core.kernel.crypto import MemoVerifier, PrivateKey
from meshsec_core.replica.replica import Replica
from meshsec_core.runtime.genesis import Genesis
from meshsec_node.aliases import Aliases
from meshsec_node.api import build_app
from meshsec_node.runner import Runner
from meshsec_node.settings import BAD_SETTINGS, Settings, read_genesis
from meshsec_node.snapshots import Snapshots
from meshsec_node.storage import DiskFailed, SqliteStorage
from meshsec_sdk import logs, names, serving
from meshsec_sdk.models import load_models
from meshsec_sdk.names import ChainName
from meshsec_sdk.settings import read_settings

VERDICTS = 20_000
"""Signatures whose verdict is remembered: about 2 MiB."""


def main(arguments: list[str] | None = None) -> int:
    """Run a chain from the command line; return the exit code."""
    return serving.command(
        "meshsec_node",
        "One chain of a development mesh.",
        lambda path: run(read_settings(path, Settings, BAD_SETTINGS)),
        arguments,
    )


def run(settings: Settings, listener: socket.socket | None = None) -> int:
    """Serve one chain until SIGTERM, SIGINT or the end of the supervisor; return the exit code.

    Args:
        settings: what to run.
        listener: a listening socket to serve on instead of the settings' host and port.

    Raises:
        Rejected: `node/bad-settings`, `process/port-in-use`, `storage/…`, or what the genesis is refused for.
    """
    genesis = read_genesis(Path(settings.genesis))
    logs.set_up(settings.log_level, process="node", chain=short_name(genesis))
    try:
        serving.run(settings, listener, lambda opened: _serve(settings, genesis, opened))
    except DiskFailed as failure:
        raise failure.refusal from None
    return 0


def short_name(genesis: Genesis) -> str:
    """Return the chain's short name: its id without the revision."""
    return str(genesis.chain_id).rpartition("-")[0]


def consensus_keys(chain: str, genesis: Genesis) -> dict[str, PrivateKey]:
    """Return the development keys of the genesis validators; a validator with another key is not hosted here."""
    found = {}
    for validator in genesis.validators:
        key = names.development_key(names.consensus_path(chain, validator.name))
        if key.public_key == validator.public_key:
            found[validator.name] = key
    return found


async def _serve(settings: Settings, genesis: Genesis, listener: socket.socket) -> None:
    chain = ChainName(short_name(genesis), genesis.prefix, genesis.denom)
    verifier = MemoVerifier(VERDICTS)
    with contextlib.closing(SqliteStorage(settings.database)) as storage:
        replica = Replica.open(
            genesis,
            consensus_keys(chain.name, genesis),
            storage,
            verify=verifier,
            models=load_models(genesis.models),
            keep=settings.keep,
        )
        partners = {name: ChainName(name, prefix, names.chain_name(name).denom) for name, prefix in settings.mesh.items()}
        snapshots = Snapshots(storage, Path(settings.home) / "snapshots", genesis.chain_id)
        runner = Runner(settings, replica, storage, verifier, Aliases(chain, {**partners, chain.name: chain}), snapshots)
        await serving.serve(build_app(runner), listener, runner.stop, runner.run(), height=replica.height, mode=runner.block_mode)
