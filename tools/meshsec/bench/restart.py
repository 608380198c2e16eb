"""A chain process that is killed and comes back: rows read, trees rebuilt and checked, older heights restored."""

import tempfile
from hashlib import sha256
from pathlib import Path

from meshsec.bench import alone
from meshsec.bench.figure import seconds
from meshsec.bench.resident import processor_seconds
from meshsec_core.kernel.crypto import ADDRESS_BYTES, account
from meshsec_core.kernel.errors import InvariantViolated

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
        rich = {account(alone.PREFIX, _raw_address(number)): 1_000 for number in range(accounts)}
        config = alone.prepare(Path(folder), rich)
        with alone.running(config) as (client, _):
            height = client.mine(BLOCKS) - BACK
            expected = client.state(PATH, height, prove=True)

        used: list[float] = []

        def come_back() -> None:
            with alone.running(config) as (client, pid):
                if not client.status().ready or client.state(PATH, height, prove=True) != expected:
                    raise InvariantViolated("a killed chain has come back as another one")
                used.append(processor_seconds(pid))

        return [seconds(come_back) for _ in range(tries)], used


def _raw_address(number: int) -> bytes:
    return sha256(str(number).encode()).digest()[:ADDRESS_BYTES]
