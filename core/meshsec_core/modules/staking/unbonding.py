"""What falls due: unbonding coins, redelegated stake that still answers for its source, validators that leave the active set."""

from collections.abc import Iterator

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Map
from meshsec_core.kernel.types import Address, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking.state import (
    NEXT_ID,
    POOL,
    RECEIVED,
    REDELEGATIONS,
    UNBONDINGS,
    UNBONDINGS_OF,
    VALIDATORS,
    Redelegation,
    Status,
    Unbonding,
    params,
    unbondings_of,
)
from meshsec_core.runtime.module import Ctx

TOO_MANY_ENTRIES = "staking/too-many-entries"


class Due(msgspec.Struct, frozen=True):
    """What falls due: an unbonding or redelegation by its key; a validator if there is no delegator."""

    kind: str
    """`unbonding`, `redelegation` or `validator`."""
    validator: ValidatorId
    delegator: Address


QUEUE: Map[Due] = Map("staking/queue", Due, parts=2)
"""(due time, id) to what falls due then."""


def start(ctx: Ctx, delegator: Address, validator: ValidatorId, amount: int, due: int) -> None:
    """Queue coins that have left a delegation. What leaves in the same block with the same due time is one entry.

    Raises:
        Rejected: `staking/too-many-entries`.
    """
    entries = list(UNBONDINGS.items(ctx.store, validator, delegator))
    for (known,), entry in entries[-1:]:
        if entry.height == ctx.height and entry.due == due:
            grown = Unbonding(entry.initial + amount, entry.balance + amount, entry.height, entry.time, due)
            UNBONDINGS.put(ctx.store, validator, delegator, int(known), grown)
            return
    _refuse_many(ctx, len(entries), delegator, validator)
    number = enqueue(ctx, due, Due("unbonding", validator, delegator))
    UNBONDINGS.put(ctx.store, validator, delegator, number, Unbonding(amount, amount, ctx.height, ctx.time, due))
    UNBONDINGS_OF.put(ctx.store, delegator, number, validator)


def answer_for(ctx: Ctx, delegator: Address, source: ValidatorId, entry: Redelegation) -> None:
    """Remember that redelegated stake still answers for the validator it left.

    Raises:
        Rejected: `staking/too-many-entries`.
    """
    known = sum(1 for _, other in RECEIVED.items(ctx.store, delegator, entry.target) if other == source)
    _refuse_many(ctx, known, delegator, source)
    number = enqueue(ctx, entry.due, Due("redelegation", source, delegator))
    REDELEGATIONS.put(ctx.store, source, delegator, number, entry)
    RECEIVED.put(ctx.store, delegator, entry.target, number, source)


def redelegation(store: Reader, source: str, delegator: Address, number: int) -> Redelegation:
    """Return one redelegation."""
    return REDELEGATIONS.get(store, source, delegator, number)


def enqueue(ctx: Ctx, due: int, what: Due) -> int:
    """Have something fall due; return the id under which it is kept."""
    number = NEXT_ID.get(ctx.store)
    NEXT_ID.put(ctx.store, number + 1)
    QUEUE.put(ctx.store, due, number, what)
    return number


def recall(ctx: Ctx, delegator: Address, amount: int) -> int:
    """Pay a delegator's unbonding coins early, latest due first; return how much there was, at most `amount`.

    Only for modules that destroy the coins: they would otherwise flee from slashes.
    """
    latest_first = sorted(unbondings_of(ctx.store, delegator), key=lambda found: (found[2].due, found[1]), reverse=True)
    left = amount
    for validator, number, entry in latest_first:
        part = min(left, entry.balance)
        cut(ctx, (validator, delegator, number), entry, part)
        left -= part
    if left < amount:
        bank.unbond(ctx, ctx.module_account(POOL), delegator, ctx.denom, amount - left)
        ctx.emit("staking/recall", delegator=delegator, amount=amount - left)
    return amount - left


def cut(ctx: Ctx, key: tuple[ValidatorId, Address, int], entry: Unbonding, amount: int) -> None:
    """Lower what an entry pays; one that pays nothing stays until it is due, so that its id stays in the queue."""
    if amount:
        UNBONDINGS.put(ctx.store, *key, msgspec.structs.replace(entry, balance=entry.balance - amount))


def mature(ctx: Ctx) -> None:
    """Finish everything that is due."""
    for time, number, what in list(_due(ctx)):
        QUEUE.delete(ctx.store, time, number)
        match what.kind:
            case "unbonding":
                _pay(ctx, what, number)
            case "redelegation":
                entry = REDELEGATIONS.get(ctx.store, what.validator, what.delegator, number)
                REDELEGATIONS.delete(ctx.store, what.validator, what.delegator, number)
                RECEIVED.delete(ctx.store, what.delegator, entry.target, number)
            case _:
                _unbonded(ctx, what.validator, time)


def _due(ctx: Ctx) -> Iterator[tuple[int, int, Due]]:
    prefix = QUEUE.path + "/"
    for key, raw in ctx.store.scan(prefix):
        time, number = key.removeprefix(prefix).split("/")
        if int(time) > ctx.time:
            return
        yield int(time), int(number), codec.load(raw, Due)


def _pay(ctx: Ctx, what: Due, number: int) -> None:
    entry = UNBONDINGS.get(ctx.store, what.validator, what.delegator, number)
    UNBONDINGS.delete(ctx.store, what.validator, what.delegator, number)
    UNBONDINGS_OF.delete(ctx.store, what.delegator, number)
    if entry.balance:
        bank.unbond(ctx, ctx.module_account(POOL), what.delegator, ctx.denom, entry.balance)
    ctx.emit("staking/unbonded", delegator=what.delegator, validator=what.validator, amount=entry.balance)


def _unbonded(ctx: Ctx, validator: ValidatorId, due: int) -> None:
    record = VALIDATORS.get(ctx.store, validator)
    if record.status is Status.UNBONDING and record.unbonding_time == due:
        done = msgspec.structs.replace(record, status=Status.UNBONDED, unbonding_height=0, unbonding_time=0)
        VALIDATORS.put(ctx.store, validator, done)
        ctx.emit("staking/validator-unbonded", validator=validator)


def _refuse_many(ctx: Ctx, entries: int, delegator: Address, validator: ValidatorId) -> None:
    limit = params(ctx.store).max_entries
    if entries >= limit:
        raise Rejected(TOO_MANY_ENTRIES, delegator=delegator, validator=validator, limit=limit)
