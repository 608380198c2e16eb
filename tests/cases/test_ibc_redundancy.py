"""Relays that would change nothing are told so at the door; whatever might change something is let in."""

import pytest

from ibc_events import refused, sent
from ibc_probe import Say
from ibc_rig import Rig, update_client
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.ibc.packet import Acknowledgement, RecvPacket
from meshsec_core.ibc.redundancy import refuse_redundant
from meshsec_core.ibc.timeout import Timeout, TimeoutOnClose
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.module import Msg

PROOF = b"whatever"


class Settled(Rig):
    """One packet was received and acknowledged, a second is under way."""

    def __init__(self, ordering: str) -> None:
        super().__init__()
        self.open("probe", ordering)
        self.done, self.under_way = self.say(b"one"), self.say(b"two")
        self.answer = self.relay(self.done, self.a)

    def say(self, data: bytes) -> Packet:
        return sent(self.a.send("alice", Say("channel-0", data, timeout_timestamp=self.b.ctx.time + 600 * SECOND)))

    def legs(self, packet: Packet) -> tuple[Msg, ...]:
        """Everything that a relayer might tell of a packet, with proofs of nothing."""
        height = self.b.height
        return (
            RecvPacket(packet, PROOF, height),
            Acknowledgement(packet, b"ok:one", PROOF, height),
            Timeout(packet, PROOF, height, 1),
            TimeoutOnClose(packet, PROOF, PROOF, height, 1),
        )


@pytest.fixture(params=[UNORDERED, ORDERED])
def rig(request: pytest.FixtureRequest) -> Settled:
    return Settled(request.param)


@pytest.mark.parametrize("leg", range(4), ids=["receive", "acknowledgement", "timeout", "timeout on close"])
def test_what_is_settled_is_redundant_and_what_is_under_way_is_not(rig: Settled, leg: int) -> None:
    chain = rig.a if leg else rig.b
    done, under_way = rig.legs(rig.done)[leg], rig.legs(rig.under_way)[leg]
    for msgs in ((done,), (done, done), (update_client("07-tendermint-0", rig.b.client_header(rig.latest(rig.a))), done)):
        with refused(chain, "ibc/redundant"):
            refuse_redundant(chain.state, msgs)
    refuse_redundant(chain.state, (under_way,))
    refuse_redundant(chain.state, (done, under_way))


def test_a_transaction_that_does_anything_else_is_let_in(rig: Settled) -> None:
    done = rig.legs(rig.done)[0]
    refuse_redundant(rig.b.state, (done, Send(rig.b.address("bob"), Denom("ujuno"), 1)))
    refuse_redundant(rig.b.state, (update_client("07-tendermint-0", rig.a.client_header(rig.latest(rig.b))),))
    refuse_redundant(rig.b.state, ())


def test_a_packet_of_a_channel_that_is_not_there_is_left_to_its_handler(rig: Settled) -> None:
    for leg in range(4):
        stranger = Packet(1, "probe", "channel-9", "probe", "channel-9", b"one", Height(), rig.b.ctx.time)
        refuse_redundant((rig.a if leg else rig.b).state, (rig.legs(stranger)[leg],))
