"""A chain process that is killed and comes back: rows read, trees rebuilt and checked, older heights restored."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec

from meshsec.bench.figure import seconds
from meshsec.bench.resident import processor_seconds
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import ADDRESS_BYTES, account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_sdk.client import Client
from meshsec_sdk.mesh_file import genesis_of, topology

BLOCKS = 150
BACK = 100
"""Heights behind the latest at which a proof must still be given, the same as before."""
PATH = "bank/_"


def seconds_to_return(tries: int, accounts: int) -> tuple[list[float], list[float]]:
    """Kill a chain with many accounts; return of each try the time from its start, the interpreter's included, until it is
    ready and has proven a value of 100 heights before; and the processor time that it takes for that.

    Args:
        tries: how many times over.
        accounts: keys of the state.
    """
    with tempfile.TemporaryDirectory(prefix="meshsec-bench-") as folder:
        config = _prepare(Path(folder), accounts)
        with _running(config) as (client, _):
            height = client.mine(BLOCKS) - BACK
            expected = client.state(PATH, height, prove=True)

        used: list[float] = []

        def come_back() -> None:
            with _running(config) as (client, pid):
                if not client.status().ready or client.state(PATH, height, prove=True) != expected:
                    raise InvariantViolated("a killed chain has come back as another one")
                used.append(processor_seconds(pid))

        return [seconds(come_back) for _ in range(tries)], used


def _prepare(folder: Path, accounts: int) -> Path:
    genesis = genesis_of(topology("pair"), "osmosis")
    rich = {account(genesis.prefix, _raw_address(number)): {genesis.denom: 1_000} for number in range(accounts)}
    genesis = msgspec.structs.replace(genesis, balances={**genesis.balances, **rich})
    (folder / "genesis.json").write_bytes(codec.encode(genesis))
    settings = {"genesis": str(folder / "genesis.json"), "home": str(folder), "block_mode": "manual", "development": True}
    (folder / "node.json").write_text(json.dumps(settings))
    return folder / "node.json"


def _raw_address(number: int) -> bytes:
    return sha256(str(number).encode()).digest()[:ADDRESS_BYTES]


@contextmanager
def _running(config: Path) -> Iterator[tuple[Client, int]]:
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
