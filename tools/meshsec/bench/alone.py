"""One chain as a process of its own, without a supervisor: it may be killed, and only its bare memory counts."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import Address
from meshsec_sdk.client import Client
from meshsec_sdk.mesh_file import genesis_of, topology
from meshsec_sdk.names import chain_name

CHAIN = "osmosis"
PREFIX = chain_name(CHAIN).prefix


def prepare(folder: Path, coins: Mapping[Address, int]) -> Path:
    """Write the settings of a chain that makes blocks on order; return their file.

    Args:
        folder: of the chain.
        coins: account to base units of the chain's coin, besides the usual ones.
    """
    genesis = genesis_of(topology("pair"), CHAIN)
    rich = {account: {genesis.denom: amount} for account, amount in coins.items()}
    genesis = msgspec.structs.replace(genesis, balances={**genesis.balances, **rich})
    (folder / "genesis.json").write_bytes(codec.encode(genesis))
    settings = {"genesis": str(folder / "genesis.json"), "home": str(folder), "block_mode": "manual", "development": True}
    (folder / "node.json").write_text(json.dumps(settings))
    return folder / "node.json"


@contextmanager
def running(config: Path) -> Iterator[tuple[Client, int]]:
    """Run a chain process until it serves; kill it without warning at the end."""
    command = [sys.executable, "-m", "meshsec_node", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            with Client(f"http://127.0.0.1:{_port(process)}") as client:
                yield client, process.pid
        finally:
            process.send_signal(signal.SIGKILL)


def _port(process: subprocess.Popen[str]) -> int:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if line.startswith("{") and (found := json.loads(line))["event"] == "serving":
            return int(found["port"])
    raise InvariantViolated(f"the chain ended: {''.join(said)[-500:]}")
