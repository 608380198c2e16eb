"""Signed transfers into one chain process: submitted in batches over HTTP, verified, executed, and durable in blocks."""

from collections.abc import Iterator

from meshsec.bench import signatures
from meshsec.bench.figure import Figure, Limit, figure, seconds
from meshsec.bench.meshes import one_chain
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.bank import Send
from meshsec_sdk.client import Client
from meshsec_sdk.names import USERS
from meshsec_sdk.wallet import Wallet

BATCH = 1_000
"""Transfers in one request."""


def measure(tries: int = 4, transfers: int = 5_000) -> Iterator[Figure]:
    """Measure `tx.committed_per_s`: from the first request until the last receipt; the transfers are signed beforehand.

    Args:
        tries: how many times over.
        transfers: in each try, from all development users in turn.
    """
    limits, values = [], []
    with ProcessWorld(one_chain()) as world, Client(world.home.running().endpoints.chains["osmosis"]) as client:
        wallets = [Wallet.named(client, user) for user in USERS]
        denom, target = Denom(client.status().denom), wallets[0].address
        for _ in range(tries):
            signed = [wallets[number % len(wallets)].sign(Send(target, denom, 1)) for number in range(transfers)]
            limits.append(signatures.verified_per_s())
            begun = client.status().height
            values.append(transfers / seconds(_commit, client, signed))
            _check(client, begun, transfers)
    yield figure("tx.committed_per_s", values, "transfers/s", Limit.of(limits))


def _commit(client: Client, signed: list[bytes]) -> None:
    last = ""
    for start in range(0, len(signed), BATCH):
        answer = client.submit_batch(signed[start : start + BATCH])
        if answer.refused:
            raise InvariantViolated(f"a transfer is refused: {answer.refused[0]}")
        last = answer.accepted[-1]
    while client.receipt(last) is None:
        pass


def _check(client: Client, begun: int, transfers: int) -> None:
    """Count what the blocks say took effect."""
    blocks = [client.block(height) for height in range(begun + 1, client.status().height + 1)]
    done = sum(receipt["code"] == "" for block in blocks for receipt in block["results"]["receipts"])
    if done != transfers:
        raise InvariantViolated(f"{done} of {transfers} transfers took effect")
