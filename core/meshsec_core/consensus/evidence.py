"""Proof that a validator signed two different votes in one step.

Laws: both votes carry the validator's own signature under this chain's id, so nobody can be framed; the lesser block id comes
first, so one fault has one proof; powers and time are those of the height of the fault, so everybody punishes alike.

Source: cometbft v0.38 evidence/verify.go, types/evidence.go.
"""

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import NO_BLOCK, choice_of, is_complete
from meshsec_core.kernel.crypto import Verify, address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, DuplicateVoteEvidence, Vote

MALFORMED = "evidence/malformed"
DIFFERENT_STEPS = "evidence/different-steps"
DIFFERENT_VALIDATORS = "evidence/different-validators"
SAME_BLOCK = "evidence/same-block"
WRONG_ORDER = "evidence/wrong-order"
WRONG_KEY = "evidence/wrong-key"
BAD_SIGNATURE = "evidence/bad-signature"
NOT_A_VALIDATOR = "evidence/not-a-validator"
WRONG_POWER = "evidence/wrong-power"
WRONG_TIME = "evidence/wrong-time"
INSUFFICIENT_TRUST = "evidence/insufficient-trust"
UNKNOWN_HEIGHT = "evidence/unknown-height"
TOO_OLD = "evidence/too-old"
TOO_LARGE = "evidence/too-large"


def _order(block_id: BlockId) -> bytes:
    return block_id.hash + encode(block_id.parts)


def _check_pair(first: Vote, second: Vote) -> None:
    for vote in (first, second):
        shaped = vote.kind in (PREVOTE, PRECOMMIT) and vote.height > 0 and vote.round >= 0
        if not shaped or not (vote.block_id == NO_BLOCK or is_complete(vote.block_id)):
            raise Rejected(MALFORMED, height=vote.height, round=vote.round)
    if (first.height, first.round, first.kind) != (second.height, second.round, second.kind):
        raise Rejected(DIFFERENT_STEPS, first_height=first.height, second_height=second.height)
    if first.address != second.address:
        raise Rejected(DIFFERENT_VALIDATORS, first=first.address.hex(), second=second.address.hex())
    if first.block_id == second.block_id:
        raise Rejected(SAME_BLOCK, hash=first.block_id.hash.hex())


def make_duplicate_vote(first: Vote, second: Vote, validators: ValidatorSet, time: int) -> DuplicateVoteEvidence:
    """Make evidence of two votes in either order.

    Args:
        validators: the set of the votes' height.
        time: the header time of that height, nanoseconds.

    Raises:
        Rejected: the votes do not conflict: `evidence/malformed`, `evidence/different-steps`, `evidence/different-validators`,
            `evidence/same-block`; `evidence/not-a-validator`.
    """
    _check_pair(first, second)
    position = validators.index_of(first.address)
    if position is None:
        raise Rejected(NOT_A_VALIDATOR, address=first.address.hex())
    lesser, greater = sorted((first, second), key=lambda vote: _order(vote.block_id))
    return DuplicateVoteEvidence(lesser, greater, validators.total_power, validators.roster.powers[position], time)


def verify_double_vote(evidence: DuplicateVoteEvidence, chain_id: str, public_key: bytes, verify: Verify) -> None:
    """Check that the owner of a key signed both votes on a chain; all that can be said without its validator set.

    Raises:
        Rejected: as `make_duplicate_vote`, and `evidence/wrong-order`, `evidence/wrong-key` (the votes name another's address),
            `evidence/bad-signature`.
    """
    first, second = evidence.vote_a, evidence.vote_b
    _check_pair(first, second)
    if _order(first.block_id) > _order(second.block_id):
        raise Rejected(WRONG_ORDER)
    if address_of(public_key) != first.address:
        raise Rejected(WRONG_KEY, address=first.address.hex())
    for vote in (first, second):
        signed = vote_sign_bytes(chain_id, vote.kind, vote.height, vote.round, choice_of(vote.block_id), vote.time)
        if not verify(public_key, signed, vote.signature):
            raise Rejected(BAD_SIGNATURE, height=vote.height, hash=vote.block_id.hash.hex())


def verify_duplicate_vote(
    evidence: DuplicateVoteEvidence, chain_id: str, validators: ValidatorSet, time: int, verify: Verify
) -> None:
    """Check evidence against the validator set and the header time of the height of its votes.

    Raises:
        Rejected: as `verify_double_vote`, and `evidence/not-a-validator`, `evidence/wrong-power`, `evidence/wrong-time`.
    """
    position = validators.index_of(evidence.vote_a.address)
    if position is None:
        raise Rejected(NOT_A_VALIDATOR, address=evidence.vote_a.address.hex())
    power = validators.roster.powers[position]
    if (evidence.validator_power, evidence.total_power) != (power, validators.total_power):
        raise Rejected(WRONG_POWER, power=power, total_power=validators.total_power)
    if evidence.time != time:
        raise Rejected(WRONG_TIME, expected=time, found=evidence.time)
    verify_double_vote(evidence, chain_id, validators.roster.public_keys[position], verify)


def is_expired(height: int, time: int, now_height: int, now: int, max_age: int, max_age_blocks: int) -> bool:
    """Tell whether a fault is too old to be proven: beyond both ages.

    Args:
        height: of the fault.
        time: of the fault's header, nanoseconds.
        now_height: of the block that would carry the evidence.
        now: that block's time, nanoseconds.
        max_age: nanoseconds.
        max_age_blocks: heights.
    """
    return now_height - height > max_age_blocks and now - time > max_age
