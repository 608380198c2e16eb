"""Counts votes by bonded tokens. A validator speaks for all its tokens but those whose delegators have voted themselves, and
those that have no voice: lent stake counts as much as its link lets it, for the quorum too.

Power is counted in tokens × basis points, so that split votes lose nothing; a decision is a comparison of products, never of
quotients.

Source: Cosmos SDK x/gov, tally and proposal outcome.
"""

from dataclasses import dataclass
from enum import StrEnum

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ONE_BPS, Address, ValidatorId
from meshsec_core.modules.gov.state import VOTES, Ballot, Option, Params, Tally
from meshsec_core.modules.staking import state as staking


class Outcome(StrEnum):
    """What a count decides; the value of a refusal is its code."""

    ACCEPTED = ""
    NO_QUORUM = "gov/no-quorum"
    VETOED = "gov/vetoed"
    NO_MAJORITY = "gov/no-majority"


@dataclass(frozen=True, slots=True)
class Count:
    """Votes in tokens × 10^4 by option, and the bonded tokens that have a voice."""

    cast: dict[Option, int]
    bonded: int

    @property
    def tally(self) -> Tally:
        """The votes in whole tokens. Floor: what splitting leaves is shown nowhere."""
        tokens = {option: cast // ONE_BPS for option, cast in self.cast.items()}
        return Tally(
            yes=tokens[Option.YES],
            no=tokens[Option.NO],
            abstain=tokens[Option.ABSTAIN],
            no_with_veto=tokens[Option.NO_WITH_VETO],
            bonded=self.bonded,
        )


def count(store: Reader, prefix: str, proposal: int) -> Count:
    """Count the votes on a proposal as stake is now; the work grows with the votes and their delegations."""
    mute = staking.voiceless(store)
    members = [member.operator for member in staking.active_set(store)]
    bonded = {name: staking.VALIDATORS.get(store, name).tokens - mute.get(name, 0) for name in members}
    cast = dict.fromkeys(Option, 0)
    inherited = dict(bonded)
    for (voter,), ballot in VOTES.items(store, proposal):
        for validator, tokens in staking.delegations_of(store, Address(voter)).items():
            if validator in bonded:
                _add(cast, ballot, tokens)
                inherited[validator] -= tokens
    for validator, tokens in inherited.items():
        ballot_of_operator = VOTES.find(store, proposal, staking.owner(prefix, ValidatorId(validator)))
        if ballot_of_operator is not None:
            _add(cast, ballot_of_operator, tokens)
    return Count(cast, staking.bonded_tokens(store) - sum(mute.get(name, 0) for name in members))


def _add(cast: dict[Option, int], ballot: Ballot, tokens: int) -> None:
    for option, share in ballot.shares.items():
        cast[option] += tokens * share


def decide(counted: Count, params: Params) -> Outcome:
    """Say what a count decides: first whether enough have voted, then whether too many object, then who are more.

    A quorum is reached by its exact part; veto and threshold must be exceeded.
    """
    voted = sum(counted.cast.values())
    if voted == 0 or voted < counted.bonded * params.quorum_bps:
        return Outcome.NO_QUORUM
    if counted.cast[Option.NO_WITH_VETO] * ONE_BPS > voted * params.veto_bps:
        return Outcome.VETOED
    decisive = voted - counted.cast[Option.ABSTAIN]
    if counted.cast[Option.YES] * ONE_BPS <= decisive * params.threshold_bps:
        return Outcome.NO_MAJORITY
    return Outcome.ACCEPTED
