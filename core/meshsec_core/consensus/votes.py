"""Counting the votes of one kind in one round, and checking a vote before it is counted.

Laws: a validator counts once towards each block (or nil) it voted for and once towards "anything", whatever it sends; two
different votes show up as a conflict. A quorum is strictly more than two thirds of the power, a blocking part strictly more than
one third.

Source: arXiv:1807.04938 §III; cometbft v0.38 types/vote.go.
"""

from collections.abc import Mapping

import msgspec

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes, vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, Proposal, Vote

MALFORMED = "consensus/malformed"
NOT_A_VALIDATOR = "consensus/not-a-validator"
BAD_SIGNATURE = "consensus/bad-signature"

NO_BLOCK = BlockId()
HASH_BYTES = 32

MAX_ROUND = 10_000
"""What a liar signs for a later round costs nobody anything; no height of honest validators gets that far."""

Choice = BlockId | None
"""What a vote is for; None is nil."""


def is_quorum(power: int, total_power: int) -> bool:
    """Tell whether a power is strictly more than two thirds of the total."""
    return 3 * power > 2 * total_power


def is_blocking(power: int, total_power: int) -> bool:
    """Tell whether a power is strictly more than one third of the total, so that an honest validator is among them."""
    return 3 * power > total_power


class Tally(msgspec.Struct, frozen=True, gc=False):
    """The votes of one kind in one round."""

    votes: Mapping[int, Choice] = {}
    """Validator index to its first vote."""
    powers: Mapping[Choice, int] = {}
    """Choice to the power behind it."""
    power: int = 0
    """Power of everybody who voted."""
    others: Mapping[int, tuple[Choice, ...]] = {}
    """Validator index to what else it voted for."""

    def add(self, index: int, power: int, choice: Choice) -> "Tally":
        """Count a vote; a repeated one gives this very tally back."""
        votes, powers = self.votes, self.powers
        if index not in votes:
            behind = powers.get(choice, 0) + power
            return Tally({**votes, index: choice}, {**powers, choice: behind}, self.power + power, self.others)
        others = self.others.get(index, ())
        if votes[index] == choice or choice in others:
            return self
        return Tally(
            votes, {**powers, choice: powers.get(choice, 0) + power}, self.power, {**self.others, index: (*others, choice)}
        )

    def behind(self, choice: Choice) -> int:
        """Return the power that voted for a choice."""
        return self.powers.get(choice, 0)


def choice_of(block_id: BlockId) -> Choice:
    """Read a block id on the wire: the zero value is nil."""
    return None if block_id == NO_BLOCK else block_id


def is_complete(block_id: BlockId) -> bool:
    """Tell whether a block id names a block."""
    return len(block_id.hash) == HASH_BYTES and len(block_id.parts.hash) == HASH_BYTES and block_id.parts.total > 0


def check_vote(vote: Vote, chain_id: str, validators: ValidatorSet, verify: Verify) -> None:
    """Check that a member of the set signed a well-formed vote.

    Raises:
        Rejected: `consensus/malformed`, `consensus/not-a-validator` (no such position, or another's address there),
            `consensus/bad-signature`.
    """
    shaped = vote.kind in (PREVOTE, PRECOMMIT) and vote.height > 0 and 0 <= vote.round <= MAX_ROUND
    if not shaped or not (vote.block_id == NO_BLOCK or is_complete(vote.block_id)):
        raise Rejected(MALFORMED, height=vote.height, round=vote.round)
    roster = validators.roster
    if not 0 <= vote.index < len(roster.addresses) or roster.addresses[vote.index] != vote.address:
        raise Rejected(NOT_A_VALIDATOR, index=vote.index, address=vote.address.hex())
    signed = vote_sign_bytes(chain_id, vote.kind, vote.height, vote.round, choice_of(vote.block_id), vote.time)
    if not verify(roster.public_keys[vote.index], signed, vote.signature):
        raise Rejected(BAD_SIGNATURE, index=vote.index, height=vote.height, round=vote.round)


def check_proposal(proposal: Proposal, chain_id: str, validators: ValidatorSet, verify: Verify) -> None:
    """Check that the proposer of its round signed a well-formed proposal.

    Args:
        validators: the set of the height, at round 0.

    Raises:
        Rejected: `consensus/malformed`, `consensus/bad-signature`.
    """
    shaped = proposal.height > 0 and -1 <= proposal.pol_round < proposal.round <= MAX_ROUND
    if not shaped or not is_complete(proposal.block_id):
        raise Rejected(MALFORMED, height=proposal.height, round=proposal.round)
    turn = validators.at_round(proposal.round)
    public_key = turn.roster.public_keys[turn.proposer_index]
    if not verify(public_key, proposal_sign_bytes(chain_id, proposal), proposal.signature):
        raise Rejected(BAD_SIGNATURE, height=proposal.height, round=proposal.round)
