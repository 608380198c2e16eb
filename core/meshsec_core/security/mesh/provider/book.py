"""The book of what is lent: stake records, their pools, and the transactions in flight, always written together.

Laws: a pool is the sum of its stakes; `adding` and `leaving` of a stake are the sums of its transactions in flight, less
their cuts.
"""

from typing import NamedTuple

from msgspec.structs import replace

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.account import Cut
from meshsec_core.security.mesh.burn import distribute_burn
from meshsec_core.security.mesh.packets import BurnRow
from meshsec_core.security.mesh.provider.state import (
    LENT,
    NEXT_TX,
    POOLS,
    STAKES,
    TRANSACTIONS,
    InFlight,
    Kind,
    Lent,
    validators_of,
)
from meshsec_core.security.mesh.stake import Stake, Taken, cut_unbonds


class Key(NamedTuple):
    """Names one stake."""

    link: LinkId
    validator: ValidatorId
    user: Address


def settled(store: Reader, key: Key) -> Stake:
    """Return a stake with all rewards credited that its pool has distributed; a new one owes nothing for earlier faults."""
    pool = POOLS.get(store, key.link, key.validator)
    stake = STAKES.find(store, *key)
    return Stake(points_e18=pool.points_e18, faults=pool.faults) if stake is None else stake.settle(pool.points_e18)


def write(ctx: Ctx, key: Key, before: Stake, after: Stake) -> None:
    """Replace a settled stake; the pool follows. An empty record goes, and leaves the fraction of its reward to the pool."""
    gone = after.is_empty
    bonded, adding = after.bonded - before.bonded, after.adding - before.adding
    leftover = after.accrued_e18 if gone else 0
    if bonded or adding or leftover:
        pool = POOLS.get(ctx.store, key.link, key.validator)
        changed = replace(pool, total=pool.total + bonded, adding=pool.adding + adding, leftover_e18=pool.leftover_e18 + leftover)
        POOLS.put(ctx.store, key.link, key.validator, changed)
    if gone:
        STAKES.delete(ctx.store, *key)
        _index(ctx, key, tuple(each for each in validators_of(ctx.store, key.user, key.link) if each != key.validator))
    else:
        STAKES.put(ctx.store, *key, after)
        if before.is_empty:
            known = validators_of(ctx.store, key.user, key.link)
            _index(ctx, key, tuple(sorted({*known, key.validator})))


def _index(ctx: Ctx, key: Key, validators: tuple[ValidatorId, ...]) -> None:
    if validators:
        LENT.put(ctx.store, key.user, key.link, Lent(validators))
    else:
        LENT.delete(ctx.store, key.user, key.link)


def begin(ctx: Ctx, key: Key, transaction: InFlight) -> int:
    """Write down a transaction that is about to leave; return its id."""
    number = NEXT_TX.get(ctx.store)
    NEXT_TX.put(ctx.store, number + 1)
    TRANSACTIONS.put(ctx.store, key.link, key.user, key.validator, number, transaction)
    return number


def finish(ctx: Ctx, key: Key, number: int) -> InFlight | None:
    """Strike a transaction out; None if it was answered before."""
    found = TRANSACTIONS.find(ctx.store, key.link, key.user, key.validator, number)
    if found is not None:
        TRANSACTIONS.delete(ctx.store, key.link, key.user, key.validator, number)
    return found


def note(ctx: Ctx, key: Key, taken: Taken) -> None:
    """Note on the transactions in flight, newest first, what has been taken from them."""
    _note(ctx, key, Kind.UNSTAKE, taken.leaving)
    _note(ctx, key, Kind.STAKE, taken.adding)


def _note(ctx: Ctx, key: Key, kind: Kind, amount: int) -> None:
    if amount == 0:
        return
    for (number,), transaction in reversed(list(TRANSACTIONS.items(ctx.store, key.link, key.user, key.validator))):
        if transaction.kind is kind:
            part = min(amount, transaction.amount - transaction.cut)
            noted = replace(transaction, cut=transaction.cut + part)
            TRANSACTIONS.put(ctx.store, key.link, key.user, key.validator, int(number), noted)
            amount -= part


def noted(store: Reader, key: Key) -> int:
    """Return what has been taken from transactions in flight: the consumer counts it until it hears of it."""
    return sum(transaction.cut for _, transaction in TRANSACTIONS.items(store, key.link, key.user, key.validator))


def cut(ctx: Ctx, user: Address, what: Cut, prefer: ValidatorId | None) -> tuple[BurnRow, ...]:
    """Take a cut that propagates from elsewhere from a user's stakes on a link; return what the consumer must burn at once.

    Stake in flight pays its part first, as a note on the newest packets. The rest comes from bonded stake, the preferred
    validator's before all others, which share equally; then from pending unbonds, latest maturing first.
    """
    link = LinkId(what.link)
    _cut_adding(ctx, user, link, what.pending)
    names = validators_of(ctx.store, user, link)
    stakes: dict[str, Stake] = {validator: settled(ctx.store, Key(link, validator, user)) for validator in names}
    bonded = {validator: stake.bonded for validator, stake in stakes.items()}
    from_bonded = min(what.settled, sum(bonded.values()))
    first = min(from_bonded, bonded.pop(prefer, 0)) if prefer is not None else 0
    shares = distribute_burn(tuple(bonded.items()), from_bonded - first)
    if prefer is not None and first:
        shares[prefer] = first
    rows = []
    for validator, share in sorted(shares.items()):
        key = Key(link, ValidatorId(validator), user)
        before = stakes[validator]
        after, taken = before.take_bonded(share)
        note(ctx, key, taken)
        write(ctx, key, before, after)
        stakes[validator] = after
        if taken.free:
            rows.append(BurnRow(user, key.validator, taken.free))
    changed, _ = cut_unbonds(stakes, what.settled - from_bonded)
    for validator, after in sorted(changed.items()):
        write(ctx, Key(link, ValidatorId(validator), user), stakes[validator], after)
    return tuple(rows)


def _cut_adding(ctx: Ctx, user: Address, link: LinkId, amount: int) -> None:
    if amount == 0:
        return
    in_flight = [
        (int(number), ValidatorId(validator), transaction.amount - transaction.cut)
        for (validator, number), transaction in TRANSACTIONS.items(ctx.store, link, user)
        if transaction.kind is Kind.STAKE
    ]
    for _, validator, available in sorted(in_flight, reverse=True):
        part = min(amount, available)
        key = Key(link, validator, user)
        before = settled(ctx.store, key)
        after, taken = before.take_adding(part)
        note(ctx, key, taken)
        write(ctx, key, before, after)
        amount -= part
