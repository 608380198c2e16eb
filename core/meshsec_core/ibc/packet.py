"""ICS-04 packets: send, receive, acknowledge. `timeout` is what happens to packets that never arrive.

Laws: a packet is received at most once (receipt, or the next sequence of an ordered channel); a commitment stays until the
packet is acknowledged or timed out, so exactly one of the two happens; an acknowledgement is written once. A redundant
relay changes nothing, costs a lookup, and succeeds: it is recognised before the state of the channel, a timeout or any
proof is looked at.

Source: cosmos/ibc spec/core/ics-004-channel-and-packet-semantics; ibc-go modules/core/04-channel/keeper/packet.go,
    keeper/msg_server.go.
"""

import msgspec

from meshsec_core.ibc import client
from meshsec_core.ibc.channel import (
    NEXT_ACKNOWLEDGE,
    NEXT_RECEIVE,
    NEXT_SEND,
    ORDERING_NAMES,
    application,
    get_channel,
    require_open,
)
from meshsec_core.ibc.connection import get_connection, open_connection
from meshsec_core.ibc.paths import MAX_UINT64, raw_slot
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import (
    ORDER_ORDERED,
    Channel,
    Height,
    Packet,
    ack_commitment,
    packet_commitment,
    revision_of,
)
from meshsec_core.runtime.module import Ctx, Event, Handler, Msg

BAD_PACKET = "ibc/bad-packet"
WRONG_COUNTERPARTY = "ibc/wrong-counterparty"
NO_TIMEOUT = "ibc/no-timeout"
TIMEOUT_ELAPSED = "ibc/timeout-elapsed"
OUT_OF_ORDER = "ibc/out-of-order"
COMMITMENT_MISMATCH = "ibc/commitment-mismatch"
ACKNOWLEDGEMENT_EXISTS = "ibc/acknowledgement-exists"
UNREADABLE_ACKNOWLEDGEMENT = "ibc/unreadable-acknowledgement"
EMPTY_ACKNOWLEDGEMENT = "ibc/empty-acknowledgement"

MAX_DATA_BYTES = 262_144
DEFAULT_TIMEOUT = 600 * SECOND
"""From the block time of the sending chain, if whoever sends names no timeout."""
RECEIPT = b"\x01"
CALLBACK_ERROR = "ibccallbackerror-"
"""Put before the type of events that a refused callback had emitted: it happened, and was undone."""

COMMITMENTS = raw_slot("commitments/ports/{}/channels/{}/sequences/{}")
RECEIPTS = raw_slot("receipts/ports/{}/channels/{}/sequences/{}")
ACKNOWLEDGEMENTS = raw_slot("acks/ports/{}/channels/{}/sequences/{}")


class RecvPacket(Msg, frozen=True, tag="ibc/RecvPacket"):
    """Deliver a packet that the other chain has committed to."""

    packet: Packet
    proof_commitment: bytes
    proof_height: Height


class Acknowledgement(Msg, frozen=True, tag="ibc/Acknowledgement"):
    """Bring back what the other chain answered to a packet."""

    packet: Packet
    acknowledgement: bytes
    proof_acked: bytes
    proof_height: Height


def result_acknowledgement(result: bytes) -> bytes:
    """Spell the usual acknowledgement of success."""
    return codec.encode({"result": result})


def error_acknowledgement(code: str) -> bytes:
    """Spell the usual acknowledgement of refusal; the code is all it says, so that every node writes the same bytes."""
    return codec.encode({"error": code})


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    result: bytes | None = None
    error: str | None = None


_read_answer = msgspec.json.Decoder(_Answer).decode


def refusal_in(acknowledgement: bytes) -> str | None:
    """Return what a usual acknowledgement refuses with, or None if it reports success. What cannot be read refuses."""
    try:
        answer = _read_answer(acknowledgement)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return UNREADABLE_ACKNOWLEDGEMENT
    if answer.error is None and answer.result is not None:
        return None
    return answer.error or UNREADABLE_ACKNOWLEDGEMENT


def elapsed(packet: Packet, height: Height, time: int) -> bool:
    """Tell whether a packet's timeout has been reached at a height and time (nanoseconds) of its destination."""
    by_height = not packet.timeout_height.is_zero and height >= packet.timeout_height
    return by_height or 0 < packet.timeout_timestamp <= time


def timeout_time(ctx: Ctx, height: Height, time: int, wait: int) -> int:
    """Return the time at which a packet is to time out: the one that is named, or a wait from now; 0 if only a height is named.

    Args:
        ctx: the sending chain's; its block time stands for the destination's, which is close.
        height: timeout height of the destination, zero for none.
        time: nanoseconds, 0 for none.
        wait: nanoseconds from now, 0 for none; ten minutes if nothing is named at all.
    """
    if time or (wait == 0 and not height.is_zero):
        return time
    return ctx.time + (wait or DEFAULT_TIMEOUT)


def check_packet(packet: Packet) -> None:
    """Refuse numbers and data that no packet has.

    Raises:
        Rejected: `ibc/bad-packet`, `ibc/no-timeout`.
    """
    timeout = packet.timeout_height
    numbers = (packet.sequence, timeout.revision, timeout.height, packet.timeout_timestamp)
    if not all(0 <= number <= MAX_UINT64 for number in numbers) or packet.sequence == 0:
        raise Rejected(BAD_PACKET, sequence=packet.sequence)
    if not 1 <= len(packet.data) <= MAX_DATA_BYTES:
        raise Rejected(BAD_PACKET, bytes=len(packet.data), limit=MAX_DATA_BYTES)
    if timeout.is_zero and packet.timeout_timestamp == 0:
        raise Rejected(NO_TIMEOUT)


def send_packet(ctx: Ctx, port_id: str, channel_id: str, data: bytes, timeout_height: Height, timeout_timestamp: int) -> int:
    """Commit to a packet and return its sequence. Only the application that is bound to the port may call this.

    Raises:
        Rejected: `ibc/unknown-channel`, `ibc/channel-not-open`, the client is not active, `ibc/no-timeout`,
            `ibc/bad-packet`, or `ibc/timeout-elapsed` if the destination, as the client knows it, is past the timeout.
    """
    channel = get_channel(ctx.store, port_id, channel_id)
    require_open(channel, port_id, channel_id)
    connection = get_connection(ctx.store, channel.connection_hops[0])
    there = channel.counterparty
    sequence = NEXT_SEND.get(ctx.store, port_id, channel_id)
    packet = Packet(sequence, port_id, channel_id, there.port_id, there.channel_id, data, timeout_height, timeout_timestamp)
    check_packet(packet)
    height, time = client.require_active(ctx, connection.client_id)
    if elapsed(packet, height, time):
        raise Rejected(TIMEOUT_ELAPSED, client_height=str(height), client_time=time)
    NEXT_SEND.put(ctx.store, port_id, channel_id, sequence + 1)
    COMMITMENTS.put(ctx.store, port_id, channel_id, sequence, packet_commitment(packet))
    emit_packet(ctx, "send_packet", packet, channel)
    return sequence


def already_received(store: Reader, packet: Packet, channel: Channel) -> bool:
    """Tell whether receiving a packet once more would change nothing."""
    port_id, channel_id = packet.destination_port, packet.destination_channel
    if channel.ordering == ORDER_ORDERED:
        return packet.sequence < NEXT_RECEIVE.get(store, port_id, channel_id)
    return RECEIPTS.has(store, port_id, channel_id, packet.sequence)


def recv_packet(ctx: Ctx, msg: RecvPacket) -> None:
    """Receive a packet and write the application's acknowledgement.

    What the application refuses becomes an error acknowledgement: its writes are undone, receipt and acknowledgement stay.

    Raises:
        Rejected: `ibc/unbound-port`, `ibc/unknown-channel`, `ibc/wrong-counterparty`, `ibc/channel-not-open`,
            `ibc/connection-not-open`, `ibc/timeout-elapsed` by this chain's height or time, `ibc/out-of-order` on an
            ordered channel, or the proof does not hold.
    """
    packet = msg.packet
    check_packet(packet)
    port_id, channel_id = packet.destination_port, packet.destination_channel
    port = application(ctx, port_id)
    channel = get_channel(ctx.store, port_id, channel_id)
    require_counterparty(channel, packet.source_port, packet.source_channel)
    if already_received(ctx.store, packet, channel):
        return
    require_open(channel, port_id, channel_id)
    connection = open_connection(ctx.store, channel.connection_hops[0])
    if elapsed(packet, Height(revision_of(ctx.chain_id), ctx.height), ctx.time):
        raise Rejected(TIMEOUT_ELAPSED, sequence=packet.sequence, height=ctx.height, time=ctx.time)
    path = COMMITMENTS.path(packet.source_port, packet.source_channel, packet.sequence)
    client.verify_value(ctx, connection, msg.proof_height, path, packet_commitment(packet), msg.proof_commitment)
    if channel.ordering == ORDER_ORDERED:
        _take_turn(ctx, packet)
    else:
        RECEIPTS.put(ctx.store, port_id, channel_id, packet.sequence, RECEIPT)
    emit_packet(ctx, "recv_packet", packet, channel)
    inner: Ctx | None = None
    try:
        with ctx.branch() as inner:
            answer = port.on_receive(inner, packet)
    except Rejected as refusal:
        answer = error_acknowledgement(refusal.code)
        undone = inner.events if inner is not None else ()
        ctx.events.extend(Event(CALLBACK_ERROR + event.type, event.attributes) for event in undone)
    if answer:
        write_acknowledgement(ctx, packet, answer)


def _take_turn(ctx: Ctx, packet: Packet) -> None:
    expected = NEXT_RECEIVE.get(ctx.store, packet.destination_port, packet.destination_channel)
    if packet.sequence != expected:
        raise Rejected(OUT_OF_ORDER, sequence=packet.sequence, expected=expected)
    NEXT_RECEIVE.put(ctx.store, packet.destination_port, packet.destination_channel, expected + 1)


def write_acknowledgement(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Commit to the answer to a received packet; an application that answered with nothing calls this later.

    Raises:
        Rejected: `ibc/empty-acknowledgement`, `ibc/acknowledgement-exists`, `ibc/unknown-channel`, `ibc/channel-not-open`.
    """
    port_id, channel_id = packet.destination_port, packet.destination_channel
    channel = get_channel(ctx.store, port_id, channel_id)
    require_open(channel, port_id, channel_id)
    if not acknowledgement:
        raise Rejected(EMPTY_ACKNOWLEDGEMENT, sequence=packet.sequence)
    if ACKNOWLEDGEMENTS.has(ctx.store, port_id, channel_id, packet.sequence):
        raise Rejected(ACKNOWLEDGEMENT_EXISTS, sequence=packet.sequence)
    ACKNOWLEDGEMENTS.put(ctx.store, port_id, channel_id, packet.sequence, ack_commitment(acknowledgement))
    emit_packet(ctx, "write_acknowledgement", packet, channel, acknowledgement)


def acknowledgement(ctx: Ctx, msg: Acknowledgement) -> None:
    """Close the account of a packet that was received, and tell the application the answer.

    Raises:
        Rejected: `ibc/unbound-port`, `ibc/unknown-channel`, `ibc/wrong-counterparty`, `ibc/channel-not-open`,
            `ibc/connection-not-open`, `ibc/commitment-mismatch`, `ibc/out-of-order` on an ordered channel, or the proof
            does not hold.
    """
    packet = msg.packet
    check_packet(packet)
    port_id, channel_id = packet.source_port, packet.source_channel
    port = application(ctx, port_id)
    channel = get_channel(ctx.store, port_id, channel_id)
    require_counterparty(channel, packet.destination_port, packet.destination_channel)
    if not take_commitment(ctx, packet):
        return
    require_open(channel, port_id, channel_id)
    connection = open_connection(ctx.store, channel.connection_hops[0])
    path = ACKNOWLEDGEMENTS.path(packet.destination_port, packet.destination_channel, packet.sequence)
    client.verify_value(ctx, connection, msg.proof_height, path, ack_commitment(msg.acknowledgement), msg.proof_acked)
    if channel.ordering == ORDER_ORDERED:
        expected = NEXT_ACKNOWLEDGE.get(ctx.store, port_id, channel_id)
        if packet.sequence != expected:
            raise Rejected(OUT_OF_ORDER, sequence=packet.sequence, expected=expected)
        NEXT_ACKNOWLEDGE.put(ctx.store, port_id, channel_id, expected + 1)
    emit_packet(ctx, "acknowledge_packet", packet, channel)
    port.on_acknowledge(ctx, packet, msg.acknowledgement)


def take_commitment(ctx: Ctx, packet: Packet) -> bool:
    """Delete a sent packet's commitment; False if it is gone already, because the packet was acknowledged or timed out.

    Raises:
        Rejected: `ibc/commitment-mismatch` if another packet was sent under this sequence.
    """
    stored = COMMITMENTS.find(ctx.store, packet.source_port, packet.source_channel, packet.sequence)
    if stored is None:
        return False
    if stored != packet_commitment(packet):
        raise Rejected(COMMITMENT_MISMATCH, sequence=packet.sequence)
    COMMITMENTS.delete(ctx.store, packet.source_port, packet.source_channel, packet.sequence)
    return True


def require_counterparty(channel: Channel, port_id: str, channel_id: str) -> None:
    """Refuse a packet whose other end is not the channel's: `ibc/wrong-counterparty`."""
    there = channel.counterparty
    if there.port_id != port_id or there.channel_id != channel_id:
        raise Rejected(WRONG_COUNTERPARTY, port=port_id[:128], channel=channel_id[:100])


def emit_packet(ctx: Ctx, kind: str, packet: Packet, channel: Channel, acknowledgement: bytes = b"") -> None:
    """Record what became of a packet. Data and acknowledgements live nowhere else: state holds only their hashes."""
    connection_id = channel.connection_hops[0]
    attributes = {
        "packet_data_hex": packet.data.hex(),
        "packet_timeout_height": str(packet.timeout_height),
        "packet_timeout_timestamp": str(packet.timeout_timestamp),
        "packet_sequence": str(packet.sequence),
        "packet_src_port": packet.source_port,
        "packet_src_channel": packet.source_channel,
        "packet_dst_port": packet.destination_port,
        "packet_dst_channel": packet.destination_channel,
        "packet_channel_ordering": ORDERING_NAMES[channel.ordering],
        "packet_connection": connection_id,
        "connection_id": connection_id,
    }
    if acknowledgement:
        attributes["packet_ack_hex"] = acknowledgement.hex()
    ctx.events.append(Event(kind, tuple(attributes.items())))
    ctx.emit("message", module="ibc_channel")


HANDLERS: dict[type[Msg], Handler] = {RecvPacket: recv_packet, Acknowledgement: acknowledgement}
