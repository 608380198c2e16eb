"""ICS-02: light clients of other chains. What they say is the only thing this chain believes about another one.

A client holds its rules and how far it has come (client state), and what it knows of single heights (consensus states).
Anyone may create one and feed it headers; `tendermint` decides what it believes. Two headers that one honest chain cannot
have made freeze it for good. The clock is the block time of this chain.

Source: cosmos/ibc spec/core/ics-002-client-semantics; ibc-go modules/core/02-client, modules/light-clients/07-tendermint.
"""

from collections.abc import Callable, Iterator

from meshsec_core.ibc import tendermint
from meshsec_core.ibc.paths import Slot, number_slot, remembered, take_number
from meshsec_core.ibc.tendermint import Status
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle import ics23
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ChainId
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    CONSENSUS_STATE_URL,
    HEADER_URL,
    MISBEHAVIOUR_URL,
    ClientHeader,
    ClientMisbehaviour,
    ClientState,
    ConnectionEnd,
    ConsensusState,
    Height,
    any_decode,
    any_encode,
)
from meshsec_core.kernel.wire.proto import M, decode, encode
from meshsec_core.runtime.module import Ctx, Handler, Msg

UNKNOWN_CLIENT = "ibc/unknown-client"
UNKNOWN_CONSENSUS_STATE = "ibc/unknown-consensus-state"
CLIENT_NOT_ACTIVE = "ibc/client-not-active"
UNKNOWN_TYPE = "ibc/unknown-type"

CLIENT_TYPE = "07-tendermint"


def _wrapped(url: str, kind: type[M]) -> tuple[Callable[[M], bytes], Callable[[bytes], M]]:
    """Return how a value of one kind is spelled inside google.protobuf.Any, and read."""

    def read(raw: bytes) -> M:
        found, value = any_decode(raw)
        if found != url:
            raise Rejected(UNKNOWN_TYPE, type=found[:100], expected=url)
        return decode(kind, value)

    return lambda value: any_encode(url, encode(value)), remembered(read)


_encode_client, _decode_client = _wrapped(CLIENT_STATE_URL, ClientState)
_encode_consensus, _decode_consensus = _wrapped(CONSENSUS_STATE_URL, ConsensusState)

CLIENTS: Slot[ClientState] = Slot("clients/{}/clientState", _encode_client, _decode_client)
CONSENSUS_STATES: Slot[ConsensusState] = Slot("clients/{}/consensusStates/{}", _encode_consensus, _decode_consensus)
TIMES = number_slot("clients/{}/iterateConsensusStates/{}")
"""Client and height, spelled so that heights sort, to the consensus state's time in nanoseconds: for order and pruning."""
NEXT_CLIENT = number_slot("nextClientSequence")


class CreateClient(Msg, frozen=True, tag="ibc/CreateClient"):
    """Start to follow another chain from a state that the signer vouches for; whoever uses the client must check it."""

    client_state: bytes
    """google.protobuf.Any of a 07-tendermint ClientState."""
    consensus_state: bytes
    """google.protobuf.Any of the ConsensusState at the client state's latest height."""


class UpdateClient(Msg, frozen=True, tag="ibc/UpdateClient"):
    """Show a client a header, or two that accuse its chain."""

    client_id: str
    client_message: bytes
    """google.protobuf.Any of a 07-tendermint Header or Misbehaviour."""


def get_client(store: Reader, client_id: str) -> ClientState:
    """Return a client's state.

    Raises:
        Rejected: `ibc/unknown-client`.
    """
    state = CLIENTS.find(store, client_id)
    if state is None:
        raise Rejected(UNKNOWN_CLIENT, client=client_id[:100])
    return state


def client_chain_id(store: Reader, client_id: str) -> ChainId:
    """Return the id of the chain that a client follows; `ibc/unknown-client`."""
    return ChainId(get_client(store, client_id).chain_id)


def latest_height(store: Reader, client_id: str) -> Height:
    """Return the greatest height that a client knows; `ibc/unknown-client`."""
    return get_client(store, client_id).latest_height


def consensus_state(store: Reader, client_id: str, height: Height) -> ConsensusState:
    """Return what a client knows of a height.

    Raises:
        Rejected: `ibc/unknown-consensus-state`.
    """
    found = CONSENSUS_STATES.find(store, client_id, height)
    if found is None:
        raise Rejected(UNKNOWN_CONSENSUS_STATE, client=client_id[:100], height=str(height))
    return found


def status(store: Reader, client_id: str, now: int) -> Status:
    """Tell whether a client may be used at a time in nanoseconds; `ibc/unknown-client`."""
    state = get_client(store, client_id)
    return tendermint.status(state, CONSENSUS_STATES.find(store, client_id, state.latest_height), now)


def require_active(ctx: Ctx, client_id: str) -> tuple[Height, int]:
    """Return the latest height a client knows and its time.

    Raises:
        Rejected: `ibc/unknown-client`, `ibc/client-not-active` if it is frozen or expired.
    """
    state = get_client(ctx.store, client_id)
    latest = CONSENSUS_STATES.find(ctx.store, client_id, state.latest_height)
    found = tendermint.status(state, latest, ctx.time)
    if found is not Status.ACTIVE or latest is None:
        raise Rejected(CLIENT_NOT_ACTIVE, client=client_id, status=found.value)
    return state.latest_height, latest.timestamp


def time_at(ctx: Ctx, client_id: str, height: Height) -> int:
    """Return the time of a height that a client knows, in nanoseconds; `ibc/unknown-consensus-state`."""
    return consensus_state(ctx.store, client_id, height).timestamp


def verify_value(ctx: Ctx, connection: ConnectionEnd, height: Height, path: bytes, value: bytes, proof: bytes) -> None:
    """Check that the chain at the other end of a connection stored `value` under an ICS-24 path.

    Args:
        ctx: The context of the handler.
        connection: Names the client, and the other chain's store.
        height: The header that carries the root: one more than the height whose state is proven.
        path: Path below the other chain's IBC store.
        value: The bytes that must lie there.
        proof: Encoded MerkleProof.

    Raises:
        Rejected: `ibc/unknown-client`, `ibc/client-not-active`, `ibc/unknown-consensus-state`, or a `proof/…` or `wire/…`
            code.
    """
    require_active(ctx, connection.client_id)
    root = consensus_state(ctx.store, connection.client_id, height).root
    ics23.verify_value(root, connection.counterparty.prefix.key_prefix.decode(), path, value, proof)


def verify_absence(ctx: Ctx, connection: ConnectionEnd, height: Height, path: bytes, proof: bytes) -> None:
    """Check that the chain at the other end of a connection stored nothing under an ICS-24 path.

    Raises:
        Rejected: as `verify_value`.
    """
    require_active(ctx, connection.client_id)
    root = consensus_state(ctx.store, connection.client_id, height).root
    ics23.verify_absence(root, connection.counterparty.prefix.key_prefix.decode(), path, proof)


def verify_header(ctx: Ctx, client_id: str, header: ClientHeader) -> None:
    """Check that a client's chain made a header, changing nothing.

    Raises:
        Rejected: `ibc/unknown-client`, `ibc/client-not-active`, `ibc/unknown-consensus-state` if the trusted height is not
            known, or whatever `tendermint.verify_header` says.
    """
    require_active(ctx, client_id)
    trusted = consensus_state(ctx.store, client_id, header.trusted_height)
    tendermint.verify_header(get_client(ctx.store, client_id), trusted, header, ctx.time, ctx.verify)


def verify_signed(ctx: Ctx, client_id: str, header: ClientHeader) -> None:
    """Check that a client's chain signed a header, also for a client that misbehaviour has frozen: guilt does not freeze with it.

    Raises:
        Rejected: as `verify_header`; `ibc/client-not-active` only if it has expired.
    """
    found = status(ctx.store, client_id, ctx.time)
    if found is Status.EXPIRED:
        raise Rejected(CLIENT_NOT_ACTIVE, client=client_id, status=found.value)
    trusted = consensus_state(ctx.store, client_id, header.trusted_height)
    tendermint.verify_header(get_client(ctx.store, client_id), trusted, header, ctx.time, ctx.verify)


def create_client(ctx: Ctx, msg: CreateClient) -> None:
    """Store a new client.

    Raises:
        Rejected: `wire/…`, `ibc/unknown-type`, `ibc/bad-client-state`, `ibc/unsupported-proof-specs`,
            `ibc/bad-consensus-state`, `ibc/client-not-active` if it starts frozen or expired.
    """
    state, consensus = _decode_client(msg.client_state), _decode_consensus(msg.consensus_state)
    tendermint.check_client_state(state)
    tendermint.check_consensus_state(consensus)
    found = tendermint.status(state, consensus, ctx.time)
    if found is not Status.ACTIVE:
        raise Rejected(CLIENT_NOT_ACTIVE, status=found.value)
    client_id = f"{CLIENT_TYPE}-{take_number(NEXT_CLIENT, ctx.store)}"
    CLIENTS.put(ctx.store, client_id, state)
    remember(ctx, client_id, state.latest_height, consensus)
    ctx.emit("create_client", client_id=client_id, client_type=CLIENT_TYPE, consensus_height=state.latest_height)
    ctx.emit("message", module="ibc_client")


def update_client(ctx: Ctx, msg: UpdateClient) -> None:
    """Learn a header, or freeze the client if the message shows misbehaviour. A header that is known already changes nothing.

    Raises:
        Rejected: `ibc/unknown-client`, `ibc/client-not-active`, `ibc/unknown-type`, `wire/…`, and as
            `tendermint.verify_header` or `tendermint.verify_misbehaviour`.
    """
    require_active(ctx, msg.client_id)
    url, raw = any_decode(msg.client_message)
    if url == HEADER_URL:
        _learn(ctx, msg.client_id, decode(ClientHeader, raw))
    elif url == MISBEHAVIOUR_URL:
        _judge(ctx, msg.client_id, decode(ClientMisbehaviour, raw))
    else:
        raise Rejected(UNKNOWN_TYPE, type=url[:100])


def _learn(ctx: Ctx, client_id: str, header: ClientHeader) -> None:
    state = get_client(ctx.store, client_id)
    height, offered = tendermint.height_of(header), tendermint.consensus_of(header)
    known = CONSENSUS_STATES.find(ctx.store, client_id, height)
    if known == offered:
        return
    trusted = consensus_state(ctx.store, client_id, header.trusted_height)
    tendermint.verify_header(state, trusted, header, ctx.time, ctx.verify)
    if known is not None or not _in_time_order(ctx.store, client_id, state.latest_height, height, offered.timestamp):
        _freeze(ctx, client_id, state)
        return
    _forget_oldest(ctx, client_id, state)
    remember(ctx, client_id, height, offered)
    if height > state.latest_height:
        CLIENTS.put(ctx.store, client_id, tendermint.advanced(state, height))
    ctx.emit(
        "update_client",
        client_id=client_id,
        client_type=CLIENT_TYPE,
        consensus_height=height,
        consensus_heights=height,
        header_hash=header_hash(header.signed_header.header).hex(),
    )
    ctx.emit("message", module="ibc_client")


def _judge(ctx: Ctx, client_id: str, accusation: ClientMisbehaviour) -> None:
    state = get_client(ctx.store, client_id)
    trusted_1 = consensus_state(ctx.store, client_id, accusation.header_1.trusted_height)
    trusted_2 = consensus_state(ctx.store, client_id, accusation.header_2.trusted_height)
    tendermint.verify_misbehaviour(state, (trusted_1, trusted_2), accusation, ctx.time, ctx.verify)
    _freeze(ctx, client_id, state)


def _freeze(ctx: Ctx, client_id: str, state: ClientState) -> None:
    CLIENTS.put(ctx.store, client_id, tendermint.frozen(state))
    ctx.emit("client_misbehaviour", client_id=client_id, client_type=CLIENT_TYPE, consensus_height=state.latest_height)
    ctx.emit("message", module="ibc_client")


def _sortable(height: Height) -> str:
    return f"{height.revision:020d}-{height.height:020d}"


def remember(ctx: Ctx, client_id: str, height: Height, consensus: ConsensusState) -> None:
    """Let a client know a height. Only what decides that it may be believed calls this."""
    CONSENSUS_STATES.put(ctx.store, client_id, height, consensus)
    TIMES.put(ctx.store, client_id, _sortable(height), consensus.timestamp)


def known_heights(store: Reader, client_id: str, after: Height | None = None) -> Iterator[tuple[Height, int]]:
    """Yield (height, time in nanoseconds) of all that a client knows, ascending, beyond `after`."""
    prefix = TIMES.key(client_id, "")
    for key, raw in store.scan(prefix, prefix + _sortable(after) if after else ""):
        revision, _, height = key[len(prefix) :].partition("-")
        yield Height(int(revision), int(height)), int.from_bytes(raw, "big")


def _in_time_order(store: Reader, client_id: str, latest: Height, height: Height, time: int) -> bool:
    """Tell whether a new header's time lies strictly between those of the known heights around it."""
    if height > latest:
        return time > consensus_state(store, client_id, latest).timestamp
    for known, known_time in known_heights(store, client_id):
        if known < height and known_time >= time:
            return False
        if known > height:
            return known_time > time
    return True


def _forget_oldest(ctx: Ctx, client_id: str, state: ClientState) -> None:
    """Drop the oldest consensus state if it has expired: one per update keeps their number bounded at a bounded cost."""
    height, time = next(known_heights(ctx.store, client_id))
    if time + state.trusting_period <= ctx.time:
        CONSENSUS_STATES.delete(ctx.store, client_id, height)
        TIMES.delete(ctx.store, client_id, _sortable(height))


HANDLERS: dict[type[Msg], Handler] = {CreateClient: create_client, UpdateClient: update_client}
