"""What a forger could drain: the coins that stand for vouchers on a neighbour, per chain, channel and denomination."""

import json

from harness import GENESIS_TIME
from ibc_events import sent
from ibc_rig import DAY, IbcChain, Rig
from meshsec_core.ibc.packet import send_packet
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import Height, Packet, voucher_denom
from meshsec_core.security.mesh.measures import MEASURES

HOME = "transfer/channel-0/"


def at_risk(chain: IbcChain) -> list[tuple[str, str, str, int]]:
    return [(each.chain, each.channel, each.denom, each.amount) for each in MEASURES["at-risk"](chain.view())]


def send(rig: Rig, home: IbcChain, amount: int, denom: str, channel: str = "channel-0") -> None:
    """Send coins of alice or bob to bob on the other chain, and carry them there."""
    sender = "alice" if denom == home.ctx.denom else "bob"
    message = Transfer(channel, Denom(denom), amount, rig.other(home).address("bob"))
    rig.relay(sent(home.send(sender, message)), home)


def forge(rig: Rig, denom: str, amount: int) -> bytes:
    """Show b a packet that its neighbour has signed and that no user of its has sent: vouchers come home to mallory."""
    fields = {"amount": str(amount), "denom": denom, "memo": "", "receiver": rig.b.address("mallory"), "sender": "nobody"}
    data = json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()
    sequence = send_packet(rig.a.ctx, "transfer", "channel-0", data, Height(), GENESIS_TIME + DAY)
    return rig.deliver(
        Packet(sequence, "transfer", "channel-0", "transfer", "channel-0", data, Height(), GENESIS_TIME + DAY), rig.b
    )


def test_what_is_at_risk_is_what_left_and_has_not_come_back() -> None:
    """Juno sends 100 ujuno to osmosis and 40 come back; osmosis sends 25 uosmo, and juno sends 10 of their vouchers on over
    a second channel: what left juno over that one are vouchers, not coins of its own."""
    rig = Rig()
    rig.open("transfer")
    juno, osmo = rig.b, rig.a
    assert at_risk(juno) == at_risk(osmo) == []
    send(rig, juno, 100, "ujuno")
    send(rig, osmo, 40, voucher_denom(HOME + "ujuno"))
    send(rig, osmo, 25, "uosmo")
    assert at_risk(juno) == [(osmo.ctx.chain_id, "channel-0", "ujuno", 60)]
    assert at_risk(osmo) == [(juno.ctx.chain_id, "channel-0", "uosmo", 25)]

    rig.open("transfer")
    foreign = voucher_denom(HOME + "uosmo")
    send(rig, juno, 10, foreign, "channel-1")
    assert at_risk(juno) == [(osmo.ctx.chain_id, "channel-0", "ujuno", 60), (osmo.ctx.chain_id, "channel-1", foreign, 10)]
    assert at_risk(osmo) == [(juno.ctx.chain_id, "channel-0", "uosmo", 25)]


def test_a_forger_can_take_what_is_at_risk_and_not_a_unit_more() -> None:
    rig = Rig()
    rig.open("transfer")
    send(rig, rig.b, 100, "ujuno")
    send(rig, rig.a, 40, voucher_denom(HOME + "ujuno"))
    ((*_, amount),) = at_risk(rig.b)
    assert forge(rig, HOME + "ujuno", amount + 1) == b'{"error":"transfer/escrow-too-small"}'
    assert at_risk(rig.b)[0][3] == 60
    assert forge(rig, HOME + "ujuno", amount) == b'{"result":"AQ=="}'
    assert (rig.b.balance("mallory"), at_risk(rig.b)) == (60, [])
