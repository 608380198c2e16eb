"""Governance as the chain sees it: messages, views and laws."""

from typing import Any

import msgspec

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import ONE_BPS, Address
from meshsec_core.modules import bank
from meshsec_core.modules.gov import course
from meshsec_core.modules.gov.state import (
    DEPOSITORY,
    DEPOSITS,
    NEXT_DUE,
    PARAMS,
    PROPOSALS,
    QUEUE,
    VOTES,
    Option,
    Params,
    Proposal,
    Status,
    Tally,
    check_params,
    get_proposal,
)
from meshsec_core.modules.gov.tally import count, decide
from meshsec_core.runtime.authority import set_params
from meshsec_core.runtime.module import Ctx, Module, Msg, View


class Submit(Msg, frozen=True, tag="gov/Submit"):
    """Propose that the chain runs messages in its own name, and deposit the signer's coins for it."""

    title: str
    msgs: tuple[dict[str, Any], ...]
    """Messages as JSON objects; none for a mere statement."""
    deposit: int
    """Base units; the vote begins once all deposits reach the least deposit."""


class Deposit(Msg, frozen=True, tag="gov/Deposit"):
    """Back an open proposal with the signer's coins; they come back unless it is vetoed."""

    proposal: int
    """Its number."""
    amount: int


class Vote(Msg, frozen=True, tag="gov/Vote"):
    """Vote with all of the signer's stake, or change the vote."""

    proposal: int
    """Its number."""
    option: Option
    """`yes`, `no`, `abstain` or `no_with_veto`."""


class VoteWeighted(Msg, frozen=True, tag="gov/VoteWeighted"):
    """Vote with parts of the signer's stake for several options, or change the vote."""

    proposal: int
    """Its number."""
    shares: dict[Option, int]
    """Option to basis points; they sum to 10000."""


class SetParams(Msg, frozen=True, tag="gov/SetParams"):
    """Change how decisions are made; governance alone may."""

    changes: dict[str, Any]
    """Rule to its new value; what is not named stays."""


def on_submit(ctx: Ctx, msg: Submit) -> None:
    """Open a proposal.

    Raises:
        Rejected: what `course.submit` refuses.
    """
    course.submit(ctx, ctx.signer, msg.title, msg.msgs, msg.deposit)


def on_deposit(ctx: Ctx, msg: Deposit) -> None:
    """Add to a proposal's deposits.

    Raises:
        Rejected: what `course.add_deposit` refuses.
    """
    course.add_deposit(ctx, ctx.signer, msg.proposal, msg.amount)


def on_vote(ctx: Ctx, msg: Vote) -> None:
    """Vote with one word.

    Raises:
        Rejected: `gov/unknown-proposal`, `gov/not-voting`.
    """
    course.cast(ctx, ctx.signer, msg.proposal, {msg.option: ONE_BPS})


def on_vote_weighted(ctx: Ctx, msg: VoteWeighted) -> None:
    """Vote with several.

    Raises:
        Rejected: what `course.cast` refuses.
    """
    course.cast(ctx, ctx.signer, msg.proposal, msg.shares)


def on_set_params(ctx: Ctx, msg: SetParams) -> None:
    """Change the rules: periods for proposals to come, shares also for those that are voted on.

    Raises:
        Rejected: `gov/unauthorized`, `codec/malformed`, `gov/bad-params`.
    """
    set_params(ctx, "gov", PARAMS, msg, check_params)


def init(ctx: Ctx, genesis: Params) -> None:
    """Write the rules and close the account of the deposits to transfers.

    Raises:
        Rejected: `gov/bad-params`.
    """
    check_params(genesis)
    PARAMS.put(ctx.store, genesis)
    bank.reserve(ctx, DEPOSITORY)


class ProposalView(msgspec.Struct, frozen=True):
    """A proposal as readers see it."""

    id: int
    proposal: Proposal


class TallyView(msgspec.Struct, frozen=True):
    """The votes of a proposal: as they stand, or as they decided."""

    tally: Tally
    code: str
    """Why the proposal would come to nothing if it were closed now, or did; empty if it would pass."""


def query_proposals(view: View, status: str = "") -> tuple[ProposalView, ...]:
    """List proposals, oldest first; all of them, or those of one status."""
    found = (ProposalView(int(number), proposal) for (number,), proposal in PROPOSALS.items(view.store))
    return tuple(each for each in found if status in ("", each.proposal.status))


def query_proposal(view: View, proposal: int) -> ProposalView:
    """Show one proposal.

    Raises:
        Rejected: `gov/unknown-proposal`.
    """
    return ProposalView(proposal, get_proposal(view.store, proposal))


def query_deposits(view: View, proposal: int) -> dict[Address, int]:
    """Show who backs an open proposal, and by how much.

    Raises:
        Rejected: `gov/unknown-proposal`.
    """
    get_proposal(view.store, proposal)
    return {Address(depositor): amount for (depositor,), amount in DEPOSITS.items(view.store, proposal)}


def query_votes(view: View, proposal: int) -> dict[Address, dict[Option, int]]:
    """Show who has voted how on an open proposal: option to basis points.

    Raises:
        Rejected: `gov/unknown-proposal`.
    """
    get_proposal(view.store, proposal)
    return {Address(voter): ballot.shares for (voter,), ballot in VOTES.items(view.store, proposal)}


def query_tally(view: View, proposal: int) -> TallyView:
    """Show the votes of a proposal by stake: as they stand, or as they decided.

    Raises:
        Rejected: `gov/unknown-proposal`.
    """
    found = get_proposal(view.store, proposal)
    if found.tally is not None:
        return TallyView(found.tally, found.code)
    counted = count(view.store, view.machine.prefix, proposal)
    return TallyView(counted.tally, decide(counted, PARAMS.get(view.store)))


def query_params(view: View) -> Params:
    """Show how decisions are made."""
    return PARAMS.get(view.store)


def deposits_are_held(view: View) -> None:
    """Check that the account of the deposits holds exactly what open proposals have been given.

    Raises:
        InvariantViolated: it holds another amount, or the deposits of a proposal do not add up.
    """
    total = 0
    for (number,), proposal in PROPOSALS.items(view.store):
        held = sum(amount for _, amount in DEPOSITS.items(view.store, int(number)))
        expected = proposal.deposit if proposal.status in (Status.DEPOSIT, Status.VOTING) else 0
        if held != expected:
            raise InvariantViolated(f"proposal {number} was given {expected} and has {held}")
        total += held
    balance = bank.balance(view.store, module_account(view.machine.prefix, DEPOSITORY), view.machine.denom)
    if balance != total:
        raise InvariantViolated(f"deposits of {total} and a balance of {balance}")


def queue_agrees(view: View) -> None:
    """Check that every open proposal waits for its time, and nothing else does.

    Raises:
        InvariantViolated: a proposal is missing, is there too often, or is overdue, or the next time is not the first.
    """
    queued = [(int(due), int(number)) for (due, number), _ in QUEUE.items(view.store)]
    proposals = [(int(number), proposal) for (number,), proposal in PROPOSALS.items(view.store)]
    waiting = sorted((each.due, number) for number, each in proposals if each.status in (Status.DEPOSIT, Status.VOTING))
    if queued != waiting or (queued and queued[0][0] <= view.time):
        raise InvariantViolated(f"queue {queued} and open proposals {waiting} at {view.time}")
    if NEXT_DUE.get(view.store) != (queued[0][0] if queued else 0):
        raise InvariantViolated(f"the next is due at {NEXT_DUE.get(view.store)} and the queue is {queued}")


GOV: Module[Params] = Module(
    "gov",
    handlers={
        Submit: on_submit,
        Deposit: on_deposit,
        Vote: on_vote,
        VoteWeighted: on_vote_weighted,
        SetParams: on_set_params,
    },
    genesis=Params,
    init=init,
    end_block=course.end_block,
    queries={
        "proposals": query_proposals,
        "proposal": query_proposal,
        "deposits": query_deposits,
        "votes": query_votes,
        "tally": query_tally,
        "params": query_params,
    },
    laws={"deposits are held": deposits_are_held, "the queue of proposals agrees": queue_agrees},
    stores=("gov",),
)
"""Decisions of the stakers, carried out in the chain's name."""
