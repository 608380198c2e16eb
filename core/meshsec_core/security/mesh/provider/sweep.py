"""What a fault costs all who lend to a validator: charged at once, settled user by user.

A fault of a validator that few lend to is settled in the step that charges it. If very many do, the pool is marked at
once, and a bounded number of users pays in every block. Nobody can escape meanwhile: whatever would touch an account
settles it first, so each user loses exactly what they would have lost at the moment of the charge.

    charged   the fault is written down, and counted in the validator's pool
    settled   a stake knows how many faults of its pool it has paid for

Source: mesh-security contracts/provider/external-staking (slash); its issue on the cost of slashing very many users.
"""

from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.packets import BurnRow, Reduced
from meshsec_core.security.mesh.provider import book, vault
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.slashing import Burns, propagate, send_answer, send_burns
from meshsec_core.security.mesh.provider.state import FAULTS, POOLS, STAKES, SWEEPS, Fault, FaultKind, Sweep, Sweeps

USERS_PER_BLOCK = 256
"""Users that one block settles beside those who act themselves; a fault that reaches no more is settled at once."""


class Charge(NamedTuple):
    """A fault and what it costs."""

    link: LinkId
    validator: ValidatorId
    fault: Fault
    """Its amount is what has been settled so far."""
    ratio_e18: int
    """What all stake loses, in flight included; never more than a user's frozen ratio."""
    nominal_bps: int
    """What stake that was unbonding since the fault loses; bounded alike."""
    reported: int = 0
    """What the consumer has said that its slash cost, in provider tokens; it waits for an exact answer. 0 for evidence."""


def fault_id(kind: FaultKind, height: int) -> str:
    """Return under which id a fault is charged: a double sign once for ever, downtime once per infraction height."""
    return kind.value if kind is FaultKind.DOUBLE_SIGN else f"{kind.value}-{height}"


def is_charged(ctx: Ctx, link: LinkId, validator: ValidatorId, kind: FaultKind, height: int) -> bool:
    """Tell whether a fault has cost its price already, whichever way it was reported."""
    return FAULTS.has(ctx.store, link, validator, fault_id(kind, height))


def effective_ratio(ctx: Ctx, link: LinkId, validator: ValidatorId, amount: int) -> int:
    """Return which part of all stake on a validator, in flight included, an amount is, × 10^18.

    It is truncated, and each share rounds down, as in the reference: both for the user. What earlier faults have still to
    take does not count as stake.
    """
    pool = POOLS.get(ctx.store, link, validator)
    total = pool.total + pool.adding
    for sweep in SWEEPS.get(ctx.store).active:
        if (sweep.link, sweep.validator) == (link, validator):
            total -= total * sweep.ratio_e18 // ONE_E18
    return min(amount * ONE_E18 // total, ONE_E18) if total > 0 else 0


def charge(ctx: Ctx, what: Charge) -> int | None:
    """Charge a fault to all who lend to a validator; it is never charged again.

    Returns how much of what the consumer still counts has been cut, for the caller to tell it; None if that is not known
    yet: then the consumer hears of every cut by a burn, and at last that there are no more.
    """
    pool = POOLS.get(ctx.store, what.link, what.validator)
    POOLS.put(ctx.store, what.link, what.validator, replace(pool, faults=pool.faults + 1))
    _note(ctx, what.link, what.validator, what.fault)
    ctx.emit("mesh/fault", consumer=what.link, validator=what.validator, kind=what.fault.kind, height=what.fault.height)
    sweep = Sweep(what.link, what.validator, what.fault, pool.faults, what.ratio_e18, what.nominal_bps, what.reported)
    waiting = SWEEPS.get(ctx.store).active
    users = _next_users(ctx, sweep, USERS_PER_BLOCK + 1)
    if len(users) > USERS_PER_BLOCK or any((each.link, each.validator) == (what.link, what.validator) for each in waiting):
        SWEEPS.put(ctx.store, Sweeps((*waiting, sweep)))
        return None
    for user in users:
        settle(ctx, user)
    burns: Burns = {}
    rows, sweep = _pay_all(ctx, sweep, users, burns)
    if not what.reported:
        burns.setdefault(what.link, []).extend(rows)
    send_burns(ctx, burns)
    _close(ctx, sweep)
    return sum(row.amount for row in rows)


def settle(ctx: Ctx, user: Address) -> None:
    """Let a user pay for every fault that has been charged and not settled, in the order of the charges.

    Must run before anything else touches the user's account. Costs one read while no fault waits.
    """
    if ctx.store.get(SWEEPS.path) is None:
        return
    burns: Burns = {}
    sweeps = SWEEPS.get(ctx.store).active
    after = tuple(_pay_one(ctx, sweep, user, burns) if _owes(ctx, sweep, user) else sweep for sweep in sweeps)
    if after != sweeps:
        SWEEPS.put(ctx.store, Sweeps(after))
        send_burns(ctx, burns)


def run(ctx: Ctx) -> None:
    """Settle a bounded number of users; what is finished goes."""
    if ctx.store.get(SWEEPS.path) is None:
        return
    burns: Burns = {}
    room = USERS_PER_BLOCK
    left: list[Sweep] = []
    finished: list[Sweep] = []
    for sweep in SWEEPS.get(ctx.store).active:
        users = _next_users(ctx, sweep, room)
        rows, moved = _pay_all(ctx, sweep, users, burns)
        burns.setdefault(sweep.link, []).extend(rows)
        (left if len(users) == room else finished).append(moved)
        room -= len(users)
    if left:
        SWEEPS.put(ctx.store, Sweeps(tuple(left)))
    else:
        ctx.store.delete(SWEEPS.path)
    send_burns(ctx, burns)
    for sweep in finished:
        _close(ctx, sweep)
        if sweep.reported:
            send_answer(ctx, sweep.link, Reduced(sweep.validator, sweep.reported))


def has_work(store: Reader) -> bool:
    """Tell whether a fault waits for blocks."""
    return store.get(SWEEPS.path) is not None


def _next_users(ctx: Ctx, sweep: Sweep, most: int) -> tuple[Address, ...]:
    """Return users with a stake on the validator, behind those whom the sweep has passed."""
    prefix = STAKES.key(sweep.link, sweep.validator) + "/"
    found = islice(ctx.store.scan(prefix, prefix + sweep.after if sweep.after else ""), most)
    return tuple(Address(key[len(prefix) :]) for key, _ in found)


def _owes(ctx: Ctx, sweep: Sweep, user: Address) -> bool:
    if user <= sweep.after:
        return False
    stake = STAKES.find(ctx.store, sweep.link, sweep.validator, user)
    return stake is not None and stake.faults <= sweep.ordinal


def _pay_one(ctx: Ctx, sweep: Sweep, user: Address, burns: Burns) -> Sweep:
    free, lost = _pay(ctx, sweep, user, burns)
    vault.destroy(ctx, lost)
    if free:
        burns.setdefault(sweep.link, []).append(BurnRow(user, sweep.validator, free))
    return _grown(ctx, sweep, lost)


def _pay_all(ctx: Ctx, sweep: Sweep, users: tuple[Address, ...], burns: Burns) -> tuple[list[BurnRow], Sweep]:
    """Let users pay whom the sweep comes to; return what each lost that the consumer still counts."""
    rows, total = [], 0
    for user in users:
        if _owes(ctx, sweep, user):
            free, lost = _pay(ctx, sweep, user, burns)
            total += lost
            if free:
                rows.append(BurnRow(user, sweep.validator, free))
    vault.destroy(ctx, total)
    return rows, _grown(ctx, replace(sweep, after=users[-1]) if users else sweep, total)


def _pay(ctx: Ctx, sweep: Sweep, user: Address, burns: Burns) -> tuple[int, int]:
    """Take a user's share; return what of it the consumer still counts, and all of it."""
    key = Key(sweep.link, sweep.validator, user)
    before = book.settled(ctx.store, key)
    lien = vault.find(ctx.store, user).liens.get(sweep.link)
    marked = replace(before, faults=sweep.ordinal + 1)
    if lien is None:
        book.write(ctx, key, before, marked)
        return 0, 0
    charged_e18 = min(sweep.ratio_e18, lien.ratio_bps * (ONE_E18 // ONE_BPS))
    share = before.range.high * charged_e18 // ONE_E18  # rounds down, for the user
    after, taken = marked.take(share)
    ratio_e18 = min(sweep.nominal_bps, lien.ratio_bps) * (ONE_E18 // ONE_BPS)
    after, from_unbonds = after.slash_unbonds(sweep.fault.time, sweep.fault.charged_time, ratio_e18)
    book.note(ctx, key, taken)
    book.write(ctx, key, before, after)
    lost = sum(taken) + from_unbonds
    if lost:
        propagate(ctx, user, sweep.link, (lost - taken.adding, taken.adding), burns, prefer=sweep.validator)
    return taken.free, lost


def _grown(ctx: Ctx, sweep: Sweep, lost: int) -> Sweep:
    """Write down what has been settled of a fault."""
    if not lost:
        return sweep
    fault = replace(sweep.fault, amount=sweep.fault.amount + lost)
    _note(ctx, sweep.link, sweep.validator, fault)
    return replace(sweep, fault=fault)


def _note(ctx: Ctx, link: LinkId, validator: ValidatorId, fault: Fault) -> None:
    FAULTS.put(ctx.store, link, validator, fault_id(fault.kind, fault.height), fault)


def _close(ctx: Ctx, sweep: Sweep) -> None:
    fault = sweep.fault
    ctx.emit(
        "mesh/fault-settled",
        consumer=sweep.link,
        validator=sweep.validator,
        kind=fault.kind,
        height=fault.height,
        by=fault.by,
        amount=fault.amount,
    )
