"""The book of packets under way: the same blocks give the same book, in whatever order the two chains are read."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsec_core.ibc.packet import RecvPacket
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import Height, Packet, packet_commitment
from meshsec_relayer.engine.boundary import Drop, Filter, Hold, Image, Pause, Release, Resume, Step
from meshsec_relayer.engine.cargo import Parcel
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.packets import Book, Channel, Entry, News, kind_of, packet_id
from meshsec_relayer.engine.proofs import Proven

Told = tuple[int, str, Mapping[str, str]]


def packet(sequence: int, **changes: object) -> Packet:
    fields = {"data": b"{}", "timeout_height": Height(), "timeout_timestamp": 1_000} | changes
    return Packet(sequence, "probe", "channel-0", "probe", "channel-5", **fields)  # type: ignore[arg-type]


def told(height: int, kind: str, about: Packet, **more: str) -> Told:
    attributes = {
        "packet_data_hex": about.data.hex(),
        "packet_timeout_height": str(about.timeout_height),
        "packet_timeout_timestamp": str(about.timeout_timestamp),
        "packet_sequence": str(about.sequence),
        "packet_src_port": about.source_port,
        "packet_src_channel": about.source_channel,
        "packet_dst_port": about.destination_port,
        "packet_dst_channel": about.destination_channel,
    }
    return height, kind, attributes | more


class Desk:
    def __init__(self, ordered: bool = False) -> None:
        self.a, self.b = Chain("osmosis", "osmosis-1", "osmo"), Chain("juno", "juno-1", "juno")
        self.ended: dict[str, str] = {}
        self.book = Book(self.a, self.b, lambda entry, how: self.ended.update({entry.id: how}))
        self.channel = Channel({"osmosis": ("probe", "channel-0"), "juno": ("probe", "channel-5")}, ordered)
        self.book.serve(self.channel)

    def hear(self, chain: Chain, *events: Told) -> None:
        for height, kind, attributes in events:
            self.book.apply(chain, News(height, height * SECOND, kind, attributes))

    def entry(self, sequence: int) -> Entry:
        return self.book.entries[f"osmosis:probe:channel-0:{sequence}"]


@pytest.fixture
def desk() -> Desk:
    return Desk()


ANSWER = {"packet_ack_hex": b"ok".hex()}


def test_a_packet_goes_there_comes_back_and_leaves_the_book(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    assert (desk.entry(1).leg, desk.entry(1).packet) == ("recv", packet(1))
    desk.hear(desk.b, told(8, "recv_packet", packet(1)))
    assert desk.entry(1).leg is None
    desk.hear(desk.b, told(8, "write_acknowledgement", packet(1), **ANSWER))
    assert (desk.entry(1).leg, desk.entry(1).acknowledgement, desk.entry(1).answered_at) == ("ack", b"ok", 8)
    desk.hear(desk.a, told(5, "acknowledge_packet", packet(1)))
    assert desk.book.entries == {}
    assert desk.ended == {"osmosis:probe:channel-0:1": "acknowledged on osmosis in block 5"}


def test_a_packet_turns_back_when_the_target_is_past_its_timeout(desk: Desk) -> None:
    desk.hear(
        desk.a,
        told(3, "send_packet", packet(1)),
        told(3, "send_packet", packet(2, timeout_height=Height(1, 9), timeout_timestamp=0)),
    )
    desk.b.height, desk.b.time = 8, 999
    assert [desk.entry(n).leg for n in (1, 2)] == ["recv", "recv"]
    desk.b.time = 1_000
    assert [desk.entry(n).leg for n in (1, 2)] == ["timeout", "recv"]
    desk.b.height = 9
    assert [desk.entry(n).leg for n in (1, 2)] == ["timeout", "timeout"]


def test_a_packet_that_was_received_never_turns_back(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    desk.hear(desk.b, told(4, "recv_packet", packet(1)))
    desk.b.time = 5_000
    assert desk.entry(1).leg is None


def test_a_packet_turns_back_when_its_channel_is_closed_at_the_target(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    desk.hear(desk.b, (6, "channel_close_init", {"port_id": "probe", "channel_id": "channel-5"}))
    assert desk.entry(1).leg == "timeout"
    assert desk.channel.closed == {"juno": 6}


def test_a_packet_known_only_from_its_answer_has_to_be_verified(desk: Desk) -> None:
    desk.hear(desk.b, told(8, "write_acknowledgement", packet(1), **ANSWER))
    assert (desk.entry(1).leg, desk.entry(1).verified) == ("ack", False)
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    assert desk.entry(1).verified


def test_a_belated_event_does_not_reopen_what_is_settled(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)), told(9, "timeout_packet", packet(1)))
    desk.hear(desk.b, told(8, "write_acknowledgement", packet(1), **ANSWER))
    assert desk.book.entries == {}


def test_packets_of_both_directions_under_one_sequence_are_two(desk: Desk) -> None:
    back = Packet(1, "probe", "channel-5", "probe", "channel-0", b"{}", Height(), 1_000)
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    desk.hear(desk.b, told(3, "send_packet", back))
    assert list(desk.book.entries) == ["osmosis:probe:channel-0:1", "juno:probe:channel-5:1"]
    assert packet_id("juno", back) == "juno:probe:channel-5:1"


def test_the_cursor_stays_below_everything_that_is_under_way(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)), told(7, "send_packet", packet(2)))
    desk.hear(desk.b, told(8, "write_acknowledgement", packet(2), **ANSWER))
    assert (desk.book.lowest("osmosis"), desk.book.lowest("juno")) == (3, 8)
    desk.hear(desk.a, told(9, "timeout_packet", packet(1)))
    assert desk.book.lowest("osmosis") == 7
    desk.hear(desk.a, told(10, "acknowledge_packet", packet(2)))
    assert (desk.book.lowest("osmosis"), desk.book.lowest("juno")) == (None, None)


def test_the_cursor_stays_below_a_channel_that_is_closed_at_one_end_only(desk: Desk) -> None:
    desk.hear(desk.a, (4, "channel_close", {"port_id": "probe", "channel_id": "channel-0"}))
    assert (desk.book.lowest("osmosis"), desk.book.lowest("juno")) == (4, None)
    desk.hear(desk.b, (6, "channel_close_confirm", {"port_id": "probe", "channel_id": "channel-5"}))
    assert (desk.book.lowest("osmosis"), desk.book.lowest("juno")) == (None, None)


@pytest.mark.parametrize(
    "spoilt",
    [{"packet_sequence": "one"}, {"packet_data_hex": "xyz"}, {"packet_timeout_height": "9"}, {"packet_ack_hex": "zz"}],
)
def test_an_event_that_cannot_be_read_changes_nothing(desk: Desk, spoilt: dict[str, str]) -> None:
    _, kind, attributes = told(8, "write_acknowledgement", packet(1), **ANSWER)
    with pytest.raises(Rejected) as refused:
        desk.book.apply(desk.b, News(8, 8 * SECOND, kind, dict(attributes) | spoilt))
    assert refused.value.code == "relayer/bad-event"
    assert desk.book.entries == {}


@given(st.data())
def test_the_book_does_not_depend_on_which_chain_is_read_first(data: st.DataObject) -> None:
    """Given a history of some packets, each ended or not, and any interleaving of the two chains' blocks."""
    on_a: list[Told] = []
    on_b: list[Told] = []
    for sequence in range(1, data.draw(st.integers(1, 5)) + 1):
        fate = data.draw(st.sampled_from(["sent", "received", "answered", "acknowledged", "timed-out"]))
        on_a.append(told(sequence, "send_packet", packet(sequence)))
        if fate in ("received", "answered", "acknowledged"):
            on_b.append(told(10 + sequence, "recv_packet", packet(sequence)))
        if fate in ("answered", "acknowledged"):
            on_b.append(told(10 + sequence, "write_acknowledgement", packet(sequence), **ANSWER))
        if fate == "acknowledged":
            on_a.append(told(20 + sequence, "acknowledge_packet", packet(sequence)))
        if fate == "timed-out":
            on_a.append(told(20 + sequence, "timeout_packet", packet(sequence)))
    on_a.sort(key=lambda event: event[0])
    turns = data.draw(st.permutations(["a"] * len(on_a) + ["b"] * len(on_b)))

    def read(order: list[str]) -> dict[str, tuple[object, ...]]:
        desk, left = Desk(), {"a": list(on_a), "b": list(on_b)}
        for turn in order:
            desk.hear(desk.a if turn == "a" else desk.b, left[turn].pop(0))
        return {
            name: (entry.packet, entry.sent_at, entry.received_at, entry.acknowledgement, entry.answered_at, entry.leg)
            for name, entry in desk.book.entries.items()
            if entry.verified
        }

    assert read(list(turns)) == read(["a"] * len(on_a) + ["b"] * len(on_b))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (codec.encode({"@type": "stake", "amount": 1}), "stake"),
        (codec.encode({"@type": "mesh/Slash"}), "slash"),
        (codec.encode({"amount": "1", "denom": "uosmo", "receiver": "r", "sender": "s"}), "transfer"),
        (codec.encode({"hello": "world"}), ""),
        (b"\xff\x00", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_packets_kind_is_what_its_data_calls_itself(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


def test_holds_choose_packets_by_every_field_they_set(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1, data=codec.encode({"@type": "stake"}))))
    entry, controls = desk.entry(1), Controls(Image())
    fitting = Filter("osmosis:probe:channel-0:1", "stake", "osmosis", "probe", "channel-0", "recv")
    for name in Filter.__struct_fields__:
        for value, held in ((getattr(fitting, name), "held by an operator"), ("other", "")):
            controls.order(Hold(Filter(**{name: value})))
            assert controls.stops(entry, "recv") == held, (name, value)
            controls.order(Release(Filter(**{name: value})))
    controls.order(Hold(fitting))
    assert controls.stops(entry, "ack") == ""
    controls.order(Release())
    assert controls.held == []


def test_a_drop_is_of_one_leg_only(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    controls = Controls(Image())
    controls.drop(Drop(desk.entry(1).id), "recv")
    assert controls.stops(desk.entry(1), "recv") == "dropped by an operator (recv)"
    assert controls.stops(desk.entry(1), "timeout") == ""


def test_steps_count_while_paused_only() -> None:
    controls = Controls(Image())
    controls.order(Step(3))
    assert (controls.steps, controls.halted) == (0, False)
    controls.order(Pause())
    assert controls.halted
    controls.order(Step(2))
    assert (controls.steps, controls.halted) == (2, False)
    controls.order(Resume())
    assert (controls.steps, controls.paused) == (0, False)


@pytest.mark.parametrize(
    ("ordered", "value", "goes_back"),
    [
        (False, None, True),
        (False, b"\x01", False),
        (True, (3).to_bytes(8), True),
        (True, (4).to_bytes(8), False),
    ],
)
def test_a_timeout_is_told_only_of_a_packet_that_the_proven_state_has_not_received(
    ordered: bool, value: bytes | None, goes_back: bool
) -> None:
    """Given packet 3, and the receipt or the next sequence to receive that the target's node proves."""
    desk = Desk(ordered)
    desk.hear(desk.a, told(3, "send_packet", packet(3)))
    parcel = Parcel(desk.entry(3), "timeout")
    message = parcel.message({parcel.keys[0]: Proven(value, b"proof")}, Height(1, 9))
    expected = Timeout(packet(3), b"proof", Height(1, 9), 3 if ordered else 0)
    assert message == (expected if goes_back else None)


def test_a_packet_is_not_told_of_if_its_sender_has_committed_to_something_else(desk: Desk) -> None:
    desk.hear(desk.a, told(3, "send_packet", packet(1)))
    parcel = Parcel(desk.entry(1), "recv")
    assert parcel.message({parcel.keys[0]: Proven(None, b"proof")}, Height(1, 9)) is None
    assert parcel.message({parcel.keys[0]: Proven(b"other", b"proof")}, Height(1, 9)) is None
    true = Proven(packet_commitment(packet(1)), b"proof")
    assert parcel.message({parcel.keys[0]: true}, Height(1, 9)) == RecvPacket(packet(1), b"proof", Height(1, 9))
