"""What a relayer does not carry, by its configuration, it says so of; everything else it carries."""

import pytest

from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.filtering import refusal
from meshsec_relayer.store import MemoryStore
from meshsec_sdk.packet_filter import PacketFilter, Pattern
from relay_rig import VOUCHER, Pair, packet_names, transfer


def packet(**said: str) -> Packet:
    fields = {"amount": "1", "denom": "uosmo", "memo": "", "receiver": "juno1", "sender": "osmo1"} | said
    return Packet(1, "transfer", "channel-0", "transfer", "channel-5", codec.encode(fields), Height(), 1)


@pytest.mark.parametrize(
    ("allow", "deny", "why"),
    [
        ((), (), ""),
        ((Pattern(),), (), ""),
        ((Pattern(chain="osmosis", port="transfer", channel="channel-0", kind="transfer"),), (), ""),
        ((Pattern(chain="osm*"),), (), ""),
        ((Pattern(channel="channel-*"),), (), ""),
        ((Pattern(chain="juno"), Pattern(port="trans*")), (), ""),
        ((Pattern(chain="juno"),), (), "not allowed"),
        ((Pattern(port="mesh-*"),), (), "not allowed"),
        ((Pattern(chain="osmosis", kind="stake"),), (), "not allowed"),
        ((), (Pattern(kind="transfer"),), "denied"),
        ((), (Pattern(channel="channel-1"),), ""),
        ((Pattern(),), (Pattern(chain="osmosis", channel="channel-?"),), "denied"),
    ],
)
def test_denied_goes_before_allowed_and_a_pattern_must_fit_altogether(
    allow: tuple[Pattern, ...], deny: tuple[Pattern, ...], why: str
) -> None:
    assert refusal(PacketFilter(allow, deny), "osmosis", packet(), "transfer") == why


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"memo": "m" * 100}, ""),
        ({"memo": "m" * 101}, "its memo is too long"),
        ({"memo": "é" * 51}, "its memo is too long"),
        ({"receiver": "r" * 50}, ""),
        ({"receiver": "r" * 51}, "its receiver is too long"),
    ],
)
def test_transfers_with_long_texts_are_not_carried(said: dict[str, str], why: str) -> None:
    tested = PacketFilter(max_memo_bytes=100, max_receiver_bytes=50)
    assert refusal(tested, "osmosis", packet(**said), "transfer") == why


def test_a_denied_packet_is_counted_and_left_alone_and_another_relayer_carries_it() -> None:
    rig = Pair(filter=PacketFilter(deny=(Pattern(chain="osmosis", kind="transfer"),)))
    rig.settle()
    denied = transfer(rig)
    back = Transfer("channel-0", Denom("ujuno"), 7, rig.address("osmosis", "carol"))
    assert rig.send("juno", "bob", back)["code"] == ""
    rig.settle()
    assert len(rig.events("osmosis", "recv_packet")) == 1
    assert rig.events("juno", "recv_packet") == []
    assert reports.trace(rig.courier.engine, denied).settled == "not carried by this relayer: denied"
    labels = (("chain", "osmosis"), ("counterparty", "juno"), ("channel", "channel-0"), ("port", "transfer"))
    assert rig.courier.engine.meters.counters["filtered_packets_total"] == {labels: 1}

    rig.settle(rig.hire(MemoryStore(), id="other", filter=PacketFilter()))
    assert rig.balance("juno", "bob", VOUCHER) == 1_000
    rig.settle()
    assert packet_names(rig.courier) == []
