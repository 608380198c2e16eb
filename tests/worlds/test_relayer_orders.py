"""What operators tell a relayer to do otherwise, and what it tells them."""

import pytest
from msgspec.structs import replace

from ibc_probe import Say
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_relayer.config import ChannelConfig, PathConfig
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import (
    Clear,
    Delay,
    Drop,
    Duplicate,
    Filter,
    Hold,
    Link,
    OpenChannel,
    Pause,
    Release,
    Reorder,
    Resume,
    Step,
    UpdateClient,
)
from relay_rig import (
    ORDERED_PROBE,
    TRANSFER,
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


def test_a_held_packet_holds_up_those_behind_it_on_an_ordered_channel_only() -> None:
    for channel, expected in ((ORDERED_PROBE, b""), (UNORDERED_PROBE, b"2:second ")):
        rig = Pair((channel,))
        rig.settle()
        rig.courier.order(Hold(Filter(id="osmosis:probe:channel-0:1")))
        say(rig, b"first")
        say(rig, b"second")
        rig.mine(3)
        rig.courier.run_once(rig.now)
        rig.mine(3)
        assert heard(rig, "juno", "received") == expected
        assert rig.refusals("juno") == []


def test_a_held_packet_stays_and_says_so_until_it_is_released(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Hold(Filter(kind="transfer")))
    packet = transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    assert waits_for(rig, packet) == "held by an operator"

    rig.restart()
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0

    rig.courier.order(Release(Filter(kind="transfer")))
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_hold_of_another_kind_or_chain_holds_nothing(open_pair: Pair) -> None:
    rig = open_pair
    for held in (Filter(kind="stake"), Filter(chain="juno"), Filter(leg="timeout"), Filter(channel="channel-7")):
        rig.courier.order(Hold(held))
    transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000
    assert packet_names(rig.courier) == []


def test_a_dropped_packet_is_not_received_but_times_out(open_pair: Pair) -> None:
    rig = open_pair
    before = rig.balance("osmosis", "alice", "uosmo")
    packet = transfer(rig, timeout_timestamp=rig.now + 20 * SECOND)
    rig.courier.order(Drop(packet))
    rig.settle()
    assert waits_for(rig, packet) == "dropped by an operator (recv)"
    rig.mine(25)
    rig.settle()
    assert rig.balance("osmosis", "alice", "uosmo") == before
    assert rig.events("juno", "recv_packet") == []


def test_clear_brings_back_what_was_dropped(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Drop(transfer(rig)))
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    rig.courier.order(Clear())
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_paused_relayer_goes_on_step_by_step(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Pause())
    packets = [transfer(rig, amount) for amount in (1, 10)]
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    assert {waits_for(rig, packet) for packet in packets} == {"the relayer is paused"}

    rig.courier.order(Step())
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1

    rig.courier.order(Resume())
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 11
    assert packet_names(rig.courier) == []


def test_a_packet_says_where_it_is_and_what_it_waits_for(open_pair: Pair) -> None:
    rig = open_pair
    packet = transfer(rig)
    height = rig.nodes["osmosis"].replica.height
    rig.courier.run_once(rig.now)
    needed = f"block {height + 1} of osmosis, whose header proves what block {height} did"
    assert waits_for(rig, packet) == needed
    assert rig.courier.engine.waits_for() == ("osmosis",)
    rig.settle()
    story = reports.trace(rig.courier.engine, packet)
    assert story.settled.startswith("acknowledged on osmosis in block ")
    assert [line.rsplit(" ", 1)[0] for line in story.story] == [
        "sent by osmosis in block",
        "received by juno in block",
        "answered by juno in block",
        "acknowledged on osmosis in block",
    ]
    with pytest.raises(Rejected) as refused:
        reports.trace(rig.courier.engine, "osmosis:transfer:channel-0:99")
    assert refused.value.code == "packet/not-found"


def test_a_delay_by_time_is_over_when_the_chain_that_proves_the_packet_says_so(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Delay(Filter(kind="transfer", leg="recv"), nanoseconds=60 * SECOND))
    packet = transfer(rig)
    rig.settle()
    assert waits_for(rig, packet).startswith("delayed by an operator: ")
    assert waits_for(rig, packet).endswith(" seconds of osmosis")
    rig.restart()
    rig.mine(55)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    rig.mine(10)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000
    assert packet_names(rig.courier) == []


def test_a_delay_by_blocks_holds_for_so_many_blocks_and_ends_with_its_release(open_pair: Pair) -> None:
    rig = open_pair
    which = Filter(chain="osm*")
    rig.courier.order(Delay(which, blocks=20))
    packet = transfer(rig)
    rig.mine()
    rig.courier.run_once(rig.now)
    assert waits_for(rig, packet) == "delayed by an operator: 20 blocks of osmosis"
    rig.mine(19)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    rig.courier.order(Release(which))
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_duplicated_packet_is_delivered_twice_and_takes_effect_once(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Duplicate(Filter(kind="transfer")))
    transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000
    assert [msgs.count("ibc/RecvPacket") for msgs in messages_of(rig, "juno") if "ibc/RecvPacket" in msgs] == [2]
    assert len(rig.events("juno", "recv_packet")) == 1
    assert rig.refusals("juno") == rig.refusals("osmosis") == []
    labels = (("chain", "juno"), ("counterparty", "osmosis"), ("channel", "channel-0"), ("port", "transfer"))
    counters = rig.courier.engine.meters.counters
    assert counters["receive_packets_confirmed_total"][labels] == counters["packets_already_relayed_total"][labels] == 1


@pytest.mark.parametrize(
    ("channel", "expected"), [(UNORDERED_PROBE, b"3:c 2:b 1:a "), (ORDERED_PROBE, b"1:a 2:b 3:c ")], ids=["unordered", "ordered"]
)
def test_reordered_packets_arrive_newest_first_unless_their_channel_is_ordered(channel: ChannelConfig, expected: bytes) -> None:
    rig = Pair((channel,))
    rig.settle()
    rig.courier.order(Reorder(Filter(port="probe")))
    say(rig, b"a", b"b", b"c")
    rig.settle()
    assert heard(rig, "juno", "received") == expected
    assert rig.refusals("juno") == []


def test_standing_orders_survive_a_kill_and_a_release_without_a_filter_ends_them_all(open_pair: Pair) -> None:
    rig = open_pair
    orders = (Hold(Filter(kind="a")), Delay(Filter(kind="b"), blocks=1), Duplicate(Filter(kind="c")), Reorder(Filter(kind="d")))
    for order in orders:
        rig.courier.order(order)
    rig.restart()
    told = reports.status(rig.courier.engine)
    found = (told.held[0].kind, told.delayed[0].filter.kind, told.duplicated[0].kind, told.reordered[0].kind)
    assert found == ("a", "b", "c", "d")
    rig.courier.order(Release())
    told = reports.status(rig.courier.engine)
    assert (told.held, told.delayed, told.duplicated, told.reordered) == ((), (), (), ())


def test_a_channel_that_an_operator_asks_for_is_opened_and_served_once_and_after_a_kill(open_pair: Pair) -> None:
    rig = open_pair
    asked = OpenChannel("juno", "osmosis", "probe", "probe", "ORDER_UNORDERED")
    rig.courier.order(asked)
    rig.settle()
    rig.courier.order(asked)
    rig.settle()
    channels = reports.status(rig.courier.engine).paths["osmosis-juno"].open.channels
    assert [(channel.port_a, channel.channel_a) for channel in channels] == [("transfer", "channel-0"), ("probe", "channel-1")]
    assert len(rig.events("juno", "channel_open_init")) == 1

    rig.restart()
    receipt = rig.send("osmosis", "alice", Say("channel-1", b"hello", timeout_timestamp=rig.now + 600 * SECOND))
    assert receipt["code"] == ""
    rig.settle()
    assert heard(rig, "juno", "received") == b"1:hello "
    assert packet_names(rig.courier) == []


def test_a_path_that_an_operator_asks_for_is_opened_beside_those_of_the_configuration() -> None:
    rig = Pair(chains="triangle")
    rig.config = replace(rig.config, paths=(PathConfig("osmosis", "juno", (TRANSFER,)),))
    rig.courier = rig.hire()
    rig.settle()
    assert list(rig.courier.engine.paths) == ["osmosis-juno"]
    rig.courier.order(Link("axelar", "juno"))
    rig.settle()
    opened = reports.status(rig.courier.engine).paths["axelar-juno"]
    assert opened.ready
    assert (opened.open.connection_a, opened.open.connection_b) == ("connection-0", "connection-1")
    with pytest.raises(Rejected) as refused:
        rig.courier.order(Link("axelar", "akash"))
    assert refused.value.code == "relayer/unknown-chain"


def test_a_client_is_shown_the_newest_header_when_an_operator_asks_for_it(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(7)
    rig.settle()
    path = rig.courier.engine.paths["osmosis-juno"]
    height = rig.nodes["osmosis"].replica.height
    assert path.clients["juno"].latest < height
    rig.courier.order(UpdateClient("juno", "osmosis"))
    rig.settle()
    assert path.clients["juno"].latest >= height
    with pytest.raises(Rejected) as refused:
        rig.courier.order(UpdateClient("juno", "akash"))
    assert refused.value.code == "relayer/path-not-open"
