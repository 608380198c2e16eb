"""What operators tell a relayer to do otherwise, and what it tells them."""

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Clear, Drop, Filter, Hold, Pause, Release, Resume, Step
from relay_rig import (
    ORDERED_PROBE,
    UNORDERED_PROBE,
    VOUCHER,
    Pair,
    heard,
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
