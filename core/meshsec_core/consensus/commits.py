"""Commits: the precommits that decided a block, collected, checked, and read for the time they agree on.

Laws: the signature at a position is that validator's or absent; a commit stands only with strictly more than two thirds of the
power for its block. Every signature of a block's last commit is checked, also the ones for nil, because who signed is accounted
for.

Source: cometbft v0.38 types/validation.go, types/block.go; state/state.go for the median (of signatures for the block alone, as
    from 0.40).
"""

from collections.abc import Iterable

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import is_complete, is_quorum
from meshsec_core.kernel.crypto import ADDRESS_BYTES, Verify
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.scalars import ZERO_TIME
from meshsec_core.kernel.wire.tendermint import (
    FLAG_ABSENT,
    FLAG_COMMIT,
    FLAG_NIL,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    Vote,
)

MALFORMED = "commit/malformed"
WRONG_HEIGHT = "commit/wrong-height"
WRONG_BLOCK = "commit/wrong-block"
WRONG_SIZE = "commit/wrong-size"
WRONG_SIGNER = "commit/wrong-signer"
BAD_SIGNATURE = "commit/bad-signature"
INSUFFICIENT_POWER = "commit/insufficient-power"

SIGNATURE_BYTES = 64

_NO_SIGNATURE = CommitSig()


def make_commit(validators: ValidatorSet, height: int, number: int, block_id: BlockId, votes: Iterable[Vote]) -> Commit:
    """Collect the precommits of the deciding round; votes for other blocks count as absent.

    Args:
        number: the round.
        votes: checked precommits of that height and round, in any order; also several of one validator.

    Raises:
        InvariantViolated: the votes are no quorum for the block.
    """
    roster = validators.roster
    signatures = [_NO_SIGNATURE] * len(roster.powers)
    power = 0
    for vote in votes:
        if vote.height != height or vote.round != number or vote.kind != PRECOMMIT:
            raise InvariantViolated(f"a vote of {vote.height}/{vote.round} in the commit of {height}/{number}")
        flag = FLAG_COMMIT if vote.block_id == block_id else FLAG_NIL if vote.block_id == BlockId() else FLAG_ABSENT
        held = signatures[vote.index].flag
        if flag == FLAG_ABSENT or held in (FLAG_COMMIT, flag):
            continue
        signatures[vote.index] = CommitSig(flag, vote.address, vote.time, vote.signature)
        if flag == FLAG_COMMIT:
            power += roster.powers[vote.index]
    if not is_quorum(power, roster.total_power):
        raise InvariantViolated(f"{power} of {roster.total_power} do not commit height {height}")
    return Commit(height, number, block_id, tuple(signatures))


def check_shape(commit: Commit) -> None:
    """Check what holds for every commit of a height above 0, whoever signed.

    Raises:
        Rejected: `commit/malformed`.
    """
    if commit.height < 1 or commit.round < 0 or not is_complete(commit.block_id) or not commit.signatures:
        raise Rejected(MALFORMED, height=commit.height, round=commit.round)
    for position, signature in enumerate(commit.signatures):
        if signature.flag == FLAG_ABSENT:
            good = not signature.address and not signature.signature and signature.time == ZERO_TIME
        else:
            shaped = len(signature.address) == ADDRESS_BYTES and len(signature.signature) == SIGNATURE_BYTES
            good = shaped and signature.flag in (FLAG_COMMIT, FLAG_NIL)
        if not good:
            raise Rejected(MALFORMED, height=commit.height, position=position)


def verify_commit(
    chain_id: str, validators: ValidatorSet, block_id: BlockId, height: int, commit: Commit, verify: Verify
) -> None:
    """Check that more than two thirds of a set precommitted a block, and every signature in the commit.

    Raises:
        Rejected: `commit/malformed`, `commit/wrong-height`, `commit/wrong-block`, `commit/wrong-size`, `commit/wrong-signer`,
            `commit/bad-signature`, `commit/insufficient-power`.
    """
    check_shape(commit)
    if commit.height != height:
        raise Rejected(WRONG_HEIGHT, expected=height, found=commit.height)
    if commit.block_id != block_id:
        raise Rejected(WRONG_BLOCK, expected=block_id.hash.hex(), found=commit.block_id.hash.hex())
    roster = validators.roster
    if len(commit.signatures) != len(roster.powers):
        raise Rejected(WRONG_SIZE, expected=len(roster.powers), found=len(commit.signatures))
    power = 0
    for position, signature in enumerate(commit.signatures):
        if signature.flag == FLAG_ABSENT:
            continue
        if signature.address != roster.addresses[position]:
            raise Rejected(WRONG_SIGNER, position=position, address=signature.address.hex())
        signed_block = block_id if signature.flag == FLAG_COMMIT else None
        signed = vote_sign_bytes(chain_id, PRECOMMIT, height, commit.round, signed_block, signature.time)
        if not verify(roster.public_keys[position], signed, signature.signature):
            raise Rejected(BAD_SIGNATURE, position=position, address=signature.address.hex())
        if signed_block is not None:
            power += roster.powers[position]
    if not is_quorum(power, roster.total_power):
        raise Rejected(INSUFFICIENT_POWER, power=power, total_power=roster.total_power)


def median_time(commit: Commit, validators: ValidatorSet) -> int:
    """Return the median of the times at which the block was precommitted, weighted by power (half of the power rounded down).

    Less than a third of the power cannot move it beyond what an honest validator's clock said.

    Args:
        commit: of the block before, verified against `validators`.
    """
    powers = validators.roster.powers
    times = sorted(
        (signature.time, powers[position])
        for position, signature in enumerate(commit.signatures)
        if signature.flag == FLAG_COMMIT
    )
    remaining = sum(power for _, power in times) // 2  # down
    for time, power in times:
        if remaining <= power:
            return time
        remaining -= power
    raise InvariantViolated(f"the commit of height {commit.height} holds no time")
