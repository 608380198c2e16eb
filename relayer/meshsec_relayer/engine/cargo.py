"""What a lane carries: for each kind of item, what must be proven on the one chain and what is then told the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from meshsec_core.ibc.channel import CHANNELS, NEXT_RECEIVE, ChannelCloseConfirm
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS, Acknowledgement, RecvPacket
from meshsec_core.ibc.timeout import Timeout, TimeoutOnClose
from meshsec_core.kernel.wire.ibc import Height, packet_commitment
from meshsec_core.runtime.module import Msg
from meshsec_relayer.engine.answers import EventAnswer
from meshsec_relayer.engine.boundary import Leg
from meshsec_relayer.engine.packets import Channel, Entry
from meshsec_relayer.engine.proofs import Proven

MESSAGE_OVERHEAD = 3_000
"""Bytes that a message takes beside the packet's data: two-level proof, names and JSON; an estimate."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A packet on one of its ways."""

    entry: Entry
    leg: Leg
    on_close: bool = False
    """For timeouts: because the other end is closed, not because time ran out."""

    @property
    def provable_from(self) -> int:
        """The lowest header height that can prove it, as far as what happened in a block decides."""
        match self.leg:
            case "recv":
                return (self.entry.sent_at or 0) + 1
            case "ack":
                return self.entry.answered_at + 1
            case "timeout":
                closed = self.entry.channel.closed.get(self.entry.target.name, 0) if self.on_close else 0
                return max(closed, self.entry.received_at or 0) + 1

    @property
    def commitment(self) -> str:
        """Where the sender keeps what it committed to, until it has its answer."""
        packet = self.entry.packet
        return COMMITMENTS.key(packet.source_port, packet.source_channel, packet.sequence)

    @property
    def size(self) -> int:
        """Estimated bytes in a transaction: base64 takes four for three, rounded down."""
        bulk = len(self.entry.packet.data) + len(self.entry.acknowledgement or b"")
        return MESSAGE_OVERHEAD + bulk * 4 // 3

    @property
    def keys(self) -> tuple[str, ...]:
        """What must be proven."""
        packet = self.entry.packet
        there = (packet.destination_port, packet.destination_channel)
        match self.leg:
            case "recv":
                return (self.commitment,)
            case "ack":
                return (ACKNOWLEDGEMENTS.key(*there, packet.sequence),)
            case "timeout":
                unreceived = NEXT_RECEIVE.key(*there) if self.entry.channel.ordered else RECEIPTS.key(*there, packet.sequence)
                return (unreceived, CHANNELS.key(*there)) if self.on_close else (unreceived,)

    def message(self, found: Mapping[str, Proven], height: Height) -> Msg | None:
        """Return what to tell the other chain, or None if the proven state shows that there is nothing to tell."""
        packet, (key, *more) = self.entry.packet, self.keys
        proven = found[key]
        match self.leg:
            case "recv":
                return RecvPacket(packet, proven.proof, height) if proven.value == packet_commitment(packet) else None
            case "ack":
                answer = self.entry.acknowledgement or b""
                return None if proven.value is None else Acknowledgement(packet, answer, proven.proof, height)
            case "timeout":
                following = int.from_bytes(proven.value or b"") if self.entry.channel.ordered else 0
                if following > packet.sequence or (proven.value is not None and not self.entry.channel.ordered):
                    return None
                if self.on_close:
                    return TimeoutOnClose(packet, proven.proof, found[more[0]].proof, height, following)
                return Timeout(packet, proven.proof, height, following)


@dataclass(frozen=True, slots=True)
class Closing:
    """A channel whose other end has to be closed too."""

    channel: Channel
    here: str
    """The chain whose end is closed."""
    there: str

    @property
    def provable_from(self) -> int:
        """The lowest header height that can prove it."""
        return self.channel.closed[self.here] + 1

    @property
    def size(self) -> int:
        """Estimated bytes in a transaction."""
        return MESSAGE_OVERHEAD

    @property
    def keys(self) -> tuple[str, ...]:
        """What must be proven."""
        return (CHANNELS.key(*self.channel.ends[self.here]),)

    def message(self, found: Mapping[str, Proven], height: Height) -> Msg | None:
        """Return what to tell the other chain."""
        return ChannelCloseConfirm(*self.channel.ends[self.there], found[self.keys[0]].proof, height)


Item = Parcel | Closing


_TOLD = {"recv": "recv_packet", "ack": "acknowledge_packet", "timeout": "timeout_packet"}


Told = tuple[str, str | None, str | None, str | None]
"""That a packet has come some way: the event's type; the packet's source port, source channel and sequence."""


def told_by(event: EventAnswer) -> Told:
    """Return what an event tells."""
    said = event.attributes
    return event.type, said.get("packet_src_port"), said.get("packet_src_channel"), said.get("packet_sequence")


def told_of(parcel: Parcel) -> Told:
    """Return what an event tells when a packet has come this way."""
    packet = parcel.entry.packet
    return _TOLD[parcel.leg], packet.source_port, packet.source_channel, str(packet.sequence)
