"""What relayers and readers ask of IBC: clients, connections, channels, and packets on their way."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from meshsec_core.ibc import client, tendermint
from meshsec_core.ibc.channel import (
    CHANNELS,
    NEXT_ACKNOWLEDGE,
    NEXT_RECEIVE,
    NEXT_SEND,
    ORDERING_NAMES,
    client_of,
    get_channel,
)
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES
from meshsec_core.ibc.connection import CONNECTIONS, get_connection
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS
from meshsec_core.ibc.paths import Slot
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.wire.ibc import (
    ORDER_ORDERED,
    STATE_CLOSED,
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    Channel,
    ConnectionEnd,
    Height,
)
from meshsec_core.runtime.module import Query, View

BAD_SEQUENCES = "ibc/bad-sequences"

T = TypeVar("T")

MAX_LISTED = 1_000
"""Packets in one answer."""

STATE_NAMES = {STATE_INIT: "INIT", STATE_TRYOPEN: "TRYOPEN", STATE_OPEN: "OPEN", STATE_CLOSED: "CLOSED"}


class ClientView(msgspec.Struct, frozen=True):
    """A light client."""

    client_id: str
    chain_id: str
    status: str
    latest_height: Height
    latest_time: int
    """Nanoseconds; 0 if the latest consensus state is gone."""
    expires: int
    """When the client expires if it learns nothing more, in nanoseconds of this chain's block time."""
    trusting_period: int
    trust_level: str
    """The part of trusted power that must have signed a header, such as `1/3`."""
    oldest_height: Height
    """The least height that is still known."""


class HeightView(msgspec.Struct, frozen=True):
    """What a client knows of one height of its chain."""

    height: Height
    time: int
    """Nanoseconds."""
    root: bytes
    """Root of the state after the block before."""
    next_validators_hash: bytes


class ConnectionView(msgspec.Struct, frozen=True):
    """One end of a connection."""

    connection_id: str
    client_id: str
    chain_id: str
    """The chain at the other end, as the client knows it."""
    state: str
    orderings: tuple[str, ...]
    """What channels over it may be; of the first version, if several are on offer."""
    counterparty_client_id: str
    counterparty_connection_id: str


class ChannelView(msgspec.Struct, frozen=True):
    """One end of a channel."""

    port_id: str
    channel_id: str
    state: str
    ordering: str
    version: str
    connection_id: str
    client_id: str
    chain_id: str
    counterparty_port_id: str
    counterparty_channel_id: str
    next_sequence_send: int
    next_sequence_recv: int
    next_sequence_ack: int


class PacketsView(msgspec.Struct, frozen=True):
    """Packets that were sent over a channel and neither acknowledged nor timed out."""

    port_id: str
    channel_id: str
    sequences: tuple[int, ...]
    """Ascending; at most 1,000."""


def query_clients(view: View) -> tuple[ClientView, ...]:
    """List all clients."""
    return tuple(_client(view, client_id) for client_id in _names(view.store, CLIENTS))


def query_client(view: View, client_id: str) -> ClientView:
    """Show one client: `ibc/unknown-client`."""
    return _client(view, client_id)


def query_heights(view: View, client_id: str, after: str = "0-0") -> tuple[HeightView, ...]:
    """List what a client knows beyond a height such as `1-200`, ascending, at most 1,000 heights.

    Raises:
        Rejected: `ibc/unknown-client`, `wire/bad-height`.
    """
    client.get_client(view.store, client_id)
    found = client.known_heights(view.store, client_id, Height.parse(after))
    known = ((height, client.consensus_state(view.store, client_id, height)) for height, _ in islice(found, MAX_LISTED))
    return tuple(HeightView(height, state.timestamp, state.root, state.next_validators_hash) for height, state in known)


def query_connection(view: View, connection_id: str) -> ConnectionView:
    """Show one connection: `ibc/unknown-connection`."""
    return _connection(view, connection_id, get_connection(view.store, connection_id))


def query_connections(view: View) -> tuple[ConnectionView, ...]:
    """List all connections."""
    ends = ((name, CONNECTIONS.get(view.store, name)) for name in _names(view.store, CONNECTIONS))
    return tuple(_connection(view, connection_id, end) for connection_id, end in ends)


def query_channels(view: View) -> tuple[ChannelView, ...]:
    """List all channels."""
    found = []
    for key, _ in view.store.scan(CHANNELS.key("", "")[: -len("/channels/")]):
        *_, port_id, _, channel_id = key.split("/")
        found.append(_channel(view, port_id, channel_id))
    return tuple(found)


def query_channel(view: View, port_id: str, channel_id: str) -> ChannelView:
    """Show one channel: `ibc/unknown-channel`."""
    return _channel(view, port_id, channel_id)


def query_packets(view: View, port_id: str, channel_id: str) -> PacketsView:
    """List packets that were sent and are not settled: `ibc/unknown-channel`."""
    get_channel(view.store, port_id, channel_id)
    prefix = COMMITMENTS.key(port_id, channel_id, "")
    sequences = sorted(int(key[len(prefix) :]) for key, _ in view.store.scan(prefix))
    return PacketsView(port_id, channel_id, tuple(sequences[:MAX_LISTED]))


def query_unreceived(view: View, port_id: str, channel_id: str, sequences: str) -> PacketsView:
    """Say which of the counterparty's packets (sequences separated by commas) did not arrive at this end of the channel.

    Raises:
        Rejected: `ibc/unknown-channel`, `ibc/bad-sequences`.
    """
    channel = get_channel(view.store, port_id, channel_id)
    if channel.ordering == ORDER_ORDERED:
        expected = NEXT_RECEIVE.get(view.store, port_id, channel_id)
        missing = tuple(number for number in _read_sequences(sequences) if number >= expected)
    else:
        asked = _read_sequences(sequences)
        missing = tuple(number for number in asked if not RECEIPTS.has(view.store, port_id, channel_id, number))
    return PacketsView(port_id, channel_id, missing)


def query_unacknowledged(view: View, port_id: str, channel_id: str, sequences: str) -> PacketsView:
    """Say which of the packets that this end sent (sequences separated by commas) still wait for their acknowledgement.

    Raises:
        Rejected: `ibc/unknown-channel`, `ibc/bad-sequences`.
    """
    get_channel(view.store, port_id, channel_id)
    asked = _read_sequences(sequences)
    waiting = tuple(number for number in asked if COMMITMENTS.has(view.store, port_id, channel_id, number))
    return PacketsView(port_id, channel_id, waiting)


def query_acknowledged(view: View, port_id: str, channel_id: str, sequences: str) -> PacketsView:
    """Say which of the counterparty's packets (sequences separated by commas) this end has answered.

    Raises:
        Rejected: `ibc/unknown-channel`, `ibc/bad-sequences`.
    """
    get_channel(view.store, port_id, channel_id)
    asked = _read_sequences(sequences)
    answered = tuple(number for number in asked if ACKNOWLEDGEMENTS.has(view.store, port_id, channel_id, number))
    return PacketsView(port_id, channel_id, answered)


def _read_sequences(text: str) -> tuple[int, ...]:
    words = text.split(",")
    if len(words) > MAX_LISTED or not all(word.isascii() and word.isdigit() and len(word) <= 20 for word in words):
        raise Rejected(BAD_SEQUENCES, sequences=text[:100], limit=MAX_LISTED)
    return tuple(map(int, words))


def _names(store: Reader, slot: Slot[T]) -> Iterator[str]:
    """Yield the identifiers under which a slot with one gap holds values."""
    start, end = slot.key("\0").split("\0")
    for key, _ in store.scan(start):
        name = key[len(start) : len(key) - len(end)]
        if key.endswith(end) and "/" not in name:
            yield name


def _client(view: View, client_id: str) -> ClientView:
    state = client.get_client(view.store, client_id)
    latest = CONSENSUS_STATES.find(view.store, client_id, state.latest_height)
    return ClientView(
        client_id,
        state.chain_id,
        tendermint.status(state, latest, view.time).value,
        state.latest_height,
        latest.timestamp if latest else 0,
        tendermint.expiry(state, latest) if latest else 0,
        state.trusting_period,
        f"{state.trust_level.numerator}/{state.trust_level.denominator}",
        next(client.known_heights(view.store, client_id))[0],
    )


def _connection(view: View, connection_id: str, end: ConnectionEnd) -> ConnectionView:
    return ConnectionView(
        connection_id,
        end.client_id,
        client.client_chain_id(view.store, end.client_id),
        STATE_NAMES[end.state],
        end.versions[0].features,
        end.counterparty.client_id,
        end.counterparty.connection_id,
    )


def _channel(view: View, port_id: str, channel_id: str) -> ChannelView:
    end: Channel = get_channel(view.store, port_id, channel_id)
    client_id = client_of(view.store, port_id, channel_id)
    return ChannelView(
        port_id,
        channel_id,
        STATE_NAMES[end.state],
        ORDERING_NAMES[end.ordering],
        end.version,
        end.connection_hops[0],
        client_id,
        client.client_chain_id(view.store, client_id),
        end.counterparty.port_id,
        end.counterparty.channel_id,
        NEXT_SEND.get(view.store, port_id, channel_id),
        NEXT_RECEIVE.get(view.store, port_id, channel_id),
        NEXT_ACKNOWLEDGE.get(view.store, port_id, channel_id),
    )


QUERIES: dict[str, Query] = {
    "clients": query_clients,
    "client": query_client,
    "heights": query_heights,
    "connection": query_connection,
    "connections": query_connections,
    "channels": query_channels,
    "channel": query_channel,
    "packets": query_packets,
    "unreceived": query_unreceived,
    "unacknowledged": query_unacknowledged,
    "acknowledged": query_acknowledged,
}
