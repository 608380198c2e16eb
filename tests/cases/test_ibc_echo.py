"""The echo application: what is said comes back, in order where the channel keeps one, and everything is accounted for."""

from typing import Any

import pytest

from ibc_events import attributes, refused, sent
from ibc_rig import Rig
from meshsec_core.ibc.channel import ChannelCloseConfirm, ChannelCloseInit, ChannelOpenInit
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.ibc.echo import CONVERSATIONS, Answer, Conversation, Say
from meshsec_core.ibc.packet import send_packet
from meshsec_core.ibc.timeout import TimeoutOnClose
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import Height, Packet

CHANNEL = "channel-0"


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.open("echo")
    return rig


@pytest.fixture
def ordered() -> Rig:
    rig = Rig()
    rig.open("echo", ORDERED)
    return rig


def say(rig: Rig, text: str, **how: Any) -> Packet:
    return sent(rig.a.send("alice", Say(CHANNEL, text, **how)))


def talks(rig: Rig) -> tuple[Conversation, Conversation]:
    """Check the laws of both chains; return what either end has counted."""
    rig.a.check_laws()
    rig.b.check_laws()
    return CONVERSATIONS.get(rig.a.state, CHANNEL), CONVERSATIONS.get(rig.b.state, CHANNEL)


def close_confirm(rig: Rig) -> ChannelCloseConfirm:
    """Build the message that closes b's end because a's is closed."""
    height = rig.sync(rig.b)
    return ChannelCloseConfirm("echo", CHANNEL, rig.a.prove(f"ibc/channelEnds/ports/echo/channels/{CHANNEL}"), height)


def state(rig: Rig, end: str) -> str:
    chain = rig.a if end == "a" else rig.b
    found: str = chain.query("ibc/channel", port_id="echo", channel_id=CHANNEL).state
    return found


@pytest.mark.parametrize("ordering", [ORDERED, UNORDERED])
def test_what_is_said_is_heard_and_comes_back(ordering: str) -> None:
    rig = Rig()
    rig.open("echo", ordering)
    packet = say(rig, "good morning")
    assert packet.data == b'{"@type":"say","text":"good morning"}'
    assert packet.timeout_timestamp == rig.a.ctx.time + 600 * SECOND
    relayer = rig.a.address("relayer")
    assert talks(rig)[0] == Conversation(relayer, said=1)

    assert rig.relay(packet, rig.a) == b'{"result":"Z29vZCBtb3JuaW5n"}'
    assert talks(rig) == (
        Conversation(relayer, said=1, answered=1),
        Conversation(rig.b.address("relayer"), heard=1, last_sequence=1, last_text="good morning"),
    )


def test_a_refused_word_leaves_no_trace_but_its_answer(rig: Rig) -> None:
    packet = say(rig, "refuse")
    events = rig.b.send("relayer", rig.receiving(packet, rig.b))
    assert attributes(events, "ibccallbackerror-echo/heard") == {"channel": CHANNEL, "sequence": "1", "text": "refuse"}
    assert not [event for event in events if event.type == "echo/heard"]
    assert talks(rig)[1] == Conversation(rig.b.address("relayer"))

    events = rig.a.send("relayer", rig.acknowledging(packet, b'{"error":"echo/refused"}', rig.a))
    assert attributes(events, "echo/refused") == {"channel": CHANNEL, "sequence": "1", "reason": "echo/refused"}
    assert talks(rig)[0] == Conversation(rig.a.address("relayer"), said=1, refused=1)


def test_a_word_may_be_answered_later_and_once(rig: Rig) -> None:
    packet = say(rig, "later")
    assert rig.deliver(packet, rig.b) == b""
    assert rig.b.query("echo/conversations")[0].unanswered == (1,)
    with refused(rig.b, "echo/not-waiting"):
        rig.b.send("carol", Answer(CHANNEL, 2))
    events = rig.b.send("carol", Answer(CHANNEL, 1))
    written = bytes.fromhex(attributes(events, "write_acknowledgement")["packet_ack_hex"])
    with refused(rig.b, "echo/not-waiting"):
        rig.b.send("carol", Answer(CHANNEL, 1))
    rig.a.send("relayer", rig.acknowledging(packet, written, rig.a))
    assert talks(rig)[0] == Conversation(rig.a.address("relayer"), said=1, answered=1)


def test_only_an_unordered_channel_hears_words_out_of_order(rig: Rig, ordered: Rig) -> None:
    for each in (rig, ordered):
        first, second = say(each, "one"), say(each, "two")
        if each is ordered:
            early = each.receiving(second, each.b)
            with refused(each.b, "ibc/out-of-order"):
                each.b.send("relayer", early)
        else:
            each.relay(second, each.a)
            each.relay(first, each.a)
    assert talks(rig)[1] == Conversation(rig.b.address("relayer"), heard=2, out_of_order=1, last_sequence=2, last_text="one")
    assert talks(ordered)[1] == Conversation(ordered.b.address("relayer"))


def test_a_late_word_comes_back_and_closes_an_ordered_channel_whose_other_words_come_back_too(ordered: Rig) -> None:
    """Given three words on an ordered channel, of which the first has a second to arrive
    When it times out, and the other end is closed for it
    Then the other two come back before their timeouts, and no more can be said
    """
    late, second, third = say(ordered, "one", timeout=SECOND), say(ordered, "two"), say(ordered, "three")
    ordered.a.send("relayer", ordered.timing_out(late, ordered.a, ordered=True))
    assert (state(ordered, "a"), state(ordered, "b")) == ("CLOSED", "OPEN")
    ordered.b.send("relayer", close_confirm(ordered))
    assert state(ordered, "b") == "CLOSED"
    for packet in (second, third):
        height = ordered.sync(ordered.a)
        unreceived = ordered.b.prove(f"ibc/nextSequenceRecv/ports/echo/channels/{CHANNEL}")
        closed = ordered.b.prove(f"ibc/channelEnds/ports/echo/channels/{CHANNEL}")
        ordered.a.send("relayer", TimeoutOnClose(packet, unreceived, closed, height, 1))
    assert talks(ordered) == (
        Conversation(ordered.a.address("relayer"), said=3, timed_out=3),
        Conversation(ordered.b.address("relayer")),
    )
    with refused(ordered.a, "ibc/channel-not-open"):
        say(ordered, "four")


@pytest.mark.parametrize("who", ["relayer", "governance"])
def test_the_opener_and_governance_close_a_channel_and_nobody_else(rig: Rig, who: str) -> None:
    with refused(rig.a, "echo/not-the-opener"):
        rig.a.send("alice", ChannelCloseInit("echo", CHANNEL))
    rig.a.send(rig.a.ctx.module_account("gov") if who == "governance" else who, ChannelCloseInit("echo", CHANNEL))
    rig.b.send("anybody", close_confirm(rig))
    assert (state(rig, "a"), state(rig, "b")) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("text", ["", "x" * 1_025, "ü" * 513])
def test_a_text_that_is_none_or_too_long_is_not_said(rig: Rig, text: str) -> None:
    with refused(rig.a, "echo/bad-text"):
        say(rig, text)


@pytest.mark.parametrize(
    "data",
    [
        b'{"text":"hello"}',
        b'{"@type":"say","text":"hello","more":"1"}',
        b'{"text":"hello","@type":"say"}',
        b'{"@type":"say","text":1}',
        b"hello",
        b"\xff",
    ],
)
def test_what_is_no_echo_packet_is_refused(rig: Rig, data: bytes) -> None:
    with rig.a.ctx.branch() as ctx:
        send_packet(ctx, "echo", CHANNEL, data, Height(), rig.b.ctx.time + 600 * SECOND)
    assert rig.deliver(sent(ctx.events), rig.b) == b'{"error":"echo/bad-data"}'


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"version": "echo-2"}, "echo/bad-version"), ({"counterparty_port_id": "transfer"}, "echo/bad-port")],
)
def test_an_echo_talks_to_its_like_only(rig: Rig, changes: dict[str, str], code: str) -> None:
    hop = rig.end(rig.a).connection
    opening = {"port_id": "echo", "counterparty_port_id": "echo", "version": "", **changes}
    with refused(rig.a, code):
        rig.a.send("alice", ChannelOpenInit(ordering=UNORDERED, connection_id=hop, **opening))


def test_the_laws_notice_a_lost_word_and_a_broken_order(ordered: Rig) -> None:
    lost = Conversation(ordered.a.address("relayer"), said=1)
    CONVERSATIONS.put(ordered.a.state, CHANNEL, lost)
    with pytest.raises(InvariantViolated):
        ordered.a.check_laws()
    CONVERSATIONS.put(ordered.b.state, CHANNEL, Conversation("", out_of_order=1))  # type: ignore[arg-type]
    with pytest.raises(InvariantViolated):
        ordered.b.check_laws()
