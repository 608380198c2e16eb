"""Packets under way between two chains, known from their events alone.

A packet is in the book from the moment it is seen (sent, or answered) until its sender has its answer or its refusal.
Everything here can be learnt again by reading the same blocks again, in any interleaving of the two chains.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from meshsec_core.ibc.packet import elapsed
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_relayer.engine.boundary import ChannelImage, Leg
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.filtering import refusal
from meshsec_sdk.packet_filter import PacketFilter

BAD_EVENT = "relayer/bad-event"
NOT_CARRIED = "not carried by this relayer: "

PACKET_EVENTS = ("send_packet", "recv_packet", "write_acknowledgement", "acknowledge_packet", "timeout_packet")
CLOSE_EVENTS = ("channel_close", "channel_close_init", "channel_close_confirm")

REMEMBERED = 10_000
"""Settled packets whose belated events from the other chain are ignored."""


@dataclass(slots=True, eq=False)
class Channel:
    """A channel that is served: its ends by chain name, and which of them are closed."""

    ends: dict[str, tuple[str, str]]
    """Chain name to (port, channel)."""
    ordered: bool
    closed: dict[str, int] = field(default_factory=dict)
    """Chain name to the height at which its end was closed."""
    closing: bool = False
    """Whether a transaction that closes the other end is under way."""
    confirm_after: int | None = None
    """Time before which closing the other end is not tried; None until it could be."""

    def image(self, a: str, b: str) -> ChannelImage:
        """Return the durable name."""
        return ChannelImage(*self.ends[a], *self.ends[b])


@dataclass(slots=True, eq=False)
class Entry:
    """One packet under way."""

    id: str
    packet: Packet
    channel: Channel
    source: Chain
    target: Chain
    sent_at: int | None = None
    """Height of the source that sent it, once seen."""
    sent_time: int = 0
    """Header time of that block, nanoseconds; as is the other one."""
    received_at: int | None = None
    """Height of the target by which it was received, once known."""
    acknowledgement: bytes | None = None
    answered_at: int = 0
    """Height of the target that wrote the acknowledgement."""
    answered_time: int = 0
    busy: str = ""
    """What is being done with it right now; empty if nothing."""
    attempts: int = 0
    retry_at: int = 0
    """Time before which it is not tried again."""
    ready_leg: str = ""
    """The way on which it could go."""
    ready_at: int = 0
    """Since when it could, on the relayer's clock."""
    ready_time: int = 0
    """Since when, on the clock of the chain that proves it."""
    ready_height: int = 0
    """Since which height of that chain."""
    limit: int = 0
    """Most packets it may share a transaction with, after a refusal; 0 is no limit."""
    failed_leg: str = ""
    """The way on which the attempts have failed."""
    error: str = ""
    """Why the last attempt failed."""
    given_up: str = ""
    """The way on which it is not tried any more."""
    verified: bool = True
    """False while nobody has checked that the source still waits for the answer."""
    story: list[str] = field(default_factory=list)
    """What happened to it, for people."""

    @property
    def kind(self) -> str:
        """What the packet says: see `kind_of`."""
        return kind_of(self.packet.data)

    @property
    def leg(self) -> Leg | None:
        """Which way it has to go next, judged by the last known tips; None if only the target's application can move it."""
        if self.acknowledgement is not None:
            return "ack"
        if self.received_at is not None:
            return None
        if self.timed_out or self.target.name in self.channel.closed:
            return "timeout"
        return "recv"

    def began(self, leg: Leg) -> tuple[int, int] | None:
        """Return (height, time) of the block of the proving chain from which a way counts, or None if it has not begun."""
        if leg == "recv" and self.sent_at is not None:
            return self.sent_at + 1, self.sent_time
        if leg == "ack":
            return self.answered_at + 1, self.answered_time
        return (self.ready_height, self.ready_time) if self.ready_leg == leg else None

    @property
    def timed_out(self) -> bool:
        """Tell whether the target's tip is past the timeout."""
        return elapsed(self.packet, self.target.proof_height(self.target.height), self.target.time)


def packet_id(chain: str, packet: Packet) -> str:
    """Name a packet after the end that sent it."""
    return f"{chain}:{packet.source_port}:{packet.source_channel}:{packet.sequence}"


class _Transfer(msgspec.Struct):
    denom: str
    amount: str
    sender: str
    receiver: str


class _Tagged(msgspec.Struct):
    type: str = msgspec.field(name="@type")


def kind_of(data: bytes) -> str:
    """Return what a packet's data calls itself, in lower case: `transfer`, `stake`, …; empty if it does not say."""
    try:
        tag = msgspec.json.decode(data, type=_Tagged).type
        return tag.rpartition("/")[2].lower()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        msgspec.json.decode(data, type=_Transfer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return "transfer"


def packet_of(attributes: Mapping[str, str]) -> Packet:
    """Read the packet that an event tells of.

    Raises:
        Rejected: `relayer/bad-event`.
    """
    try:
        return Packet(
            int(attributes["packet_sequence"]),
            attributes["packet_src_port"],
            attributes["packet_src_channel"],
            attributes["packet_dst_port"],
            attributes["packet_dst_channel"],
            bytes.fromhex(attributes["packet_data_hex"]),
            Height.parse(attributes["packet_timeout_height"]),
            int(attributes["packet_timeout_timestamp"]),
        )
    except (KeyError, ValueError, Rejected) as error:
        raise Rejected(BAD_EVENT, detail=str(error)[:200]) from None


def end_of(kind: str, attributes: Mapping[str, str]) -> tuple[str, str]:
    """Return the end, on the chain that emitted an event, of the channel the event is about: (port, channel)."""
    if kind in CLOSE_EVENTS:
        return attributes.get("port_id", ""), attributes.get("channel_id", "")
    side = "dst" if kind in ("recv_packet", "write_acknowledgement") else "src"
    return attributes.get(f"packet_{side}_port", ""), attributes.get(f"packet_{side}_channel", "")


class News(msgspec.Struct, frozen=True):
    """An event about a channel, with the block that holds it."""

    height: int
    time: int
    """Header time of the block, nanoseconds."""
    kind: str
    attributes: Mapping[str, str]

    @property
    def end(self) -> tuple[str, str]:
        """The end of the channel on the chain that emitted it: (port, channel)."""
        return end_of(self.kind, self.attributes)


class Book:
    """The packets under way on one path."""

    def __init__(self, a: Chain, b: Chain, settled: Callable[[Entry, str], None]) -> None:
        self.chains = {a.name: a, b.name: b}
        self.channels: dict[tuple[str, str, str], Channel] = {}
        """(chain, port, channel) to channel."""
        self.entries: dict[str, Entry] = {}
        self.filter = PacketFilter()
        self._recent: dict[str, None] = {}
        self._settled = settled

    def serve(self, channel: Channel) -> None:
        """Carry the packets of a channel from now on."""
        for chain, end in channel.ends.items():
            self.channels[(chain, *end)] = channel

    def served(self) -> tuple[Channel, ...]:
        """Return the channels, each once."""
        found: list[Channel] = []
        for channel in self.channels.values():
            if channel not in found:
                found.append(channel)
        return tuple(found)

    def apply(self, chain: Chain, news: News) -> None:
        """Take in one event of a chain about a channel that is served.

        Raises:
            Rejected: `relayer/bad-event`; nothing has changed.
        """
        height, kind, attributes = news.height, news.kind, news.attributes
        channel = self.channels[(chain.name, *news.end)]
        if kind in CLOSE_EVENTS:
            channel.closed.setdefault(chain.name, height)
            return
        packet = packet_of(attributes)
        answered = _bytes(attributes.get("packet_ack_hex", ""))
        sender = self._sender(chain, kind)
        if packet_id(sender.name, packet) in self._recent:
            return
        if why := refusal(self.filter, sender.name, packet, kind_of(packet.data)):
            self.settle(self._entry(packet, channel, sender, self._other(sender)), NOT_CARRIED + why)
            return
        match kind:
            case "send_packet":
                entry = self._entry(packet, channel, chain, self._other(chain))
                entry.sent_at, entry.sent_time = height, news.time
                entry.verified = True
                entry.story.append(f"sent by {chain.name} in block {height}")
            case "recv_packet":
                entry = self._entry(packet, channel, self._other(chain), chain)
                entry.received_at = height
                entry.story.append(f"received by {chain.name} in block {height}")
            case "write_acknowledgement":
                entry = self._entry(packet, channel, self._other(chain), chain)
                entry.received_at = entry.received_at or height
                entry.acknowledgement = answered
                entry.answered_at, entry.answered_time = height, news.time
                entry.story.append(f"answered by {chain.name} in block {height}")
            case _:
                found = self.entries.get(packet_id(chain.name, packet))
                if found is not None:
                    how = "acknowledged" if kind == "acknowledge_packet" else "timed out"
                    self.settle(found, f"{how} on {chain.name} in block {height}")

    def settle(self, entry: Entry, how: str) -> None:
        """Close the account of a packet."""
        if self.entries.pop(entry.id, None) is not None:
            entry.story.append(how)
            if len(self._recent) >= REMEMBERED:
                self._recent = dict.fromkeys(list(self._recent)[REMEMBERED // 2 :])  # the newer half, rounded up
            self._recent[entry.id] = None
            self._settled(entry, how)

    def lowest(self, chain: str) -> int | None:
        """Return the lowest block of a chain that tells of a packet under way, or None."""
        heights = [entry.sent_at for entry in self.entries.values() if entry.source.name == chain and entry.sent_at]
        heights += [entry.answered_at for entry in self.entries.values() if entry.target.name == chain and entry.answered_at]
        half_closed = [channel.closed for channel in self.served() if len(channel.closed) == 1]
        heights += [height for closed in half_closed for name, height in closed.items() if name == chain]
        return min(heights, default=None)

    def _entry(self, packet: Packet, channel: Channel, source: Chain, target: Chain) -> Entry:
        name = packet_id(source.name, packet)
        entry = self.entries.get(name)
        if entry is None:
            entry = self.entries[name] = Entry(name, packet, channel, source, target, verified=False)
        return entry

    def _sender(self, chain: Chain, kind: str) -> Chain:
        return self._other(chain) if kind in ("recv_packet", "write_acknowledgement") else chain

    def _other(self, chain: Chain) -> Chain:
        return next(other for name, other in self.chains.items() if name != chain.name)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Rejected(BAD_EVENT, detail="packet_ack_hex") from None
