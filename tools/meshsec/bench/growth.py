"""Memory of a chain process that is loaded without end: what blocks and heights that are behind it leave there."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from meshsec.bench import alone
from meshsec.bench.figure import Figure, figure
from meshsec.bench.resident import resident_mib
from meshsec_core.kernel.crypto import account, address_of
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.state import KEEP
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.bank import Send
from meshsec_sdk.names import development_key
from meshsec_sdk.wallet import Wallet

SENDERS = 34
"""Each sends once in a block, which writes its sequence and two balances: 102 writes."""
COINS = 10**9


def measure(blocks: int = 12_000) -> Iterator[Figure]:
    """Measure `growth.chain_mib` from block 3,000 to the last.

    Args:
        blocks: in all, more than 3,000.
    """
    yield figure("growth.chain_mib", [mib(blocks)], "MiB")


def mib(blocks: int, warm: int = 3 * KEEP) -> float:
    """Let a chain make blocks of 102 writes; return by how many MiB its process grows from block `warm` to the last.

    Args:
        blocks: in all.
        warm: as many as are made until all windows and memos are full.
    """
    senders = [development_key(f"bench/sender-{number}") for number in range(SENDERS)]
    takers = [development_key(f"bench/taker-{number}") for number in range(SENDERS)]
    coins = {account(alone.PREFIX, address_of(key.public_key)): COINS for key in senders + takers}
    begun = 0.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meshsec-bench-")))
        client, pid = stack.enter_context(alone.running(alone.prepare(folder, coins)))
        denom = Denom(client.status().denom)
        wallets = [Wallet(client, key) for key in senders]
        sends = [Send(taker, denom, 1) for taker in list(coins)[SENDERS:]]
        for height in range(1, blocks + 1):
            answer = client.submit_batch([wallet.sign(send) for wallet, send in zip(wallets, sends, strict=True)])
            if answer.refused:
                raise InvariantViolated(f"a transfer is refused: {answer.refused[0]}")
            client.mine()
            if height == warm:
                begun = resident_mib(pid)
        return resident_mib(pid) - begun
