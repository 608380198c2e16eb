"""The course of a proposal: submitted, backed by deposits, voted on, and closed by the first block that is late enough.

A closed proposal keeps its outcome and loses its deposits and votes. Deposits go back to who made them, unless the proposal was
vetoed: then they are burned.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, Address
from meshsec_core.modules import bank
from meshsec_core.modules.gov.state import (
    DEPOSITORY,
    DEPOSITS,
    NEXT_DUE,
    NEXT_ID,
    PARAMS,
    PROPOSALS,
    QUEUE,
    VOTES,
    Ballot,
    Option,
    Proposal,
    Status,
    get_proposal,
)
from meshsec_core.modules.gov.tally import Outcome, count, decide
from meshsec_core.runtime.authority import AUTHORITY
from meshsec_core.runtime.module import Ctx
from meshsec_core.runtime.tx import read_msg

BAD_TITLE = "gov/bad-title"
TOO_MANY_MESSAGES = "gov/too-many-messages"
NOT_OPEN = "gov/not-open"
NOT_VOTING = "gov/not-voting"
BAD_SHARES = "gov/bad-shares"

TITLE_LENGTH = 200
"""Most characters of a title."""
MAX_MSGS = 100
"""Most messages of a proposal: they all run in one block that nobody can refuse."""


def submit(ctx: Ctx, proposer: Address, title: str, msgs: tuple[dict[str, Any], ...], deposit: int) -> int:
    """Open a proposal with a first deposit; return its number.

    Raises:
        Rejected: `gov/bad-title`, `gov/too-many-messages`, `tx/unknown-message`, `codec/malformed`, and what `add_deposit`
            refuses.
    """
    if not 0 < len(title) <= TITLE_LENGTH:
        raise Rejected(BAD_TITLE, length=len(title), limit=TITLE_LENGTH)
    if len(msgs) > MAX_MSGS:
        raise Rejected(TOO_MANY_MESSAGES, messages=len(msgs), limit=MAX_MSGS)
    spelled = tuple(codec.plain(read_msg(msg, ctx.machine)) for msg in msgs)
    number = NEXT_ID.get(ctx.store)
    NEXT_ID.put(ctx.store, number + 1)
    due = ctx.time + PARAMS.get(ctx.store).deposit_period
    PROPOSALS.put(ctx.store, number, Proposal(proposer, title, spelled, Status.DEPOSIT, 0, ctx.time, due))
    QUEUE.put(ctx.store, due, number, True)
    ctx.emit("gov/submit", proposal=number, proposer=proposer, title=title, messages=len(spelled))
    add_deposit(ctx, proposer, number, deposit)
    _note_next_due(ctx)
    return number


def add_deposit(ctx: Ctx, depositor: Address, number: int, amount: int) -> None:
    """Back an open proposal with coins; the vote begins once there are enough.

    Raises:
        Rejected: `gov/unknown-proposal`, `gov/not-open`, `bank/bad-amount`, `bank/insufficient-funds`.
    """
    proposal = get_proposal(ctx.store, number)
    if proposal.status not in (Status.DEPOSIT, Status.VOTING) or ctx.time >= proposal.due:
        raise Rejected(NOT_OPEN, proposal=number, status=proposal.status)
    bank.send(ctx, depositor, ctx.module_account(DEPOSITORY), ctx.denom, amount)
    DEPOSITS.put(ctx.store, number, depositor, DEPOSITS.get(ctx.store, number, depositor) + amount)
    ctx.emit("gov/deposit", proposal=number, depositor=depositor, amount=amount)
    backed = msgspec.structs.replace(proposal, deposit=proposal.deposit + amount)
    params = PARAMS.get(ctx.store)
    if backed.status is Status.DEPOSIT and backed.deposit >= params.min_deposit:
        QUEUE.delete(ctx.store, backed.due, number)
        backed = msgspec.structs.replace(backed, status=Status.VOTING, due=ctx.time + params.voting_period)
        QUEUE.put(ctx.store, backed.due, number, True)
        ctx.emit("gov/voting", proposal=number, due=backed.due)
    PROPOSALS.put(ctx.store, number, backed)
    _note_next_due(ctx)


def cast(ctx: Ctx, voter: Address, number: int, shares: Mapping[Option, int]) -> None:
    """Vote, or vote anew: the last word counts, with the stake that the voter has when votes are counted.

    Args:
        ctx: where it happens.
        voter: whose stake speaks.
        number: of the proposal.
        shares: option to basis points of the voter's power.

    Raises:
        Rejected: `gov/unknown-proposal`, `gov/not-voting`; `gov/bad-shares` unless all are positive and sum to 10^4.
    """
    proposal = get_proposal(ctx.store, number)
    if proposal.status is not Status.VOTING or ctx.time >= proposal.due:
        raise Rejected(NOT_VOTING, proposal=number, status=proposal.status)
    if sum(shares.values()) != ONE_BPS or any(share <= 0 for share in shares.values()):
        raise Rejected(BAD_SHARES, expected=f"positive basis points that sum to {ONE_BPS}")
    ballot = Ballot({option: shares[option] for option in Option if option in shares})
    VOTES.put(ctx.store, number, voter, ballot)
    said = ", ".join(f"{option} {share}" for option, share in ballot.shares.items())
    ctx.emit("gov/vote", proposal=number, voter=voter, shares=said)


def end_block(ctx: Ctx) -> None:
    """Close what is due. A block in which nothing is due reads one value."""
    if not 0 < NEXT_DUE.get(ctx.store) <= ctx.time:
        return
    for (due, number), _ in QUEUE.items(ctx.store):
        if int(due) > ctx.time:
            break
        QUEUE.delete(ctx.store, int(due), int(number))
        _close(ctx, int(number))
    _note_next_due(ctx)


def _close(ctx: Ctx, number: int) -> None:
    proposal = PROPOSALS.get(ctx.store, number)
    if proposal.status is Status.DEPOSIT:
        closed = msgspec.structs.replace(proposal, status=Status.EXPIRED)
        outcome = None
    else:
        counted = count(ctx.store, ctx.prefix, number)
        outcome = decide(counted, PARAMS.get(ctx.store))
        status = Status.PASSED if outcome is Outcome.ACCEPTED else Status.REJECTED
        closed = msgspec.structs.replace(proposal, status=status, tally=counted.tally, code=str(outcome))
    PROPOSALS.put(ctx.store, number, closed)
    _clear(ctx, number, burn=outcome is Outcome.VETOED)
    if closed.status is Status.PASSED:
        closed = _run(ctx, number, closed)
    ctx.emit("gov/closed", proposal=number, status=closed.status, code=closed.code)


def _clear(ctx: Ctx, number: int, *, burn: bool) -> None:
    """Forget votes and deposits; the coins go back, or out of existence."""
    depository = ctx.module_account(DEPOSITORY)
    for (depositor,), amount in DEPOSITS.items(ctx.store, number):
        DEPOSITS.delete(ctx.store, number, depositor)
        if burn:
            bank.burn(ctx, depository, ctx.denom, amount)
        else:
            bank.send(ctx, depository, Address(depositor), ctx.denom, amount)
    for (voter,), _ in VOTES.items(ctx.store, number):
        VOTES.delete(ctx.store, number, voter)


def _run(ctx: Ctx, number: int, proposal: Proposal) -> Proposal:
    """Run an accepted proposal's messages in the chain's name, all of them or none; return what has become of it."""
    try:
        with ctx.branch() as branch:
            for spelled in proposal.msgs:
                branch.handle(read_msg(spelled, ctx.machine), ctx.module_account(AUTHORITY))
    except Rejected as refusal:
        ctx.emit("gov/refused", proposal=number, code=refusal.code, said=str(refusal))
        proposal = msgspec.structs.replace(proposal, status=Status.FAILED, code=refusal.code)
        PROPOSALS.put(ctx.store, number, proposal)
    return proposal


def _note_next_due(ctx: Ctx) -> None:
    prefix = QUEUE.path + "/"
    first = next((key for key, _ in ctx.store.scan(prefix)), None)
    due = 0 if first is None else int(first.removeprefix(prefix).partition("/")[0])
    if due != NEXT_DUE.get(ctx.store):
        NEXT_DUE.put(ctx.store, due)
