"""One process of a mesh by itself, told everything by its command line: what a container runs.

    python -m meshsec.serve chain osmosis --mesh triangle --home /data
    python -m meshsec.serve relayer main --mesh triangle --home /data
    python -m meshsec.serve gateway --mesh triangle

The others are found by name: every process listens on the same port of a host that is called like it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from meshsec.home import write
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import mesh_yaml
from meshsec_sdk.mesh_file import MeshSpec, genesis_of
from meshsec_sdk.serving import guard

BAD_DIRECTORY = "process/bad-directory"

PORT = 8080


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process until it is told to end; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="meshsec.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(SERVICES))
    parser.add_argument("name", nargs="?", default="", help="of the chain or the relayer")
    parser.add_argument("--mesh", default="triangle", help="a topology, or a mesh file")
    parser.add_argument("--home", type=Path, default=Path("/data"), help="directory that survives the process")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen on, and of the others")
    asked = parser.parse_args(arguments)
    return guard(lambda: SERVICES[asked.what](mesh_yaml.load(asked.mesh), asked))


def _home(asked: argparse.Namespace) -> Path:
    """Return the directory, made if it is missing.

    Raises:
        Rejected: `process/bad-directory`.
    """
    home: Path = asked.home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(BAD_DIRECTORY, dir=str(home), reason=str(error.strerror)) from None
    return home


def _chain(mesh: MeshSpec, asked: argparse.Namespace) -> int:
    from meshsec_node import main as node
    from meshsec_node.settings import BlockMode, Settings

    home = _home(asked)
    genesis = home / "genesis.json"
    if not genesis.exists():
        write(genesis, codec.encode(genesis_of(mesh, asked.name, time.time_ns())))
    prefixes = {chain.name: chain.names.prefix for chain in mesh.chains}
    return node.run(
        Settings(
            genesis=str(genesis),
            home=str(home),
            mesh=prefixes,
            host=asked.host,
            port=asked.port,
            block_mode=BlockMode.AUTO,
            development=True,
        )
    )


def _relayer(mesh: MeshSpec, asked: argparse.Namespace) -> int:
    import msgspec

    from meshsec.relays import relayer_config
    from meshsec_relayer import main as relayer

    config = relayer_config(mesh, asked.name or next(iter(mesh.relayers), ""), _chain_urls(mesh, asked.port))
    config = msgspec.structs.replace(config, host=asked.host, port=asked.port, store=str(_home(asked) / "cursor"))
    return relayer.run(config)


def _gateway(mesh: MeshSpec, asked: argparse.Namespace) -> int:
    from meshsec.gateway import main as gateway
    from meshsec.gateway.settings import GatewaySettings

    relayers = {name: f"http://relayer-{name}:{asked.port}" for name in mesh.relayers}
    return gateway.run(
        GatewaySettings(
            mesh=mesh,
            chains=_chain_urls(mesh, asked.port),
            relayers=relayers,
            home=str(_home(asked) / "snapshots"),
            host=asked.host,
            port=asked.port,
        )
    )


def _chain_urls(mesh: MeshSpec, port: int) -> dict[str, str]:
    return {chain.name: f"http://{chain.name}:{port}" for chain in mesh.chains}


SERVICES: dict[str, Callable[[MeshSpec, argparse.Namespace], int]] = {"chain": _chain, "relayer": _relayer, "gateway": _gateway}

if __name__ == "__main__":
    sys.exit(main())
