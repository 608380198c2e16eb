"""The echo application: says texts to its like on another chain, which answers with the same text. For trying out channels.

A channel may be ordered or unordered, as whoever opens it wishes. Nothing of value rests on it, so everything that can happen to
packets can be had by saying the right word: `refuse` is refused, `later` is answered when somebody says so, and a short timeout
comes back. Whoever opened a channel on a chain, and the chain's governance, may close its end there.

Laws: whatever was said is answered, refused, given back or on its way; on an ordered channel nothing is heard out of order.
"""

import msgspec

from meshsec_core.ibc import packet as ibc_packet
from meshsec_core.ibc.channel import CHANNELS
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Map
from meshsec_core.kernel.types import Address
from meshsec_core.kernel.wire.ibc import ORDER_ORDERED, Height, Packet
from meshsec_core.runtime.authority import AUTHORITY
from meshsec_core.runtime.module import Ctx, Module, Msg, Port, View

BAD_TEXT = "echo/bad-text"
BAD_DATA = "echo/bad-data"
BAD_VERSION = "echo/bad-version"
BAD_PORT = "echo/bad-port"
REFUSED = "echo/refused"
NOT_WAITING = "echo/not-waiting"
NOT_THE_OPENER = "echo/not-the-opener"

PORT = "echo"
VERSION = "echo-1"

REFUSE = "refuse"
"""The text that the other side refuses."""
LATER = "later"
"""The text that the other side answers when it is told to."""

MAX_TEXT = 1_024
"""Bytes."""


class Conversation(msgspec.Struct, frozen=True):
    """What has become of the words of one channel, as this end knows."""

    opener: Address
    """Who opened this end."""
    said: int = 0
    answered: int = 0
    refused: int = 0
    timed_out: int = 0
    heard: int = 0
    """Texts that came from the other side and were not refused."""
    out_of_order: int = 0
    """How many of them had been sent before one that was heard earlier."""
    last_sequence: int = 0
    """The highest sequence heard."""
    last_text: str = ""
    """The text heard last."""


CONVERSATIONS: Map[Conversation] = Map("echo/conversations", Conversation)
"""By channel."""
UNANSWERED: Map[Packet] = Map("echo/unanswered", Packet, parts=2)
"""(channel, sequence) to a packet that waits for its answer."""


class Say(Msg, frozen=True, tag="echo/Say"):
    """Say something to the other end of a channel."""

    channel: str
    text: str
    """`refuse` is refused there, `later` is answered when told; anything else comes back at once."""
    timeout_height: Height = Height()
    """Of the other chain; zero for none."""
    timeout_timestamp: int = 0
    """Block time of the other chain in nanoseconds; 0 for none."""
    timeout: int = 0
    """From now, in nanoseconds, if no timestamp is named; ten minutes if no timeout is named at all."""


class Answer(Msg, frozen=True, tag="echo/Answer"):
    """Answer a text that waits."""

    channel: str
    sequence: int
    """Of the packet that brought it."""


class Saying(msgspec.Struct, frozen=True, tag_field="@type", tag="say", forbid_unknown_fields=True):
    """The packet."""

    text: str


def say(ctx: Ctx, msg: Say) -> None:
    """Send a text.

    Raises:
        Rejected: `echo/bad-text` for none or one above 1,024 bytes, and what `send_packet` refuses.
    """
    size = len(msg.text.encode())
    if not 0 < size <= MAX_TEXT:
        raise Rejected(BAD_TEXT, bytes=size, limit=MAX_TEXT)
    timeout = ibc_packet.timeout_time(ctx, msg.timeout_height, msg.timeout_timestamp, msg.timeout)
    sequence = ibc_packet.send_packet(ctx, PORT, msg.channel, codec.encode(Saying(msg.text)), msg.timeout_height, timeout)
    known = CONVERSATIONS.get(ctx.store, msg.channel)
    CONVERSATIONS.put(ctx.store, msg.channel, msgspec.structs.replace(known, said=known.said + 1))
    ctx.emit("echo/said", channel=msg.channel, sequence=sequence, text=msg.text)


def answer(ctx: Ctx, msg: Answer) -> None:
    """Answer a text that was heard and asked to wait; anyone may.

    Raises:
        Rejected: `echo/not-waiting`, and what `write_acknowledgement` refuses.
    """
    packet = UNANSWERED.find(ctx.store, msg.channel, msg.sequence)
    if packet is None:
        raise Rejected(NOT_WAITING, channel=msg.channel[:100], sequence=msg.sequence)
    UNANSWERED.delete(ctx.store, msg.channel, msg.sequence)
    ibc_packet.write_acknowledgement(ctx, packet, _echo(LATER))


def on_receive(ctx: Ctx, packet: Packet) -> bytes:
    """Hear a text and answer with it.

    Raises:
        Rejected: `echo/bad-data`, `echo/refused`; becomes an error acknowledgement.
    """
    channel, text = packet.destination_channel, _read(packet.data)
    known = CONVERSATIONS.get(ctx.store, channel)
    heard = msgspec.structs.replace(
        known,
        heard=known.heard + 1,
        out_of_order=known.out_of_order + (packet.sequence < known.last_sequence),
        last_sequence=max(known.last_sequence, packet.sequence),
        last_text=text,
    )
    CONVERSATIONS.put(ctx.store, channel, heard)
    ctx.emit("echo/heard", channel=channel, sequence=packet.sequence, text=text)
    if text == REFUSE:
        raise Rejected(REFUSED, channel=channel, sequence=packet.sequence)
    if text == LATER:
        UNANSWERED.put(ctx.store, channel, packet.sequence, packet)
        return b""
    return _echo(text)


def on_acknowledge(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Count the answer; one that does not repeat what was said counts as a refusal."""
    known = CONVERSATIONS.get(ctx.store, packet.source_channel)
    if acknowledgement == _echo(_read(packet.data)):
        counted = msgspec.structs.replace(known, answered=known.answered + 1)
        ctx.emit("echo/answered", channel=packet.source_channel, sequence=packet.sequence)
    else:
        counted = msgspec.structs.replace(known, refused=known.refused + 1)
        refusal = ibc_packet.refusal_in(acknowledgement) or "another text"
        ctx.emit("echo/refused", channel=packet.source_channel, sequence=packet.sequence, reason=refusal)
    CONVERSATIONS.put(ctx.store, packet.source_channel, counted)


def on_timeout(ctx: Ctx, packet: Packet) -> None:
    """Count a text that nobody heard."""
    known = CONVERSATIONS.get(ctx.store, packet.source_channel)
    CONVERSATIONS.put(ctx.store, packet.source_channel, msgspec.structs.replace(known, timed_out=known.timed_out + 1))
    ctx.emit("echo/timed-out", channel=packet.source_channel, sequence=packet.sequence)


def _echo(text: str) -> bytes:
    return ibc_packet.result_acknowledgement(text.encode())


def _read(data: bytes) -> str:
    """Return the text in a packet: canonical JSON and nothing else, `echo/bad-data`."""
    try:
        return codec.decode(data, Saying).text
    except Rejected as refusal:
        raise Rejected(BAD_DATA, detail=str(refusal)[:200]) from None


def on_open_init(ctx: Ctx, _ordering: str, _hop: str, port_id: str, channel_id: str, their_port: str, version: str) -> str:
    """Propose `echo-1` to another echo: `echo/bad-port`, `echo/bad-version`."""
    return _open(ctx, channel_id, (port_id, their_port), version or VERSION)


def on_open_try(
    ctx: Ctx, _ordering: str, _hop: str, port_id: str, channel_id: str, their_port: str, _their_channel: str, version: str
) -> str:
    """Agree to `echo-1`: `echo/bad-port`, `echo/bad-version`."""
    return _open(ctx, channel_id, (port_id, their_port), version)


def _open(ctx: Ctx, channel_id: str, ports: tuple[str, str], version: str) -> str:
    if ports != (PORT, PORT):
        raise Rejected(BAD_PORT, ports=", ".join(ports)[:200], expected=PORT)
    _check_version(version)
    CONVERSATIONS.put(ctx.store, channel_id, Conversation(ctx.signer))
    return VERSION


def _check_version(version: str) -> None:
    if version != VERSION:
        raise Rejected(BAD_VERSION, version=version[:100], expected=VERSION)


def on_open_ack(_ctx: Ctx, _port_id: str, _channel_id: str, _their_channel: str, version: str) -> None:
    """Insist on `echo-1`: `echo/bad-version`."""
    _check_version(version)


def on_open_confirm(_ctx: Ctx, _port_id: str, _channel_id: str) -> None:
    """Nothing is left to agree on."""


def on_close_init(ctx: Ctx, _port_id: str, channel_id: str) -> None:
    """Let the opener of this end or governance close it: `echo/not-the-opener`."""
    opener = CONVERSATIONS.get(ctx.store, channel_id).opener
    if ctx.signer not in (opener, ctx.module_account(AUTHORITY)):
        raise Rejected(NOT_THE_OPENER, channel=channel_id, opener=opener)


def on_close_confirm(_ctx: Ctx, _port_id: str, _channel_id: str) -> None:
    """Accept that the other end is closed."""


class Talk(msgspec.Struct, frozen=True):
    """One channel's conversation as readers see it."""

    channel: str
    conversation: Conversation
    unanswered: tuple[int, ...]
    """Sequences that wait for `echo/Answer`."""


def query_conversations(view: View) -> tuple[Talk, ...]:
    """List all conversations."""
    return tuple(
        Talk(channel, talk, tuple(int(number) for (number,), _ in UNANSWERED.items(view.store, channel)))
        for (channel,), talk in CONVERSATIONS.items(view.store)
    )


def words_are_accounted_for(view: View) -> None:
    """Check that every text is answered, refused, given back or on its way.

    Raises:
        InvariantViolated: a count is wrong.
    """
    for (channel,), talk in CONVERSATIONS.items(view.store):
        under_way = _under_way(view.store, channel)
        if talk.said != talk.answered + talk.refused + talk.timed_out + under_way:
            raise InvariantViolated(f"{channel} has said {talk.said}, {under_way} under way: {talk}")


def order_is_kept(view: View) -> None:
    """Check that nothing was heard out of order on an ordered channel.

    Raises:
        InvariantViolated: something was.
    """
    for (channel,), talk in CONVERSATIONS.items(view.store):
        if talk.out_of_order and CHANNELS.get(view.store, PORT, channel).ordering == ORDER_ORDERED:
            raise InvariantViolated(f"{channel} is ordered, and heard {talk.out_of_order} out of order")


def _under_way(store: Reader, channel: str) -> int:
    return sum(1 for _ in store.scan(ibc_packet.COMMITMENTS.key(PORT, channel, "")))


ECHO: Module[None] = Module(
    "echo",
    handlers={Say: say, Answer: answer},
    ports={
        PORT: Port(
            on_open_init=on_open_init,
            on_open_try=on_open_try,
            on_open_ack=on_open_ack,
            on_open_confirm=on_open_confirm,
            on_close_init=on_close_init,
            on_close_confirm=on_close_confirm,
            on_receive=on_receive,
            on_acknowledge=on_acknowledge,
            on_timeout=on_timeout,
        )
    },
    queries={"conversations": query_conversations},
    laws={"every word is accounted for": words_are_accounted_for, "order is kept": order_is_kept},
    stores=("echo",),
)
"""Words of this chain on others, and theirs here."""
