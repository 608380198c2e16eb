"""What governance keeps: proposals, who has deposited what for them, how votes were cast, and which proposal is due next."""

from enum import StrEnum
from typing import Any

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, SECOND, Address
from meshsec_core.modules import bank

DEPOSITORY = "gov/deposits"
"""Module account that holds the deposits, out of reach of proposals."""

BAD_PARAMS = "gov/bad-params"
UNKNOWN_PROPOSAL = "gov/unknown-proposal"

MAX_PERIOD = 2**62
"""Nanoseconds; a longer period would never end."""


class Option(StrEnum):
    """What a vote can say."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"
    NO_WITH_VETO = "no_with_veto"


class Status(StrEnum):
    """Where a proposal stands."""

    DEPOSIT = "deposit"
    """It lacks deposits; votes are not taken yet."""
    VOTING = "voting"
    PASSED = "passed"
    """Its messages took effect."""
    FAILED = "failed"
    """It was accepted, but one of its messages was refused, so none took effect."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Its deposits did not suffice in time."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How decisions are made. Periods are short: this is for development."""

    min_deposit: int = 10_000_000
    """Base units that a proposal needs before it is voted on."""
    deposit_period: int = 120 * SECOND
    """Nanoseconds."""
    voting_period: int = 60 * SECOND
    """Nanoseconds."""
    quorum_bps: int = 3_340
    """Least part of the bonded tokens that must vote, in whatever way."""
    threshold_bps: int = 5_000
    """More than this part of the votes that do not abstain must say yes."""
    veto_bps: int = 3_340
    """If more than this part of all votes is a veto, the proposal falls and its deposits are burned."""


class Tally(msgspec.Struct, frozen=True):
    """Votes in tokens; floor where votes were split, so no option shows more than was cast."""

    yes: int
    no: int
    abstain: int
    no_with_veto: int
    bonded: int
    """All bonded tokens, voted or not."""


class Proposal(msgspec.Struct, frozen=True):
    """Messages that the chain may be asked to run in its own name."""

    proposer: Address
    title: str
    msgs: tuple[dict[str, Any], ...]
    """Canonical JSON objects; none at all is a mere statement."""
    status: Status
    deposit: int
    """Base units deposited in all, also after they have been paid back or burned."""
    submitted: int
    """Nanoseconds."""
    due: int
    """Deposits or votes are taken before this time (nanoseconds), never at or after it."""
    tally: Tally | None = None
    """The count that decided."""
    code: str = ""
    """Why it came to nothing: `gov/no-quorum`, `gov/vetoed`, `gov/no-majority`, or what refused one of its messages."""


class Ballot(msgspec.Struct, frozen=True):
    """One voter's word."""

    shares: dict[Option, int]
    """Option to basis points of the voter's power; they sum to 10^4."""


PARAMS: Item[Params] = Item("gov/params", Params)
PROPOSALS: Map[Proposal] = Map("gov/proposals", Proposal)
DEPOSITS: Map[int] = Map("gov/deposits", int, parts=2, default=0)
"""(proposal, depositor) to base units; gone when the proposal is closed."""
VOTES: Map[Ballot] = Map("gov/votes", Ballot, parts=2)
"""(proposal, voter); gone when the proposal is closed."""
QUEUE: Map[bool] = Map("gov/queue", bool, parts=2)
"""(due, proposal) of every open proposal."""
NEXT_DUE: Item[int] = Item("gov/next-due", int, default=0)
"""When the first of the queue is due, 0 if it is empty: the one thing that an idle block reads."""
NEXT_ID: Item[int] = Item("gov/next-id", int, default=1)


def get_proposal(store: Reader, number: int) -> Proposal:
    """Return a proposal.

    Raises:
        Rejected: `gov/unknown-proposal`.
    """
    found = PROPOSALS.find(store, number)
    if found is None:
        raise Rejected(UNKNOWN_PROPOSAL, proposal=str(number)[:50])
    return found


def check_params(params: Params) -> None:
    """Refuse rules under which nothing could be decided, or everything.

    Raises:
        Rejected: `gov/bad-params` with the field.
    """
    for name in ("deposit_period", "voting_period"):
        if not 0 < getattr(params, name) <= MAX_PERIOD:
            raise Rejected(BAD_PARAMS, field=name)
    for name in ("quorum_bps", "threshold_bps", "veto_bps"):
        if not 0 <= getattr(params, name) <= ONE_BPS:
            raise Rejected(BAD_PARAMS, field=name)
    if not 0 < params.min_deposit <= bank.MAX_AMOUNT:
        raise Rejected(BAD_PARAMS, field="min_deposit")
