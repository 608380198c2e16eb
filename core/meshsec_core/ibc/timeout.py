"""ICS-04 timeouts: packets that can never be received any more are given back to whoever sent them.

A packet has timed out when a proven height or time of the destination is past its timeout and it was not received before;
or when the other end of its channel is closed. A timeout on an ordered channel breaks its order, so the channel closes;
timeouts work on closed channels too.

Source: cosmos/ibc spec/core/ics-004-channel-and-packet-semantics; ibc-go modules/core/04-channel/keeper/timeout.go.
"""

from meshsec_core.ibc import client
from meshsec_core.ibc.channel import NEXT_RECEIVE, application, close_for_timeout, get_channel, prove_closed
from meshsec_core.ibc.connection import get_connection
from meshsec_core.ibc.packet import RECEIPTS, check_packet, elapsed, emit_packet, require_counterparty, take_commitment
from meshsec_core.ibc.paths import MAX_UINT64, be64
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import ORDER_ORDERED, STATE_OPEN, Channel, ConnectionEnd, Height, Packet
from meshsec_core.runtime.module import Ctx, Handler, Msg

TIMEOUT_NOT_REACHED = "ibc/timeout-not-reached"
PACKET_RECEIVED = "ibc/packet-received"


class Timeout(Msg, frozen=True, tag="ibc/Timeout"):
    """Give a packet back, because the destination is past its timeout and never received it."""

    packet: Packet
    proof_unreceived: bytes
    """Unordered: the receipt's absence. Ordered: the destination's next sequence to receive."""
    proof_height: Height
    next_sequence_recv: int
    """What an ordered destination waits for; not looked at on unordered channels."""


class TimeoutOnClose(Msg, frozen=True, tag="ibc/TimeoutOnClose"):
    """Give a packet back, because the other end of its channel is closed and never received it."""

    packet: Packet
    proof_unreceived: bytes
    proof_close: bytes
    proof_height: Height
    next_sequence_recv: int


def timeout(ctx: Ctx, msg: Timeout) -> None:
    """Undo a packet that has passed its timeout at the destination.

    Raises:
        Rejected: `ibc/unbound-port`, `ibc/unknown-channel`, `ibc/wrong-counterparty`, `ibc/commitment-mismatch`,
            `ibc/timeout-not-reached`, `ibc/packet-received` on an ordered channel, or a proof does not hold.
    """
    channel, connection = _channel_of(ctx, msg.packet)
    if not take_commitment(ctx, msg.packet):
        return
    time = client.time_at(ctx, connection.client_id, msg.proof_height)
    if not elapsed(msg.packet, msg.proof_height, time):
        raise Rejected(TIMEOUT_NOT_REACHED, sequence=msg.packet.sequence, proof_height=str(msg.proof_height), proof_time=time)
    _give_back(ctx, msg, channel, connection)


def timeout_on_close(ctx: Ctx, msg: TimeoutOnClose) -> None:
    """Undo a packet whose channel is closed at the destination; its timeout need not have passed.

    Raises:
        Rejected: as `timeout`, without `ibc/timeout-not-reached`; or the other end is not proven to be closed.
    """
    packet = msg.packet
    channel, connection = _channel_of(ctx, packet)
    if not take_commitment(ctx, packet):
        return
    name = (packet.source_port, packet.source_channel)
    prove_closed(ctx, channel, connection, name, (msg.proof_close, msg.proof_height))
    _give_back(ctx, msg, channel, connection)


def _channel_of(ctx: Ctx, packet: Packet) -> tuple[Channel, ConnectionEnd]:
    check_packet(packet)
    application(ctx, packet.source_port)
    channel = get_channel(ctx.store, packet.source_port, packet.source_channel)
    require_counterparty(channel, packet.destination_port, packet.destination_channel)
    return channel, get_connection(ctx.store, channel.connection_hops[0])


def _give_back(ctx: Ctx, msg: Timeout | TimeoutOnClose, channel: Channel, connection: ConnectionEnd) -> None:
    """Prove that the packet was not received, close an ordered channel, and tell the application."""
    packet = msg.packet
    there = (packet.destination_port, packet.destination_channel)
    if channel.ordering == ORDER_ORDERED:
        if not 0 < msg.next_sequence_recv <= MAX_UINT64 or msg.next_sequence_recv > packet.sequence:
            raise Rejected(PACKET_RECEIVED, sequence=packet.sequence, next_sequence_recv=msg.next_sequence_recv)
        path, value = NEXT_RECEIVE.path(*there), be64(msg.next_sequence_recv)
        client.verify_value(ctx, connection, msg.proof_height, path, value, msg.proof_unreceived)
    else:
        path = RECEIPTS.path(*there, packet.sequence)
        client.verify_absence(ctx, connection, msg.proof_height, path, msg.proof_unreceived)
    emit_packet(ctx, "timeout_packet", packet, channel)
    if channel.ordering == ORDER_ORDERED and channel.state == STATE_OPEN:
        close_for_timeout(ctx, packet.source_port, packet.source_channel, channel)
    application(ctx, packet.source_port).on_timeout(ctx, packet)


HANDLERS: dict[type[Msg], Handler] = {Timeout: timeout, TimeoutOnClose: timeout_on_close}
