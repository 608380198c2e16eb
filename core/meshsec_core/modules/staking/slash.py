"""Slashing: what a fault costs, whom it reaches and where the coins go.

A fault costs `power at the infraction × power reduction × fraction`, rounded down. Coins that have left since by unbonding or
redelegation pay their fraction first (rounded up, or splitting them into crumbs would pass the loss to those who stayed); the
validator's tokens pay the rest.
"""

import msgspec

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ONE_BPS, Address, ValidatorId, ceil_div
from meshsec_core.modules import bank
from meshsec_core.modules.staking import unbonding
from meshsec_core.modules.staking.delegation import change, put_tokens
from meshsec_core.modules.staking.history import UPDATE_DELAY
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.modules.staking.state import (
    CUTS,
    DELEGATIONS,
    POOL,
    REDELEGATIONS,
    UNBONDINGS,
    VALIDATORS,
    Cut,
    Redelegation,
    delegation_value,
    get_validator,
    params,
    settled_until,
)
from meshsec_core.runtime.module import Ctx

COMMUNITY = "community"
"""Module account whose balance is the community pool."""


class Fault(msgspec.Struct, frozen=True):
    """What a validator is slashed for."""

    reason: str
    """`double-sign` or `downtime`."""
    height: int
    """Infraction height."""
    time: int
    """Infraction time, nanoseconds; 0 if unknown."""
    power: int
    """Consensus power at the infraction."""
    fraction_bps: int

    @property
    def since(self) -> int:
        """First height whose departures are reached: what left one block before the infraction still counted in its vote."""
        return self.height - UPDATE_DELAY + 1


def slash(ctx: Ctx, validator: ValidatorId, fault: Fault) -> int:
    """Cut a validator's stake for a fault; return all tokens taken, which are destroyed or go to the community pool.

    Raises:
        Rejected: `staking/unknown-validator`.
        InvariantViolated: the fault lies in the future or its fraction is none.
    """
    if fault.height > ctx.height or not 0 <= fault.fraction_bps <= ONE_BPS:
        raise InvariantViolated(f"cannot slash for {fault}")
    get_validator(ctx.store, validator)
    nominal = fault.power * params(ctx.store).power_reduction * fault.fraction_bps // ONE_BPS
    unbonding_cuts = _cut_unbondings(ctx, validator, fault)
    redelegation_cuts = _cut_redelegations(ctx, validator, fault)
    elsewhere = sum(tokens for _, tokens in unbonding_cuts) + sum(tokens for _, _, tokens in redelegation_cuts)
    record = VALIDATORS.get(ctx.store, validator)
    own = min(record.tokens, max(0, nominal - elsewhere))
    if own:
        CUTS.put(ctx.store, validator, record.cuts, Cut(record.tokens, record.tokens - own))
        put_tokens(ctx, msgspec.structs.replace(record, cuts=record.cuts + 1), record.tokens - own)
    _dispose(ctx, own + elsewhere)
    ctx.emit("staking/slash", validator=validator, reason=fault.reason, height=fault.height, tokens=own, elsewhere=elsewhere)
    ctx.signal(
        ValidatorSlashed(
            validator=validator,
            reason=fault.reason,
            height=fault.height,
            time=fault.time,
            power=fault.power,
            fraction_bps=fault.fraction_bps,
            tokens_before=record.tokens,
            tokens_after=record.tokens - own,
            ordinal=record.cuts,
            unbonding_cuts=unbonding_cuts,
            redelegation_cuts=redelegation_cuts,
            burned=own + elsewhere,
        )
    )
    return own + elsewhere


def slash_delegator(ctx: Ctx, delegator: Address, validator: ValidatorId, fraction_bps: int, since: int) -> int:
    """Cut one delegator's stake alone, for a fault that is not the validator's here; return all tokens taken.

    As by `slash` it reaches what has left by unbonding or redelegation at a time of at least `since` (nanoseconds), whose parts
    round up; of what is still delegated the part rounds down.
    """
    bonded = delegation_value(ctx.store, delegator, validator) * fraction_bps // ONE_BPS
    if bonded:
        change(ctx, delegator, validator, -bonded)
    elsewhere = 0
    for (number,), leaving in UNBONDINGS.items(ctx.store, validator, delegator):
        if leaving.time >= since and leaving.due > ctx.time:
            part = min(leaving.balance, ceil_div(leaving.initial * fraction_bps, ONE_BPS))
            unbonding.cut(ctx, (validator, delegator, int(number)), leaving, part)
            elsewhere += part
    for _, moved in REDELEGATIONS.items(ctx.store, validator, delegator):
        if moved.time >= since and moved.due > ctx.time:
            elsewhere += _cut_target(ctx, delegator, moved, ceil_div(moved.initial * fraction_bps, ONE_BPS))
    _dispose(ctx, bonded + elsewhere)
    return bonded + elsewhere


def loss(store: Reader, delegator: Address, slashed: ValidatorSlashed) -> int:
    """Return what a slash took from a delegator's stake and unbonding coins there; for hooks of the signal."""
    left = sum(tokens for owner, tokens in slashed.unbonding_cuts if owner == delegator)
    delegation = DELEGATIONS.find(store, delegator, slashed.validator)
    if delegation is None or slashed.tokens_after == slashed.tokens_before:
        return left
    before = settled_until(store, slashed.validator, delegation, slashed.ordinal).tokens
    return left + before - before * slashed.tokens_after // slashed.tokens_before


def _cut_unbondings(ctx: Ctx, validator: ValidatorId, fault: Fault) -> tuple[tuple[Address, int], ...]:
    cuts: dict[Address, int] = {}
    for (owner, number), entry in UNBONDINGS.items(ctx.store, validator):
        if entry.height < fault.since or entry.due <= ctx.time:
            continue
        tokens = min(entry.balance, ceil_div(entry.initial * fault.fraction_bps, ONE_BPS))
        if tokens:
            delegator = Address(owner)
            unbonding.cut(ctx, (validator, delegator, int(number)), entry, tokens)
            cuts[delegator] = cuts.get(delegator, 0) + tokens
    return tuple(cuts.items())


def _cut_redelegations(ctx: Ctx, validator: ValidatorId, fault: Fault) -> tuple[tuple[Address, ValidatorId, int], ...]:
    cuts: list[tuple[Address, ValidatorId, int]] = []
    for (owner, _), entry in REDELEGATIONS.items(ctx.store, validator):
        if entry.height < fault.since or entry.due <= ctx.time:
            continue
        tokens = _cut_target(ctx, Address(owner), entry, ceil_div(entry.initial * fault.fraction_bps, ONE_BPS))
        if tokens:
            cuts.append((Address(owner), entry.target, tokens))
    return tuple(cuts)


def _cut_target(ctx: Ctx, delegator: Address, entry: Redelegation, owed: int) -> int:
    """Take what redelegated stake owes from where it went: its delegation, then what has been unbonding from there since."""
    bonded = min(owed, delegation_value(ctx.store, delegator, entry.target))
    if bonded:
        change(ctx, delegator, entry.target, -bonded)
    left = owed - bonded
    for (number,), leaving in UNBONDINGS.items(ctx.store, entry.target, delegator):
        if leaving.height < entry.height or leaving.due <= ctx.time:
            continue
        part = min(left, leaving.balance)
        unbonding.cut(ctx, (entry.target, delegator, int(number)), leaving, part)
        left -= part
    return owed - left


def _dispose(ctx: Ctx, tokens: int) -> None:
    if tokens == 0:
        return
    pool = ctx.module_account(POOL)
    if params(ctx.store).slashed_to_community:
        bank.send(ctx, pool, ctx.module_account(COMMUNITY), ctx.denom, tokens)
    else:
        bank.burn(ctx, pool, ctx.denom, tokens)
