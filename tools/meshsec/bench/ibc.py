"""What chains believe each other: headers, and packets (coins over a transfer channel) relayed with proofs, received and
acknowledged; in a simulated pair, and between processes."""

from collections.abc import Iterator

from meshsec.bench.figure import Figure, busy_seconds, figure, scaled
from meshsec.bench.headers import verified_per_s
from meshsec.bench.path import packets_per_s, transfer_channel
from meshsec.world.sim import BLOCK_TIME, SimWorld
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import Address, Denom
from meshsec_sdk.client import Client
from meshsec_sdk.wallet import Wallet

RECEIVED = "write_acknowledgement"
MILLISECONDS = 1e3
PATIENCE = 100
"""Blocks after which packets should have come back."""


def measure(tries: int = 3, packets: int = 200, headers: int = 200, real: int = 1_000) -> Iterator[Figure]:
    """Measure `ibc.headers_per_s`, headers a light client verifies a second; `ibc.recv_per_s`, packets a second in the receiving
    chain's blocks, and `ibc.end_to_end_per_s`, packets sent, relayed, received and acknowledged a second, all in one process;
    `ibc.path_per_s`, the same between processes, and `ibc.path_cpu_ms`, the processor time that all of them together take for
    a packet.

    Args:
        tries: how many times over; three times as often in one process, where it is a matter of moments.
        packets: that wait when the relayer begins, in each try.
        headers: in each try.
        real: packets between processes in each try; 0 leaves them out.
    """
    verified, limit = verified_per_s(3 * tries, headers)
    yield figure("ibc.headers_per_s", verified, "headers/s", limit=limit)
    world = SimWorld("pair")
    channel = transfer_channel(world.osmosis.get("/v1/ibc/channels"))
    received, ended = [], []
    for _ in range(3 * tries):
        _send(world, channel, packets)
        spent: list[float] = []
        ended.append(packets / busy_seconds(_relay, world, packets, spent))
        received.append(packets / sum(spent))
    yield figure("ibc.recv_per_s", received, "packets/s")
    yield figure("ibc.end_to_end_per_s", ended, "packets/s")
    if real:
        rates, costs = packets_per_s(tries, real)
        yield figure("ibc.path_per_s", rates, "packets/s")
        yield figure("ibc.path_cpu_ms", scaled(costs, MILLISECONDS), "ms/packet")


def _send(world: SimWorld, channel: str, packets: int) -> None:
    with Client(world.osmosis.transport) as client:
        wallet = Wallet.named(client, "alice")
        receiver = Address(world.juno.user("bob").address)
        for _ in range(packets):
            client.submit(wallet.sign(Transfer(channel, Denom(world.osmosis.names.denom), 1, receiver)))
    world.mine(2)


def _relay(world: SimWorld, packets: int, spent: list[float]) -> None:
    """Relay until every packet is acknowledged; note what the receiving chain's blocks took."""
    sender, receiver = world.nodes["osmosis"], world.nodes["juno"]
    couriers = list(world.couriers.values())
    arrived = 0
    for _ in range(PATIENCE):
        for courier in couriers:
            courier.run_once(world.now)
        if arrived == packets and all(courier.engine.idle for courier in couriers):
            return
        world.now += BLOCK_TIME
        sender.make_block(world.now)
        took = busy_seconds(receiver.make_block, world.now)
        results = receiver.replica.results(receiver.replica.height)
        here = sum(event.type == RECEIVED for event in results.events) if results is not None else 0
        if here:
            arrived += here
            spent.append(took)
    raise InvariantViolated(f"{arrived} of {packets} packets arrived")
