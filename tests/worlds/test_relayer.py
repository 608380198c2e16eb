"""A relayer between two real chains: it opens what must be open, and carries every packet once, there and back."""

import pytest

from ibc_probe import Answer
from meshsec_core.ibc.channel import CHANNELS, ChannelCloseInit
from meshsec_core.ibc.client import CLIENTS
from meshsec_core.ibc.connection import CONNECTIONS
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.kernel.wire.ibc import STATE_CLOSED, STATE_OPEN, Height
from meshsec_relayer.engine.boundary import Pause, Resume
from relay_rig import (
    MESH,
    ORDERED_PROBE,
    UNORDERED_PROBE,
    VOUCHER,
    Pair,
    heard,
    messages_of,
    packet_names,
    say,
    transfer,
    waits_for,
)


@pytest.fixture
def open_pair() -> Pair:
    found = Pair()
    found.settle()
    return found


def test_a_relayer_opens_clients_a_connection_and_a_channel_and_then_rests() -> None:
    rig = Pair()
    rig.settle()
    for chain in ("osmosis", "juno"):
        reader = rig.nodes[chain].replica.state
        assert [CONNECTIONS.get(reader, f"connection-{n}").state for n in range(1)] == [STATE_OPEN]
        assert CONNECTIONS.find(reader, "connection-1") is None
        assert CHANNELS.get(reader, "transfer", "channel-0").state == STATE_OPEN
        assert CHANNELS.find(reader, "transfer", "channel-1") is None
        assert CLIENTS.find(reader, "07-tendermint-1") is None
        assert rig.refusals(chain) == []
    heights = [node.replica.height for node in rig.nodes.values()]
    for _ in range(5):
        rig.courier.run_once(rig.now)
    assert rig.courier.engine.idle
    assert [node.replica.waiting for node in rig.nodes.values()] == [0, 0]
    assert [node.replica.height for node in rig.nodes.values()] == heights


def test_coins_go_there_and_come_back(open_pair: Pair) -> None:
    rig = open_pair
    before = rig.balance("osmosis", "alice", "uosmo"), rig.balance("osmosis", "carol", "uosmo")
    transfer(rig, 1_000)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000

    back = Transfer("channel-0", Denom(VOUCHER), 400, rig.address("osmosis", "carol"))
    assert rig.send("juno", "bob", back)["code"] == ""
    rig.settle()

    assert rig.balance("juno", "bob", VOUCHER) == 600
    assert rig.balance("osmosis", "alice", "uosmo") == before[0] - 1_000
    assert rig.balance("osmosis", "carol", "uosmo") == before[1] + 400
    assert packet_names(rig.courier) == []
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_a_packet_that_times_out_by_time_comes_back(open_pair: Pair) -> None:
    rig = open_pair
    before = rig.balance("osmosis", "alice", "uosmo")
    transfer(rig, timeout_timestamp=rig.now + 5 * SECOND)
    rig.mine(10)
    rig.settle()
    assert rig.balance("osmosis", "alice", "uosmo") == before
    assert len(rig.events("osmosis", "timeout_packet")) == 1
    assert rig.events("juno", "recv_packet") == []
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_a_packet_that_times_out_by_height_comes_back(open_pair: Pair) -> None:
    rig = open_pair
    before = rig.balance("osmosis", "alice", "uosmo")
    rig.dead.add("juno")
    transfer(rig, timeout_height=Height(1, rig.nodes["juno"].replica.height + 3))
    rig.dead.clear()
    rig.mine(3)
    rig.settle()
    assert rig.balance("osmosis", "alice", "uosmo") == before
    assert len(rig.events("osmosis", "timeout_packet")) == 1


def test_a_packet_that_times_out_on_its_way_is_refused_once_and_comes_back(open_pair: Pair) -> None:
    """Given the destination's tip is not past the timeout when the relayer looks, but the block that would receive it is."""
    rig = open_pair
    before = rig.balance("osmosis", "alice", "uosmo")
    transfer(rig, timeout_timestamp=rig.now + 30 * SECOND)
    rig.mine(1, seconds=60)  # the headers of these blocks do not know of the minute yet: their votes do
    rig.settle()
    assert rig.refusals("juno") == ["ibc/timeout-elapsed"]
    assert rig.balance("osmosis", "alice", "uosmo") == before


def test_many_packets_share_transactions(open_pair: Pair) -> None:
    rig = open_pair
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", *[message] * 240)["code"] == ""
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 240
    transactions = [msgs for chain in rig.nodes for msgs in messages_of(rig, chain)]
    carried = [msgs.count("ibc/RecvPacket") for msgs in transactions if "ibc/RecvPacket" in msgs]
    assert carried == [100, 100, 40]
    brought = [msgs.count("ibc/Acknowledgement") for msgs in transactions if "ibc/Acknowledgement" in msgs]
    assert brought == [100, 100, 40]
    updates = [msgs.count("ibc/UpdateClient") for msgs in transactions if "ibc/RecvPacket" in msgs]
    assert updates == [1, 0, 0]


def test_a_batch_is_also_bounded_by_its_bytes() -> None:
    rig = Pair(max_batch_bytes=8_000)
    rig.settle()
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", *[message] * 5)["code"] == ""
    rig.settle()
    carried = [msgs.count("ibc/RecvPacket") for msgs in messages_of(rig, "juno") if "ibc/RecvPacket" in msgs]
    assert carried == [2, 2, 1]


def test_an_ordered_channel_keeps_its_order_in_both_directions() -> None:
    rig = Pair((ORDERED_PROBE,), max_batch_messages=2)
    rig.settle()
    for number in range(5):
        say(rig, b"there-%d" % number)
        say(rig, b"back-%d" % number, chain="juno")
    rig.settle()
    assert heard(rig, "juno", "received") == b"1:there-0 2:there-1 3:there-2 4:there-3 5:there-4 "
    assert heard(rig, "osmosis", "received") == b"1:back-0 2:back-1 3:back-2 4:back-3 5:back-4 "
    assert heard(rig, "osmosis", "acknowledged").count(b"ok:") == 5
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_an_ordered_channel_whose_packet_times_out_closes_at_both_ends_and_gives_everything_back() -> None:
    """Given an ordered channel with three packets under way, the first with a short timeout, and a relayer that is away
    When the first times out
    Then the channel closes at both ends and the other two come back because it is closed
    """
    rig = Pair((ORDERED_PROBE,))
    rig.settle()
    say(rig, b"first", seconds=5)
    say(rig, b"second")
    say(rig, b"third")
    rig.mine(10)
    rig.settle()
    for chain in ("osmosis", "juno"):
        assert CHANNELS.get(rig.nodes[chain].replica.state, "probe", "channel-0").state == STATE_CLOSED
    assert sorted(heard(rig, "osmosis", "timed-out").split()) == [b"1:first", b"2:second", b"3:third"]
    assert heard(rig, "juno", "received") == b""
    assert rig.refusals("osmosis") + rig.refusals("juno") == []
    rig.restart()
    rig.settle()
    assert packet_names(rig.courier) == []
    assert CHANNELS.find(rig.nodes["juno"].replica.state, "probe", "channel-1") is None


def test_packets_of_an_unordered_channel_that_is_closed_come_back_at_once() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    rig.courier.order(Pause())
    say(rig, b"late")
    assert rig.send("juno", "bob", ChannelCloseInit("probe", "channel-0"))["code"] == ""
    rig.courier.order(Resume())
    rig.settle()
    assert heard(rig, "osmosis", "timed-out") == b"1:late "
    assert CHANNELS.get(rig.nodes["osmosis"].replica.state, "probe", "channel-0").state == STATE_CLOSED
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_a_late_answer_is_brought_back_when_it_is_written_and_nobody_waits_for_it_before() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    say(rig, b"later")
    rig.settle()
    (packet,) = (entry.packet for entry in rig.courier.engine.paths["osmosis-juno"].book.entries.values())
    assert waits_for(rig, "osmosis:probe:channel-0:1") == "the application on juno has not answered yet"
    rig.restart()
    rig.settle()
    assert rig.send("juno", "bob", Answer(packet, b"at last"))["code"] == ""
    rig.settle()
    assert heard(rig, "osmosis", "acknowledged") == b"1:at last "


def test_a_packet_that_is_refused_by_its_application_comes_back_with_an_error() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    say(rig, b"refuse")
    rig.settle()
    assert heard(rig, "osmosis", "acknowledged") == b'1:{"error":"probe/refused"} '
    assert packet_names(rig.courier) == []


def test_a_refused_close_is_no_reason_to_stop(open_pair: Pair) -> None:
    rig = open_pair
    assert rig.send("osmosis", "alice", ChannelCloseInit("transfer", "channel-0"))["code"] != ""
    transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_both_links_of_a_pair_open_beside_the_transfer_channel_and_a_double_sign_is_told_to_the_lender_once() -> None:
    rig = Pair(MESH, mesh=True)
    rig.settle()
    for chain in ("osmosis", "juno"):
        found = CHANNELS.get(rig.nodes[chain].replica.state, "mesh-consumer", _channel(rig, chain, "mesh-consumer"))
        assert (found.state, found.counterparty.port_id) == (STATE_OPEN, "mesh-provider")

    rig.nodes["juno"].replica.fault("double-sign", "val-0")
    rig.mine(4)
    rig.settle()
    rig.restart()
    rig.settle()
    submitted = [msgs for msgs in messages_of(rig, "osmosis") if "mesh/SubmitEvidence" in msgs]
    assert len(submitted) == 1
    assert rig.refusals("osmosis") + rig.refusals("juno") == []
    assert not any(docket.waiting for _, docket in rig.courier.engine.dockets)


def _channel(rig: Pair, chain: str, port: str) -> str:
    side = "a" if chain == "osmosis" else "b"
    images = rig.courier.engine.paths["osmosis-juno"].image.channels
    return next(getattr(image, f"channel_{side}") for image in images if getattr(image, f"port_{side}") == port)
