"""ICS-03: connections, a pair of light clients that have been shown to point at each other.

A opens with INIT, B answers with TRYOPEN, A and B confirm to OPEN; each step after the first proves the other end. What a
handshake proves is the other chain's end of the connection, not its client of this chain: choosing the right clients is up
to whoever opens it.

Source: cosmos/ibc spec/core/ics-003-connection-semantics; ibc-go modules/core/03-connection (v10 handshake). Delay periods
    are always 0.
"""

from typing import ClassVar

from meshsec_core.ibc import client
from meshsec_core.ibc.paths import (
    STORE,
    check_client_id,
    check_connection_id,
    check_identifier,
    message_slot,
    number_slot,
    take_number,
)
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.wire.ibc import (
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    ConnectionCounterparty,
    ConnectionEnd,
    Height,
    MerklePrefix,
    Version,
)
from meshsec_core.kernel.wire.proto import Fields, Message, repeated
from meshsec_core.kernel.wire.scalars import TEXT
from meshsec_core.runtime.module import Ctx, Handler, Msg

UNKNOWN_CONNECTION = "ibc/unknown-connection"
CONNECTION_NOT_OPEN = "ibc/connection-not-open"
CONNECTION_STATE = "ibc/connection-state"
NO_COMMON_VERSION = "ibc/no-common-version"

ORDERED = "ORDER_ORDERED"
UNORDERED = "ORDER_UNORDERED"

SUPPORTED = (Version("1", (ORDERED, UNORDERED)),)
"""Versions we speak; this spelling is what a counterparty proves."""

OWN_PREFIX = MerklePrefix(STORE.encode())

MAX_VERSIONS = 16
"""More versions in one proposal are refused: each is looked at and stored."""


class ClientPaths(Message, frozen=True):
    """Ids of the connections that use a client."""

    paths: tuple[str, ...]

    proto: ClassVar[Fields] = (repeated(1, TEXT),)


CONNECTIONS = message_slot("connections/{}", ConnectionEnd)
CLIENT_CONNECTIONS = message_slot("clients/{}/connections", ClientPaths)
NEXT_CONNECTION = number_slot("nextConnectionSequence")


class ConnectionOpenInit(Msg, frozen=True, tag="ibc/ConnectionOpenInit"):
    """Propose a connection over a client."""

    client_id: str
    counterparty_client_id: str
    """The other chain's client of this chain."""
    counterparty_prefix: str = STORE
    """Name of the other chain's IBC store."""
    version: Version | None = None
    """The one version to offer; all that we speak if left out."""


class ConnectionOpenTry(Msg, frozen=True, tag="ibc/ConnectionOpenTry"):
    """Answer a proposal that the other chain has stored."""

    client_id: str
    counterparty_client_id: str
    counterparty_connection_id: str
    counterparty_versions: tuple[Version, ...]
    proof_init: bytes
    proof_height: Height
    counterparty_prefix: str = STORE


class ConnectionOpenAck(Msg, frozen=True, tag="ibc/ConnectionOpenAck"):
    """Open the proposing end, because the other chain has answered."""

    connection_id: str
    counterparty_connection_id: str
    version: Version
    """The version that the other chain picked."""
    proof_try: bytes
    proof_height: Height


class ConnectionOpenConfirm(Msg, frozen=True, tag="ibc/ConnectionOpenConfirm"):
    """Open the answering end, because the other chain has opened its own."""

    connection_id: str
    proof_ack: bytes
    proof_height: Height


def get_connection(store: Reader, connection_id: str) -> ConnectionEnd:
    """Return a connection.

    Raises:
        Rejected: `ibc/unknown-connection`.
    """
    end = CONNECTIONS.find(store, connection_id)
    if end is None:
        raise Rejected(UNKNOWN_CONNECTION, connection=connection_id[:100])
    return end


def open_connection(store: Reader, connection_id: str) -> ConnectionEnd:
    """Return a connection that is OPEN.

    Raises:
        Rejected: `ibc/unknown-connection`, `ibc/connection-not-open`.
    """
    end = get_connection(store, connection_id)
    if end.state != STATE_OPEN:
        raise Rejected(CONNECTION_NOT_OPEN, connection=connection_id, state=end.state)
    return end


def open_init(ctx: Ctx, msg: ConnectionOpenInit) -> None:
    """Store an end in INIT.

    Raises:
        Rejected: the client is unknown or not active; `ibc/no-common-version` if the version asked for is not ours;
            `ibc/bad-identifier`.
    """
    client.require_active(ctx, msg.client_id)
    check_client_id(msg.counterparty_client_id)
    versions = SUPPORTED if msg.version is None else (msg.version,)
    if not all(_supported(version, SUPPORTED) for version in versions):
        raise Rejected(NO_COMMON_VERSION)
    counterparty = ConnectionCounterparty(msg.counterparty_client_id, "", _prefix(msg.counterparty_prefix))
    connection_id = _add(ctx, ConnectionEnd(msg.client_id, versions, STATE_INIT, counterparty, 0))
    _emit(ctx, "connection_open_init", connection_id, CONNECTIONS.get(ctx.store, connection_id))


def open_try(ctx: Ctx, msg: ConnectionOpenTry) -> None:
    """Store an end in TRYOPEN with the first version that both speak, after proving the other end in INIT.

    Raises:
        Rejected: the client is unknown or not active, `ibc/no-common-version`, or a proof does not hold.
    """
    check_client_id(msg.counterparty_client_id)
    check_connection_id(msg.counterparty_connection_id)
    if not 1 <= len(msg.counterparty_versions) <= MAX_VERSIONS:
        raise Rejected(NO_COMMON_VERSION, versions=len(msg.counterparty_versions))
    counterparty = ConnectionCounterparty(
        msg.counterparty_client_id, msg.counterparty_connection_id, _prefix(msg.counterparty_prefix)
    )
    end = ConnectionEnd(msg.client_id, (_pick(msg.counterparty_versions),), STATE_TRYOPEN, counterparty, 0)
    theirs = ConnectionEnd(
        msg.counterparty_client_id,
        msg.counterparty_versions,
        STATE_INIT,
        ConnectionCounterparty(msg.client_id, "", OWN_PREFIX),
        0,
    )
    _prove(ctx, end, theirs, msg.proof_init, msg.proof_height)
    connection_id = _add(ctx, end)
    _emit(ctx, "connection_open_try", connection_id, end)


def open_ack(ctx: Ctx, msg: ConnectionOpenAck) -> None:
    """Move an end from INIT to OPEN, after proving the other end in TRYOPEN.

    Raises:
        Rejected: `ibc/connection-state` unless the end is in INIT, `ibc/no-common-version` if we never offered the version,
            or a proof does not hold.
    """
    check_connection_id(msg.counterparty_connection_id)
    end = _in_state(ctx.store, msg.connection_id, STATE_INIT)
    if not _supported(msg.version, end.versions):
        raise Rejected(NO_COMMON_VERSION, version=msg.version.identifier)
    seen = _self_as_seen(end, msg.connection_id)
    theirs = ConnectionEnd(end.counterparty.client_id, (msg.version,), STATE_TRYOPEN, seen)
    there = ConnectionCounterparty(end.counterparty.client_id, msg.counterparty_connection_id, end.counterparty.prefix)
    opened = ConnectionEnd(end.client_id, (msg.version,), STATE_OPEN, there)
    _prove(ctx, opened, theirs, msg.proof_try, msg.proof_height)
    CONNECTIONS.put(ctx.store, msg.connection_id, opened)
    _emit(ctx, "connection_open_ack", msg.connection_id, opened)


def open_confirm(ctx: Ctx, msg: ConnectionOpenConfirm) -> None:
    """Move an end from TRYOPEN to OPEN, after proving the other end OPEN.

    Raises:
        Rejected: `ibc/connection-state` unless the end is in TRYOPEN, or a proof does not hold.
    """
    end = _in_state(ctx.store, msg.connection_id, STATE_TRYOPEN)
    theirs = ConnectionEnd(end.counterparty.client_id, end.versions, STATE_OPEN, _self_as_seen(end, msg.connection_id), 0)
    _prove(ctx, end, theirs, msg.proof_ack, msg.proof_height)
    opened = ConnectionEnd(end.client_id, end.versions, STATE_OPEN, end.counterparty, 0)
    CONNECTIONS.put(ctx.store, msg.connection_id, opened)
    _emit(ctx, "connection_open_confirm", msg.connection_id, opened)


def _in_state(store: Reader, connection_id: str, state: int) -> ConnectionEnd:
    end = get_connection(store, connection_id)
    if end.state != state:
        raise Rejected(CONNECTION_STATE, connection=connection_id, state=end.state, expected=state)
    return end


def _self_as_seen(end: ConnectionEnd, connection_id: str) -> ConnectionCounterparty:
    """Return how the other end must name this one."""
    return ConnectionCounterparty(end.client_id, connection_id, OWN_PREFIX)


def _prove(ctx: Ctx, end: ConnectionEnd, theirs: ConnectionEnd, proof: bytes, height: Height) -> None:
    path = CONNECTIONS.path(end.counterparty.connection_id)
    client.verify_value(ctx, end, height, path, CONNECTIONS.encode(theirs), proof)


def _add(ctx: Ctx, end: ConnectionEnd) -> str:
    connection_id = f"connection-{take_number(NEXT_CONNECTION, ctx.store)}"
    CONNECTIONS.put(ctx.store, connection_id, end)
    known = CLIENT_CONNECTIONS.find(ctx.store, end.client_id) or ClientPaths(())
    CLIENT_CONNECTIONS.put(ctx.store, end.client_id, ClientPaths((*known.paths, connection_id)))
    return connection_id


def _prefix(name: str) -> MerklePrefix:
    check_identifier("prefix", name, 1, 128)
    return MerklePrefix(name.encode())


def _supported(version: Version, offered: tuple[Version, ...]) -> bool:
    """Tell whether a version is one of those offered, with a non-empty subset of its features."""
    return bool(version.features) and any(
        version.identifier == known.identifier and all(feature in known.features for feature in version.features)
        for known in offered
    )


def _pick(theirs: tuple[Version, ...]) -> Version:
    """Return our first version that the other side speaks too, with the features that both have, in our order."""
    for own in SUPPORTED:
        for version in theirs:
            common = tuple(feature for feature in own.features if feature in version.features)
            if version.identifier == own.identifier and common:
                return Version(own.identifier, common)
    raise Rejected(NO_COMMON_VERSION)


def _emit(ctx: Ctx, kind: str, connection_id: str, end: ConnectionEnd) -> None:
    ctx.emit(
        kind,
        connection_id=connection_id,
        client_id=end.client_id,
        counterparty_client_id=end.counterparty.client_id,
        counterparty_connection_id=end.counterparty.connection_id,
    )
    ctx.emit("message", module="ibc_connection")


HANDLERS: dict[type[Msg], Handler] = {
    ConnectionOpenInit: open_init,
    ConnectionOpenTry: open_try,
    ConnectionOpenAck: open_ack,
    ConnectionOpenConfirm: open_confirm,
}
