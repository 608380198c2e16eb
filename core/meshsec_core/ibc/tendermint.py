"""07-tendermint: when a client of a Tendermint chain believes a header, and when it stops believing anything.

Pure functions of the client's state, what it knows of the trusted height, the message and the time of this chain; `client`
keeps the state.

Source: ICS-07; ibc-go modules/light-clients/07-tendermint (client_state.go, update.go, misbehaviour.go,
    misbehaviour_handle.go).
"""

from enum import StrEnum

from msgspec.structs import replace

from meshsec_core.consensus import light
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.ibc.paths import MAX_UINT64
from meshsec_core.kernel.crypto import Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import ClientHeader, ClientMisbehaviour, ClientState, ConsensusState, Height, revision_of
from meshsec_core.kernel.wire.ics23 import TENDERMINT_SPEC

BAD_CLIENT_STATE = "ibc/bad-client-state"
BAD_CONSENSUS_STATE = "ibc/bad-consensus-state"
UNSUPPORTED_PROOF_SPECS = "ibc/unsupported-proof-specs"
WRONG_REVISION = "ibc/wrong-revision"
NOT_ABOVE_TRUSTED = "ibc/header-not-above-trusted"
WRONG_TRUSTED_VALIDATORS = light.WRONG_TRUSTED_VALIDATORS
BAD_MISBEHAVIOUR = "ibc/bad-misbehaviour"
NOT_MISBEHAVIOUR = "ibc/not-misbehaviour"

PROOF_SPECS = (TENDERMINT_SPEC, TENDERMINT_SPEC)
"""What our chains prove with: a tree per store, and one of the stores' roots."""

FROZEN = Height(0, 1)
"""The frozen height of every frozen client; only whether it is zero means anything."""

HASH_BYTES = 32


class Status(StrEnum):
    """Whether a client may be used."""

    ACTIVE = "active"
    FROZEN = "frozen"
    EXPIRED = "expired"


def check_client_state(state: ClientState) -> None:
    """Refuse rules by which no client can be safe.

    Raises:
        Rejected: `ibc/bad-client-state` with the field; `light/bad-trust-level`; `ibc/unsupported-proof-specs` unless they
            are those of our own state trees.
    """
    if not state.chain_id.strip() or len(state.chain_id) > light.MAX_CHAIN_ID:
        raise Rejected(BAD_CLIENT_STATE, field="chain_id")
    light.check_trust_level(state.trust_level)
    for name in ("trusting_period", "unbonding_period", "max_clock_drift"):
        if getattr(state, name) <= 0:
            raise Rejected(BAD_CLIENT_STATE, field=name)
    if state.trusting_period >= state.unbonding_period:
        raise Rejected(BAD_CLIENT_STATE, field="trusting_period", unbonding_period=state.unbonding_period)
    if state.latest_height.height == 0 or state.latest_height.revision != revision_of(state.chain_id):
        raise Rejected(BAD_CLIENT_STATE, field="latest_height", height=str(state.latest_height))
    if state.proof_specs != PROOF_SPECS:
        raise Rejected(UNSUPPORTED_PROOF_SPECS)


def check_consensus_state(consensus: ConsensusState) -> None:
    """Refuse what no header says.

    Raises:
        Rejected: `ibc/bad-consensus-state` with the field.
    """
    if not 0 < consensus.timestamp <= MAX_UINT64:
        raise Rejected(BAD_CONSENSUS_STATE, field="timestamp")
    if len(consensus.root) != HASH_BYTES:
        raise Rejected(BAD_CONSENSUS_STATE, field="root")
    if len(consensus.next_validators_hash) != HASH_BYTES:
        raise Rejected(BAD_CONSENSUS_STATE, field="next_validators_hash")


def expiry(state: ClientState, latest: ConsensusState) -> int:
    """Return the first time, in nanoseconds, at which a client that learns nothing more is expired."""
    return latest.timestamp + state.trusting_period


def status(state: ClientState, latest: ConsensusState | None, now: int) -> Status:
    """Tell whether a client may be used; `latest` is what it knows of its latest height."""
    if not state.frozen_height.is_zero:
        return Status.FROZEN
    if latest is None or expiry(state, latest) <= now:
        return Status.EXPIRED
    return Status.ACTIVE


def frozen(state: ClientState) -> ClientState:
    """Return the client as it is after misbehaviour."""
    return replace(state, frozen_height=FROZEN)


def advanced(state: ClientState, height: Height) -> ClientState:
    """Return the client with a new latest height."""
    return replace(state, latest_height=height)


def height_of(header: ClientHeader) -> Height:
    """Return the height of a header, with the revision that its chain id says."""
    said = header.signed_header.header
    return Height(revision_of(said.chain_id), said.height)


def consensus_of(header: ClientHeader) -> ConsensusState:
    """Return what a client keeps of a header."""
    said = header.signed_header.header
    return ConsensusState(said.time, said.app_hash, said.next_validators_hash)


def verify_header(state: ClientState, trusted: ConsensusState, header: ClientHeader, now: int, verify: Verify) -> None:
    """Check that a header follows from what the client knows of the header's trusted height.

    Raises:
        Rejected: `ibc/wrong-revision`, `ibc/header-not-above-trusted`, `ibc/bad-consensus-state` if the header's state root
            is no hash, `validators/…`, `light/wrong-trusted-validators`, or another `light/…` code;
            `light/insufficient-trust` is the one that a header in between may cure.
    """
    untrusted, trusted_next = _read(header, trusted)
    light.verify(_trusted(header, trusted), untrusted, trusted_next, _rules(state), now, verify)


def verify_misbehaviour(
    state: ClientState, trusted: tuple[ConsensusState, ConsensusState], accusation: ClientMisbehaviour, now: int, verify: Verify
) -> None:
    """Check that the client would have believed either header, and that one honest chain cannot have made both.

    They are two blocks of one height, or the higher one is not later than the lower one.

    Args:
        state: The client.
        trusted: What the client knows of each header's trusted height.
        accusation: The two headers, the higher one first.
        now: Time of this chain in nanoseconds.
        verify: The signature check.

    Raises:
        Rejected: `ibc/bad-misbehaviour` if the first header is the lower one, `ibc/not-misbehaviour` if both may be honest,
            or as `verify_header`.
    """
    first, second = accusation.header_1, accusation.header_2
    if height_of(first) < height_of(second):
        raise Rejected(BAD_MISBEHAVIOUR, height_1=str(height_of(first)), height_2=str(height_of(second)))
    if height_of(first) == height_of(second):
        conflict = first.signed_header.commit.block_id.hash != second.signed_header.commit.block_id.hash
    else:
        conflict = first.signed_header.header.time <= second.signed_header.header.time
    if not conflict:
        raise Rejected(NOT_MISBEHAVIOUR)
    for known, header in zip(trusted, (first, second), strict=True):
        untrusted, trusted_next = _read(header, known)
        light.verify_conflicting(_trusted(header, known), untrusted, trusted_next, _rules(state), now, verify)


def _read(header: ClientHeader, trusted: ConsensusState) -> tuple[light.Untrusted, ValidatorSet]:
    """Return the header with its set, and the set that the trusted height announced, after the checks that need no signature."""
    height = height_of(header)
    if header.trusted_height.revision != height.revision:
        raise Rejected(WRONG_REVISION, trusted=str(header.trusted_height), header=str(height))
    if header.trusted_height >= height:
        raise Rejected(NOT_ABOVE_TRUSTED, trusted=str(header.trusted_height), header=str(height))
    check_consensus_state(consensus_of(header))
    own = ValidatorSet.from_wire(header.validator_set)
    same = header.trusted_validators == header.validator_set
    trusted_next = own if same else ValidatorSet.from_wire(header.trusted_validators)
    if trusted_next.hash != trusted.next_validators_hash:
        raise Rejected(WRONG_TRUSTED_VALIDATORS, trusted_height=str(header.trusted_height))
    return light.Untrusted(header.signed_header, own), trusted_next


def _trusted(header: ClientHeader, known: ConsensusState) -> light.TrustedState:
    return light.TrustedState(header.trusted_height.height, known.timestamp, known.next_validators_hash)


def _rules(state: ClientState) -> light.Rules:
    return light.Rules(state.chain_id, state.trusting_period, state.max_clock_drift, state.trust_level)
