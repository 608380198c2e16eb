"""Stake that is delegated, taken back and moved. Each operation is exact: the value changes by the amount, to the unit."""

import msgspec

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import Address, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import unbonding
from meshsec_core.modules.staking.signals import DelegationChanging
from meshsec_core.modules.staking.state import (
    ACTIVE_SET,
    BONDED,
    DELEGATIONS,
    DELEGATORS,
    PENDING,
    POOL,
    RECEIVED,
    VALIDATORS,
    Delegation,
    Redelegation,
    Status,
    Validator,
    delegation_value,
    get_validator,
    params,
    settled,
)
from meshsec_core.runtime.module import Ctx

INSUFFICIENT_DELEGATION = "staking/insufficient-delegation"
SAME_VALIDATOR = "staking/same-validator"
TRANSITIVE_REDELEGATION = "staking/transitive-redelegation"


def delegate(ctx: Ctx, delegator: Address, validator: ValidatorId, amount: int) -> int:
    """Stake an account's coins, locked ones first; return what the delegation is worth now: exactly `amount` more than before.

    Raises:
        Rejected: `staking/unknown-validator`, `bank/bad-amount`, `bank/insufficient-funds`.
    """
    get_validator(ctx.store, validator)
    bank.bond(ctx, delegator, ctx.module_account(POOL), ctx.denom, amount)
    value = change(ctx, delegator, validator, amount)
    ctx.emit("staking/delegate", delegator=delegator, validator=validator, amount=amount)
    return value


def undelegate(ctx: Ctx, delegator: Address, validator: ValidatorId, amount: int) -> int:
    """Start to take stake back; return when it is paid (nanoseconds), which is now if nothing can slash it any more.

    From a bonded validator it takes the unbonding time; from one that is unbonding itself, until it is unbonded; from one that is
    tombstoned no time, for it has been slashed and never will be again. Stake that
    came by redelegation is never paid before it has stopped answering for the validator it left.

    Raises:
        Rejected: `staking/unknown-validator`, `bank/bad-amount`, `staking/insufficient-delegation`, `staking/too-many-entries`.
    """
    due = max(_due(ctx, get_validator(ctx.store, validator)), _answers_until(ctx, delegator, validator))
    _take(ctx, delegator, validator, amount)
    if due <= ctx.time:
        bank.unbond(ctx, ctx.module_account(POOL), delegator, ctx.denom, amount)
    else:
        unbonding.start(ctx, delegator, validator, amount, due)
    ctx.emit("staking/undelegate", delegator=delegator, validator=validator, amount=amount, due=due)
    return due


def undelegate_now(ctx: Ctx, delegator: Address, validator: ValidatorId, amount: int) -> int:
    """Take stake back at once; return the tokens, exactly `amount`. Only for modules that destroy the coins: stake must not flee.

    Raises:
        Rejected: `staking/unknown-validator`, `bank/bad-amount`, `staking/insufficient-delegation`.
    """
    get_validator(ctx.store, validator)
    _take(ctx, delegator, validator, amount)
    bank.unbond(ctx, ctx.module_account(POOL), delegator, ctx.denom, amount)
    ctx.emit("staking/undelegate", delegator=delegator, validator=validator, amount=amount, due=ctx.time)
    return amount


def redelegate(ctx: Ctx, delegator: Address, source: ValidatorId, target: ValidatorId, amount: int) -> int:
    """Move stake to another validator at once; return until when it still answers for the one it left (nanoseconds).

    Raises:
        Rejected: `staking/same-validator`, `staking/unknown-validator`, `bank/bad-amount`, `staking/insufficient-delegation`,
            `staking/too-many-entries`; `staking/transitive-redelegation` while stake that came to `source` answers for a third.
    """
    if source == target:
        raise Rejected(SAME_VALIDATOR, validator=source)
    left = get_validator(ctx.store, source)
    get_validator(ctx.store, target)
    if _answers_until(ctx, delegator, source) > ctx.time:
        raise Rejected(TRANSITIVE_REDELEGATION, delegator=delegator, validator=source)
    due = _due(ctx, left)
    _take(ctx, delegator, source, amount)
    change(ctx, delegator, target, amount)
    if due > ctx.time:
        unbonding.answer_for(ctx, delegator, source, Redelegation(target, amount, ctx.height, ctx.time, due))
    ctx.emit("staking/redelegate", delegator=delegator, source=source, target=target, amount=amount, due=due)
    return due


def hand_over(ctx: Ctx, delegator: Address, heir: Address, validator: ValidatorId, amount: int) -> None:
    """Make stake another account's, which answers for everything it answered for; no coin moves.

    Raises:
        Rejected: `staking/unknown-validator`, `bank/bad-amount`, `staking/insufficient-delegation`;
            `staking/transitive-redelegation` while it answers for a validator that it has left.
    """
    get_validator(ctx.store, validator)
    if _answers_until(ctx, delegator, validator) > ctx.time:
        raise Rejected(TRANSITIVE_REDELEGATION, delegator=delegator, validator=validator)
    bank.check_amount(amount)
    value = delegation_value(ctx.store, delegator, validator)
    if amount > value:
        raise Rejected(INSUFFICIENT_DELEGATION, delegator=delegator, validator=validator, needed=amount, available=value)
    change(ctx, heir, validator, amount)
    change(ctx, delegator, validator, -amount)
    ctx.emit("staking/hand-over", delegator=delegator, heir=heir, validator=validator, amount=amount)


def change(ctx: Ctx, delegator: Address, validator: ValidatorId, difference: int) -> int:
    """Add tokens to a delegation, or take them off; coins are the caller's matter. Return what it is worth then.

    Raises:
        InvariantViolated: more is taken off than it is worth.
    """
    ctx.signal(DelegationChanging(delegator, validator))
    record = VALIDATORS.get(ctx.store, validator)
    before = DELEGATIONS.find(ctx.store, delegator, validator)
    value = (0 if before is None else settled(ctx.store, record, before).tokens) + difference
    if value < 0:
        raise InvariantViolated(f"delegation of {delegator} to {validator} would be {value}")
    if value > 0:
        DELEGATIONS.put(ctx.store, delegator, validator, Delegation(value, record.cuts))
        if before is None:
            DELEGATORS.put(ctx.store, validator, delegator, True)
    elif before is not None:
        DELEGATIONS.delete(ctx.store, delegator, validator)
        DELEGATORS.delete(ctx.store, validator, delegator)
    tokens = record.tokens + difference
    if value == 0 and tokens and not any(True for _ in ctx.store.scan(DELEGATORS.key(validator) + "/")):
        bank.burn(ctx, ctx.module_account(POOL), ctx.denom, tokens)  # what slashes have left over, and now stands for nobody
        tokens = 0
    put_tokens(ctx, record, tokens)
    return value


def put_tokens(ctx: Ctx, validator: Validator, tokens: int) -> None:
    """Write a validator with other tokens, and all that follows from them."""
    VALIDATORS.put(ctx.store, validator.operator, msgspec.structs.replace(validator, tokens=tokens))
    if validator.status is Status.BONDED:
        BONDED.put(ctx.store, BONDED.get(ctx.store) + tokens - validator.tokens)
    PENDING.put(ctx.store, ACTIVE_SET, True)


def _take(ctx: Ctx, delegator: Address, validator: ValidatorId, amount: int) -> None:
    bank.check_amount(amount)
    value = delegation_value(ctx.store, delegator, validator)
    if amount > value:
        raise Rejected(INSUFFICIENT_DELEGATION, delegator=delegator, validator=validator, needed=amount, available=value)
    change(ctx, delegator, validator, -amount)


def _due(ctx: Ctx, validator: Validator) -> int:
    """Return until when stake that leaves a validator now can be slashed for it."""
    if validator.tombstoned:
        return ctx.time
    match validator.status:
        case Status.BONDED:
            return ctx.time + params(ctx.store).unbonding_time
        case Status.UNBONDING:
            return validator.unbonding_time
        case Status.UNBONDED:
            return ctx.time


def _answers_until(ctx: Ctx, delegator: Address, validator: ValidatorId) -> int:
    """Return until when stake that a delegator has moved to a validator answers for others; 0 if it does not."""
    entries = RECEIVED.items(ctx.store, delegator, validator)
    return max(
        (unbonding.redelegation(ctx.store, source, delegator, int(number)).due for (number,), source in entries), default=0
    )
