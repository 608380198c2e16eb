"""Packets from one chain process to another and back: sent in one batch, carried by a relayer process, acknowledged."""

from time import perf_counter, sleep

from meshsec.bench.figure import seconds
from meshsec.bench.resident import processor_seconds
from meshsec.world.process import ProcessWorld
from meshsec_core.ibc.packet import COMMITMENTS
from meshsec_core.ibc.transfer import PORT, Transfer
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import Address, Denom
from meshsec_sdk.client import Client
from meshsec_sdk.names import USERS
from meshsec_sdk.wallet import Wallet

LOOK_SECONDS = 0.02
"""Between two looks whether a packet is still on its way; a look costs a chain some 0.3 ms."""
PATIENCE_SECONDS = 120.0


def packets_per_s(tries: int, packets: int) -> tuple[list[float], list[float]]:
    """Send coins over the transfer channel of a pair; return of each try the rate, from the first request until the sender has
    every answer, and the processor time that a packet takes of all processes of the mesh together, in seconds.

    Args:
        tries: how many times over.
        packets: in each try, signed beforehand by all development users in turn.
    """
    with ProcessWorld("pair") as world, Client(world.home.running().endpoints.chains["osmosis"]) as client:
        channel = transfer_channel(world.osmosis.get("/v1/ibc/channels"))
        wallets = [Wallet.named(client, user) for user in USERS]
        denom, receiver = Denom(client.status().denom), Address(world.juno.user("bob").address)
        children = world.home.running().children.values()
        rates, costs = [], []
        for _ in range(tries):
            world.relay()
            turns = (wallets[number % len(wallets)] for number in range(packets))
            signed = [wallet.sign(Transfer(channel, denom, 1, receiver)) for wallet in turns]
            begun = sum(map(processor_seconds, children))
            rates.append(packets / seconds(_carry, client, channel, signed))
            costs.append((sum(map(processor_seconds, children)) - begun) / packets)
        return rates, costs


def transfer_channel(channels: list[dict[str, str]]) -> str:
    """Return the channel that carries coins."""
    for found in channels:
        if found["port_id"] == PORT:
            return found["channel_id"]
    raise InvariantViolated("a connected pair has no transfer channel")


def _carry(client: Client, channel: str, signed: list[bytes]) -> None:
    answer = client.submit_batch(signed)
    if answer.refused:
        raise InvariantViolated(f"a transfer is refused: {answer.refused[0]}")
    deadline = perf_counter() + PATIENCE_SECONDS
    while client.receipt(answer.accepted[-1]) is None or _under_way(client, channel):
        if perf_counter() > deadline:
            raise InvariantViolated("packets are under way without end")
        sleep(LOOK_SECONDS)


def _under_way(client: Client, channel: str) -> bool:
    """Tell whether the sender still waits for an answer."""
    return bool(client.get("/v1/state", prefix=COMMITMENTS.key(PORT, channel, ""), limit=1)["entries"])
