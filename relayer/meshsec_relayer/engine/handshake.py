"""Which messages bring a connection or a channel one step further, judged by the two ends as they are stored.

The answer depends on the ends alone, so a handshake that somebody left half-way is simply continued, and one that is finished
asks for nothing.

Source: ICS-03 and ICS-04 opening handshakes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from meshsec_core.ibc.channel import (
    CHANNELS,
    ORDERING_NAMES,
    ChannelOpenAck,
    ChannelOpenConfirm,
    ChannelOpenInit,
    ChannelOpenTry,
)
from meshsec_core.ibc.connection import (
    CONNECTIONS,
    ConnectionOpenAck,
    ConnectionOpenConfirm,
    ConnectionOpenInit,
    ConnectionOpenTry,
)
from meshsec_core.kernel.wire.ibc import (
    STATE_CLOSED,
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    STATE_UNINITIALIZED,
    Channel,
    ConnectionEnd,
    Height,
)
from meshsec_core.runtime.module import Msg

RANK = {STATE_CLOSED: 0, STATE_UNINITIALIZED: 0, STATE_INIT: 1, STATE_TRYOPEN: 2, STATE_OPEN: 3}
"""How far an end has come; closed ends are the last choice."""


@dataclass(frozen=True, slots=True)
class Step:
    """A message for one chain, resting on what the other chain has stored under a key."""

    host: str
    """Name of the chain that takes the message."""
    key: str
    """State key to prove on the other chain; empty if nothing is to be proven."""
    expected: bytes
    """The value that must be proven for the message to make sense."""
    build: Callable[[bytes, Height], Msg]
    """(proof, proof height) -> message."""


@dataclass(frozen=True, slots=True)
class Connected:
    """One chain's end of a connection that exists or is wanted."""

    chain: str
    client: str
    id: str = ""
    end: ConnectionEnd | None = None

    @property
    def state(self) -> int:
        """The end's state, or that of an end that does not exist."""
        return STATE_UNINITIALIZED if self.end is None else self.end.state


@dataclass(frozen=True, slots=True)
class Joined:
    """One chain's end of a channel that exists or is wanted."""

    chain: str
    port: str
    id: str = ""
    end: Channel | None = None

    @property
    def state(self) -> int:
        """The end's state, or that of an end that does not exist."""
        return STATE_UNINITIALIZED if self.end is None else self.end.state


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a channel that does not exist yet should be."""

    ordering: str
    version: str


def connection_step(first: Connected, second: Connected) -> Step | None:
    """Return the step that brings a connection further, or None; `first` proposes unless `second` already has."""
    if first.end is None and second.state == STATE_INIT:
        first, second = second, first
    one, other = first.end, second.end
    match first.state, second.state:
        case (0, 0):  # STATE_UNINITIALIZED twice
            return Step(first.chain, "", b"", lambda _proof, _height: ConnectionOpenInit(first.client, second.client))
        case (1, 0) if one is not None:  # INIT
            return Step(
                second.chain,
                CONNECTIONS.key(first.id),
                CONNECTIONS.encode(one),
                lambda proof, height: ConnectionOpenTry(second.client, first.client, first.id, one.versions, proof, height),
            )
        case (1, 2) if other is not None:  # INIT, TRYOPEN
            return Step(
                first.chain,
                CONNECTIONS.key(second.id),
                CONNECTIONS.encode(other),
                lambda proof, height: ConnectionOpenAck(first.id, second.id, other.versions[0], proof, height),
            )
        case (3, 2) if one is not None:  # OPEN, TRYOPEN
            return Step(
                second.chain,
                CONNECTIONS.key(first.id),
                CONNECTIONS.encode(one),
                lambda proof, height: ConnectionOpenConfirm(second.id, proof, height),
            )
        case _:
            return None


def channel_step(first: Joined, second: Joined, wanted: Wanted, connections: dict[str, Connected], opening: str) -> Step | None:
    """Return the step that brings a channel further, or None; `first` proposes unless `second` already has.

    Args:
        first: the end on the chain that is to propose.
        second: the other end.
        wanted: ordering and version to propose.
        connections: by chain name; their ends decide which steps the chains would accept.
        opening: the chain whose end of the connection the same transaction opens first, if any.
    """

    def opens(connection: Connected) -> bool:
        return connection.state == STATE_OPEN or (connection.chain == opening and connection.state != STATE_UNINITIALIZED)

    if first.end is None and second.state == STATE_INIT:
        first, second = second, first
    here, there = connections[first.chain], connections[second.chain]
    one, other = first.end, second.end
    match first.state, second.state:
        case (0, 0) if here.end is not None:  # STATE_UNINITIALIZED twice; the connection need not be open yet
            proposal = ChannelOpenInit(first.port, wanted.ordering, here.id, second.port, wanted.version)
            return Step(first.chain, "", b"", lambda _proof, _height: proposal)
        case (1, 0) if one is not None and opens(there):  # INIT
            ordering = ORDERING_NAMES[one.ordering]
            return Step(
                second.chain,
                CHANNELS.key(first.port, first.id),
                CHANNELS.encode(one),
                lambda proof, height: ChannelOpenTry(
                    second.port, ordering, there.id, first.port, first.id, one.version, proof, height
                ),
            )
        case (1, 2) if other is not None and opens(here):  # INIT, TRYOPEN
            return Step(
                first.chain,
                CHANNELS.key(second.port, second.id),
                CHANNELS.encode(other),
                lambda proof, height: ChannelOpenAck(first.port, first.id, second.id, other.version, proof, height),
            )
        case (3, 2) if one is not None and opens(there):  # OPEN, TRYOPEN
            return Step(
                second.chain,
                CHANNELS.key(first.port, first.id),
                CHANNELS.encode(one),
                lambda proof, height: ChannelOpenConfirm(second.port, second.id, proof, height),
            )
        case _:
            return None
