"""A relayer between two real chains: it opens what must be open, carries every packet once, and may be killed at any moment."""

from random import Random

import pytest

from ibc_probe import Answer, Say
from meshsec_core.ibc.channel import CHANNELS, ChannelCloseInit
from meshsec_core.ibc.client import CLIENTS
from meshsec_core.ibc.connection import CONNECTIONS
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.kernel.wire.ibc import STATE_CLOSED, STATE_OPEN, Height, voucher_denom
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Clear, Drop, Filter, Hold, Pause, Release, Resume, Step
from meshsec_relayer.store import MemoryStore
from relay_rig import MESH, ORDERED_PROBE, UNORDERED_PROBE, Pair, packet_names

DAY = 24 * 3_600
VOUCHER = voucher_denom("transfer/channel-0/uosmo")


@pytest.fixture
def open_pair() -> Pair:
    found = Pair()
    found.settle()
    return found


def transfer(rig: Pair, amount: int = 1_000, **timeout: int | Height) -> str:
    """Send osmo from alice to bob on juno; return the packet's id."""
    receipt = rig.send("osmosis", "alice", Transfer("channel-0", Denom("uosmo"), amount, rig.address("juno", "bob"), **timeout))
    assert receipt["code"] == "", receipt
    sent = rig.events("osmosis", "send_packet")
    return f"osmosis:transfer:channel-0:{sent[-1]['packet_sequence']}"


def waits_for(rig: Pair, packet: str) -> str:
    return reports.trace(rig.courier.engine, packet).packet.waits_for


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
    assert rig.send("osmosis", "alice", *[message] * 120)["code"] == ""
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 120
    transactions = [receipt for chain in rig.nodes.values() for receipt in _receipts(chain)]
    carried = [msgs.count("ibc/RecvPacket") for msgs in transactions if "ibc/RecvPacket" in msgs]
    assert carried == [50, 50, 20]
    brought = [msgs.count("ibc/Acknowledgement") for msgs in transactions if "ibc/Acknowledgement" in msgs]
    assert brought == [50, 50, 20]
    updates = [msgs.count("ibc/UpdateClient") for msgs in transactions if "ibc/RecvPacket" in msgs]
    assert updates == [1, 0, 0]


def test_a_batch_is_also_bounded_by_its_bytes() -> None:
    rig = Pair(max_batch_bytes=8_000)
    rig.settle()
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", *[message] * 5)["code"] == ""
    rig.settle()
    carried = [msgs.count("ibc/RecvPacket") for msgs in _receipts(rig.nodes["juno"]) if "ibc/RecvPacket" in msgs]
    assert carried == [2, 2, 1]


def _receipts(node: object) -> list[tuple[str, ...]]:
    replica = node.replica  # type: ignore[attr-defined]
    return [receipt.msgs for height in range(1, replica.height + 1) for receipt in replica.results(height).receipts]


def say(rig: Pair, data: bytes, chain: str = "osmosis", **timeout: int) -> None:
    later = {"timeout_timestamp": rig.now + 600 * SECOND} | timeout
    receipt = rig.send(chain, "alice", Say("channel-0", data, **later))
    assert receipt["code"] == "", receipt


def heard(rig: Pair, chain: str, what: str) -> bytes:
    return rig.state(chain, f"probe/{what}") or b""


def test_an_ordered_channel_keeps_its_order_in_both_directions() -> None:
    rig = Pair((ORDERED_PROBE,), max_batch_messages=2)
    rig.settle()
    for number in range(5):
        say(rig, b"there-%d" % number)
        say(rig, b"back-%d" % number, "juno")
    rig.settle()
    assert heard(rig, "juno", "received") == b"1:there-0 2:there-1 3:there-2 4:there-3 5:there-4 "
    assert heard(rig, "osmosis", "received") == b"1:back-0 2:back-1 3:back-2 4:back-3 5:back-4 "
    assert heard(rig, "osmosis", "acknowledged").count(b"ok:") == 5
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


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


def test_an_ordered_channel_whose_packet_times_out_closes_at_both_ends_and_gives_everything_back() -> None:
    """Given an ordered channel with three packets under way, the first with a short timeout, and a relayer that is away
    When the first times out
    Then the channel closes at both ends and the other two come back because it is closed
    """
    rig = Pair((ORDERED_PROBE,))
    rig.settle()
    say(rig, b"first", timeout_timestamp=rig.now + 5 * SECOND)
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


@pytest.mark.parametrize("after", [53, 61, 67, 83])
def test_a_relayer_that_is_killed_again_and_again_opens_one_channel_and_carries_each_packet_once(after: int) -> None:
    """Given a relayer that dies after every `after` requests and starts again from its durable image."""
    rig = Pair()
    died = _settle_with_deaths(rig, after)
    packets = [transfer(rig, amount) for amount in (1, 10, 100)]
    died += _settle_with_deaths(rig, after)
    assert died >= 1
    assert len(packets) == 3
    assert rig.balance("juno", "bob", VOUCHER) == 111
    assert len(rig.events("juno", "write_acknowledgement")) == 3
    assert len(rig.events("osmosis", "acknowledge_packet")) == 3
    for chain in ("osmosis", "juno"):
        reader = rig.nodes[chain].replica.state
        assert CONNECTIONS.find(reader, "connection-1") is None
        assert CHANNELS.find(reader, "transfer", "channel-1") is None
        assert CLIENTS.find(reader, "07-tendermint-1") is None


class Killed(Exception):
    pass


def _settle_with_deaths(rig: Pair, after: int) -> int:
    """Settle with a relayer that dies at every `after`-th answer; return how often it died."""
    died = 0
    for _ in range(200):
        end = len(rig.requests) + after

        def power_cut(_chain: str, _path: str, end: int = end) -> bool:
            if len(rig.requests) >= end:
                raise Killed
            return False

        rig.loses = power_cut
        try:
            rig.settle()
        except Killed:
            died += 1
            rig.loses = lambda _chain, _path: False
            rig.restart()
            continue
        rig.loses = lambda _chain, _path: False
        return died
    raise AssertionError("it never settles")


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_get_lost_delay_but_repeat_nothing(seed: int) -> None:
    """Given that half of all submissions are heard but not answered, and now and then another answer is lost."""
    rig, chance = Pair(), Random(seed)
    rig.loses = lambda _chain, path: chance.random() < (0.5 if path == "/v1/txs" else 0.02)
    rig.settle(patience=400)
    transfer(rig, 7)
    rig.settle(patience=400)
    assert rig.balance("juno", "bob", VOUCHER) == 7
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1
    for chain in ("osmosis", "juno"):
        assert CHANNELS.find(rig.nodes[chain].replica.state, "transfer", "channel-1") is None
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_a_relayer_without_its_image_finds_what_is_open_and_what_is_under_way(open_pair: Pair) -> None:
    rig = open_pair
    transfer(rig, 5)
    rig.store = MemoryStore()
    rig.courier = rig.hire()
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 5
    assert CONNECTIONS.find(rig.nodes["juno"].replica.state, "connection-1") is None


def test_a_relayer_that_comes_back_reads_only_what_is_new(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(60)
    rig.settle()
    rig.restart()
    rig.requests.clear()
    rig.settle()
    blocks = [path for _, path in rig.requests if path.startswith("/v1/blocks/")]
    assert len(blocks) <= 2 * 20


def test_two_relayers_on_one_path_do_no_harm(open_pair: Pair) -> None:
    rig = open_pair
    other = rig.hire(MemoryStore(), id="second")
    for _ in range(4):
        rig.courier.run_once(rig.now)
        other.run_once(rig.now)
        rig.mine()
    for amount in (1, 2, 4):
        transfer(rig, amount)
        for _ in range(12):
            rig.courier.run_once(rig.now)
            other.run_once(rig.now)
            rig.mine()
    rig.settle()
    rig.settle(other)
    assert rig.balance("juno", "bob", VOUCHER) == 7
    assert len(rig.events("osmosis", "acknowledge_packet")) == 3
    assert packet_names(rig.courier) == packet_names(other) == []
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


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


def test_an_idle_relayer_updates_no_client_until_a_refresh_is_due(open_pair: Pair) -> None:
    """Else two chains that make blocks only when there is something to do would mine each other for ever."""
    rig = open_pair
    rig.mine(30)
    rig.settle()
    updates = len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))
    rig.mine(2, seconds=4 * DAY // 2)
    rig.settle()
    assert (len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))) == updates
    rig.mine(2, seconds=DAY)
    rig.settle()
    assert (len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))) == (
        updates[0] + 1,
        updates[1] + 1,
    )


def test_clients_survive_months_in_jumps_of_half_a_trusting_period(open_pair: Pair) -> None:
    rig = open_pair
    for _ in range(6):
        rig.mine(1, seconds=7 * DAY)
        rig.mine(1)
        rig.settle()
    transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_client_that_has_expired_is_said_to_and_nothing_is_opened_beside_it(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(1, seconds=15 * DAY)
    rig.mine(2)
    receipt = rig.send("osmosis", "alice", Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob")))
    assert receipt["code"] == "ibc/client-not-active"
    rig.restart()
    with pytest.raises(Rejected):
        rig.settle(patience=10)
    assert rig.courier.engine.paths["osmosis-juno"].problem.startswith("relayer/client-expired")
    assert CLIENTS.find(rig.nodes["juno"].replica.state, "07-tendermint-1") is None


def test_a_dead_chain_is_said_to_be_and_comes_back(open_pair: Pair) -> None:
    rig = open_pair
    rig.dead.add("juno")
    packet = transfer(rig)
    for _ in range(5):
        rig.mine()
        rig.courier.run_once(rig.now)
    assert waits_for(rig, packet) == "juno: relayer/unreachable (chain=juno)"
    assert not rig.courier.engine.idle
    rig.dead.clear()
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_chain_that_crashes_with_the_relayers_transaction_in_its_mempool_gets_it_again(open_pair: Pair) -> None:
    rig = open_pair
    transfer(rig)
    rig.mine(1, ("osmosis",))
    rig.courier.run_once(rig.now)
    assert rig.nodes["juno"].replica.waiting == 1
    rig.nodes["juno"].restart()
    assert rig.nodes["juno"].replica.waiting == 0
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_equal_histories_give_equal_requests_and_equal_chains() -> None:
    def history() -> tuple[list[tuple[str, str]], list[bytes], bytes]:
        rig = Pair()
        rig.settle()
        transfer(rig)
        rig.settle()
        return rig.requests, [node.replica.tip.app_hash for node in rig.nodes.values()], rig.store.raw

    assert history() == history()


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
    submitted = [msgs for msgs in _receipts(rig.nodes["osmosis"]) if "mesh/SubmitEvidence" in msgs]
    assert len(submitted) == 1
    assert rig.refusals("osmosis") + rig.refusals("juno") == []
    assert not any(accuser.waiting for accuser in rig.courier.engine.accusers)


def _channel(rig: Pair, chain: str, port: str) -> str:
    side = "a" if chain == "osmosis" else "b"
    images = rig.courier.engine.paths["osmosis-juno"].image.channels
    return next(getattr(image, f"channel_{side}") for image in images if getattr(image, f"port_{side}") == port)
