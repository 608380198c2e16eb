"""ICS-04 channels: where two applications meet over a connection, ordered or unordered.

A opens with INIT, B answers with TRYOPEN, A and B confirm to OPEN; CLOSED is final. Each step asks the application bound to
the port, which may refuse. `packet` and `timeout` are what flows through an open channel.

Source: cosmos/ibc spec/core/ics-004-channel-and-packet-semantics; ibc-go modules/core/04-channel and keeper/msg_server.go.
"""

from meshsec_core.ibc import client
from meshsec_core.ibc.connection import ORDERED, UNORDERED, get_connection, open_connection
from meshsec_core.ibc.paths import check_channel_id, check_port_id, message_slot, number_slot, take_number
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.wire.ibc import (
    ORDER_ORDERED,
    ORDER_UNORDERED,
    STATE_CLOSED,
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    Channel,
    ChannelCounterparty,
    ConnectionEnd,
    Height,
)
from meshsec_core.runtime.module import Ctx, Handler, Msg, Port

UNKNOWN_CHANNEL = "ibc/unknown-channel"
CHANNEL_STATE = "ibc/channel-state"
CHANNEL_NOT_OPEN = "ibc/channel-not-open"
UNBOUND_PORT = "ibc/unbound-port"
BAD_ORDERING = "ibc/bad-ordering"
ORDERING_NOT_NEGOTIATED = "ibc/ordering-not-negotiated"
BAD_VERSION = "ibc/bad-version"

ORDERINGS = {ORDERED: ORDER_ORDERED, UNORDERED: ORDER_UNORDERED}
ORDERING_NAMES = {number: name for name, number in ORDERINGS.items()}

MAX_VERSION_BYTES = 4_096
"""Longest application version that is stored."""

CHANNELS = message_slot("channelEnds/ports/{}/channels/{}", Channel)
NEXT_CHANNEL = number_slot("nextChannelSequence")
NEXT_SEND = number_slot("nextSequenceSend/ports/{}/channels/{}")
NEXT_RECEIVE = number_slot("nextSequenceRecv/ports/{}/channels/{}")
NEXT_ACKNOWLEDGE = number_slot("nextSequenceAck/ports/{}/channels/{}")


class ChannelOpenInit(Msg, frozen=True, tag="ibc/ChannelOpenInit"):
    """Propose a channel to the application behind the other chain's port."""

    port_id: str
    ordering: str
    """`ORDER_ORDERED` or `ORDER_UNORDERED`."""
    connection_id: str
    counterparty_port_id: str
    version: str = ""
    """What the applications are to speak; empty leaves it to this chain's application."""


class ChannelOpenTry(Msg, frozen=True, tag="ibc/ChannelOpenTry"):
    """Answer a proposal that the other chain has stored."""

    port_id: str
    ordering: str
    connection_id: str
    counterparty_port_id: str
    counterparty_channel_id: str
    counterparty_version: str
    proof_init: bytes
    proof_height: Height


class ChannelOpenAck(Msg, frozen=True, tag="ibc/ChannelOpenAck"):
    """Open the proposing end, because the other chain has answered."""

    port_id: str
    channel_id: str
    counterparty_channel_id: str
    counterparty_version: str
    proof_try: bytes
    proof_height: Height


class ChannelOpenConfirm(Msg, frozen=True, tag="ibc/ChannelOpenConfirm"):
    """Open the answering end, because the other chain has opened its own."""

    port_id: str
    channel_id: str
    proof_ack: bytes
    proof_height: Height


class ChannelCloseInit(Msg, frozen=True, tag="ibc/ChannelCloseInit"):
    """Close this end, if the application lets anyone do so."""

    port_id: str
    channel_id: str


class ChannelCloseConfirm(Msg, frozen=True, tag="ibc/ChannelCloseConfirm"):
    """Close this end, because the other chain has closed its own."""

    port_id: str
    channel_id: str
    proof_init: bytes
    proof_height: Height


def get_channel(store: Reader, port_id: str, channel_id: str) -> Channel:
    """Return a channel end.

    Raises:
        Rejected: `ibc/unknown-channel`.
    """
    channel = CHANNELS.find(store, port_id, channel_id)
    if channel is None:
        raise Rejected(UNKNOWN_CHANNEL, port=port_id[:128], channel=channel_id[:100])
    return channel


def client_of(store: Reader, port_id: str, channel_id: str) -> str:
    """Return the client that a channel rests on.

    Raises:
        Rejected: `ibc/unknown-channel`.
    """
    return get_connection(store, get_channel(store, port_id, channel_id).connection_hops[0]).client_id


def require_open(channel: Channel, port_id: str, channel_id: str) -> None:
    """Refuse a channel that is not OPEN: `ibc/channel-not-open`."""
    if channel.state != STATE_OPEN:
        raise Rejected(CHANNEL_NOT_OPEN, port=port_id, channel=channel_id, state=channel.state)


def application(ctx: Ctx, port_id: str) -> Port:
    """Return the application that is bound to a port.

    Raises:
        Rejected: `ibc/unbound-port`.
    """
    port = ctx.machine.ports.get(port_id)
    if port is None:
        raise Rejected(UNBOUND_PORT, port=port_id[:128])
    return port


def open_init(ctx: Ctx, msg: ChannelOpenInit) -> None:
    """Store an end in INIT. The connection need not be open yet.

    Raises:
        Rejected: `ibc/unbound-port`, `ibc/bad-ordering`, `ibc/unknown-connection`, `ibc/ordering-not-negotiated`, the
            client is not active, or the application refuses.
    """
    port = application(ctx, msg.port_id)
    check_port_id(msg.counterparty_port_id)
    connection = get_connection(ctx.store, msg.connection_id)
    ordering = _ordering(msg.ordering, connection)
    client.require_active(ctx, connection.client_id)
    channel_id = f"channel-{take_number(NEXT_CHANNEL, ctx.store)}"
    version = port.on_open_init(
        ctx, msg.ordering, msg.connection_id, msg.port_id, channel_id, msg.counterparty_port_id, msg.version
    )
    counterparty = ChannelCounterparty(msg.counterparty_port_id, "")
    channel = Channel(STATE_INIT, ordering, counterparty, (msg.connection_id,), _checked(version))
    _add(ctx, msg.port_id, channel_id, channel)
    _emit(ctx, "channel_open_init", msg.port_id, channel_id, channel)


def open_try(ctx: Ctx, msg: ChannelOpenTry) -> None:
    """Store an end in TRYOPEN, after proving the other end in INIT.

    Raises:
        Rejected: `ibc/unbound-port`, `ibc/bad-ordering`, `ibc/connection-not-open`, `ibc/ordering-not-negotiated`, a proof
            does not hold, or the application refuses.
    """
    port = application(ctx, msg.port_id)
    check_port_id(msg.counterparty_port_id)
    check_channel_id(msg.counterparty_channel_id)
    connection = open_connection(ctx.store, msg.connection_id)
    ordering = _ordering(msg.ordering, connection)
    counterparty = ChannelCounterparty(msg.counterparty_port_id, msg.counterparty_channel_id)
    own = Channel(STATE_TRYOPEN, ordering, counterparty, (msg.connection_id,), msg.counterparty_version)
    _prove(ctx, connection, own, STATE_INIT, (msg.port_id, ""), (msg.proof_init, msg.proof_height))
    channel_id = f"channel-{take_number(NEXT_CHANNEL, ctx.store)}"
    version = port.on_open_try(
        ctx,
        msg.ordering,
        msg.connection_id,
        msg.port_id,
        channel_id,
        msg.counterparty_port_id,
        msg.counterparty_channel_id,
        msg.counterparty_version,
    )
    channel = Channel(STATE_TRYOPEN, ordering, counterparty, (msg.connection_id,), _checked(version))
    _add(ctx, msg.port_id, channel_id, channel)
    _emit(ctx, "channel_open_try", msg.port_id, channel_id, channel)


def open_ack(ctx: Ctx, msg: ChannelOpenAck) -> None:
    """Move an end from INIT to OPEN, after proving the other end in TRYOPEN; the version becomes the one the other side
    chose.

    Raises:
        Rejected: `ibc/channel-state` unless the end is in INIT, `ibc/connection-not-open`, a proof does not hold, or the
            application refuses the version.
    """
    port = application(ctx, msg.port_id)
    check_channel_id(msg.counterparty_channel_id)
    channel, connection = _in_state(ctx.store, msg.port_id, msg.channel_id, STATE_INIT)
    opened = Channel(
        STATE_OPEN,
        channel.ordering,
        ChannelCounterparty(channel.counterparty.port_id, msg.counterparty_channel_id),
        channel.connection_hops,
        _checked(msg.counterparty_version),
    )
    name = (msg.port_id, msg.channel_id)
    _prove(ctx, connection, opened, STATE_TRYOPEN, name, (msg.proof_try, msg.proof_height))
    CHANNELS.put(ctx.store, msg.port_id, msg.channel_id, opened)
    _emit(ctx, "channel_open_ack", msg.port_id, msg.channel_id, opened)
    port.on_open_ack(ctx, msg.port_id, msg.channel_id, msg.counterparty_channel_id, msg.counterparty_version)


def open_confirm(ctx: Ctx, msg: ChannelOpenConfirm) -> None:
    """Move an end from TRYOPEN to OPEN, after proving the other end OPEN.

    Raises:
        Rejected: `ibc/channel-state` unless the end is in TRYOPEN, `ibc/connection-not-open`, a proof does not hold, or the
            application refuses.
    """
    port = application(ctx, msg.port_id)
    channel, connection = _in_state(ctx.store, msg.port_id, msg.channel_id, STATE_TRYOPEN)
    name = (msg.port_id, msg.channel_id)
    _prove(ctx, connection, channel, STATE_OPEN, name, (msg.proof_ack, msg.proof_height))
    opened = in_state(channel, STATE_OPEN)
    CHANNELS.put(ctx.store, msg.port_id, msg.channel_id, opened)
    _emit(ctx, "channel_open_confirm", msg.port_id, msg.channel_id, opened)
    port.on_open_confirm(ctx, msg.port_id, msg.channel_id)


def close_init(ctx: Ctx, msg: ChannelCloseInit) -> None:
    """Close an end in any state but CLOSED.

    Raises:
        Rejected: `ibc/channel-state` if it is closed already, `ibc/connection-not-open`, the client is not active, or the
            application refuses.
    """
    port = application(ctx, msg.port_id)
    channel, connection = _not_closed(ctx.store, msg.port_id, msg.channel_id)
    client.require_active(ctx, connection.client_id)
    port.on_close_init(ctx, msg.port_id, msg.channel_id)
    _close(ctx, "channel_close_init", msg.port_id, msg.channel_id, channel)


def close_confirm(ctx: Ctx, msg: ChannelCloseConfirm) -> None:
    """Close an end, after proving that the other end is CLOSED.

    Raises:
        Rejected: `ibc/channel-state` if it is closed already, `ibc/connection-not-open`, a proof does not hold, or the
            application refuses.
    """
    port = application(ctx, msg.port_id)
    channel, connection = _not_closed(ctx.store, msg.port_id, msg.channel_id)
    name = (msg.port_id, msg.channel_id)
    prove_closed(ctx, channel, connection, name, (msg.proof_init, msg.proof_height))
    port.on_close_confirm(ctx, msg.port_id, msg.channel_id)
    _close(ctx, "channel_close_confirm", msg.port_id, msg.channel_id, channel)


def prove_closed(
    ctx: Ctx, channel: Channel, connection: ConnectionEnd, name: tuple[str, str], proof_at: tuple[bytes, Height]
) -> None:
    """Check a proof that the other end of the channel called `name` (port, channel) is CLOSED; `proof_at` is (proof, height)."""
    _prove(ctx, connection, channel, STATE_CLOSED, name, proof_at)


def close_for_timeout(ctx: Ctx, port_id: str, channel_id: str, channel: Channel) -> None:
    """Close an ordered channel whose order a timeout has broken."""
    _close(ctx, "channel_close", port_id, channel_id, channel)


def in_state(channel: Channel, state: int) -> Channel:
    """Return the same end in another state."""
    return Channel(state, channel.ordering, channel.counterparty, channel.connection_hops, channel.version)


def _close(ctx: Ctx, kind: str, port_id: str, channel_id: str, channel: Channel) -> None:
    closed = in_state(channel, STATE_CLOSED)
    CHANNELS.put(ctx.store, port_id, channel_id, closed)
    _emit(ctx, kind, port_id, channel_id, closed)


def _in_state(store: Reader, port_id: str, channel_id: str, state: int) -> tuple[Channel, ConnectionEnd]:
    channel = get_channel(store, port_id, channel_id)
    if channel.state != state:
        raise Rejected(CHANNEL_STATE, port=port_id, channel=channel_id, state=channel.state, expected=state)
    return channel, open_connection(store, channel.connection_hops[0])


def _not_closed(store: Reader, port_id: str, channel_id: str) -> tuple[Channel, ConnectionEnd]:
    channel = get_channel(store, port_id, channel_id)
    if channel.state == STATE_CLOSED:
        raise Rejected(CHANNEL_STATE, port=port_id, channel=channel_id, state=channel.state)
    return channel, open_connection(store, channel.connection_hops[0])


def _ordering(name: str, connection: ConnectionEnd) -> int:
    ordering = ORDERINGS.get(name)
    if ordering is None:
        raise Rejected(BAD_ORDERING, ordering=name[:100])
    if len(connection.versions) != 1 or name not in connection.versions[0].features:
        raise Rejected(ORDERING_NOT_NEGOTIATED, ordering=name)
    return ordering


def _checked(version: str) -> str:
    if len(version.encode()) > MAX_VERSION_BYTES:
        raise Rejected(BAD_VERSION, bytes=len(version.encode()), limit=MAX_VERSION_BYTES)
    return version


def _prove(
    ctx: Ctx, connection: ConnectionEnd, own: Channel, state: int, name: tuple[str, str], proof_at: tuple[bytes, Height]
) -> None:
    """Check that the other end of `own`, which is called `name` (port, channel) here, is in a state and fits in all else."""
    hops = (connection.counterparty.connection_id,)
    theirs = Channel(state, own.ordering, ChannelCounterparty(*name), hops, own.version)
    path = CHANNELS.path(own.counterparty.port_id, own.counterparty.channel_id)
    proof, height = proof_at
    client.verify_value(ctx, connection, height, path, CHANNELS.encode(theirs), proof)


def _add(ctx: Ctx, port_id: str, channel_id: str, channel: Channel) -> None:
    CHANNELS.put(ctx.store, port_id, channel_id, channel)
    for counter in (NEXT_SEND, NEXT_RECEIVE, NEXT_ACKNOWLEDGE):
        counter.put(ctx.store, port_id, channel_id, 1)


def _emit(ctx: Ctx, kind: str, port_id: str, channel_id: str, channel: Channel) -> None:
    ctx.emit(
        kind,
        port_id=port_id,
        channel_id=channel_id,
        counterparty_port_id=channel.counterparty.port_id,
        counterparty_channel_id=channel.counterparty.channel_id,
        connection_id=channel.connection_hops[0],
        version=channel.version,
    )
    ctx.emit("message", module="ibc_channel")


HANDLERS: dict[type[Msg], Handler] = {
    ChannelOpenInit: open_init,
    ChannelOpenTry: open_try,
    ChannelOpenAck: open_ack,
    ChannelOpenConfirm: open_confirm,
    ChannelCloseInit: close_init,
    ChannelCloseConfirm: close_confirm,
}
