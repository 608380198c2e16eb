"""Validators come, are jailed and leave; at the end of a block the strongest make up the active set."""

import msgspec

from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, Address, ValidatorId
from meshsec_core.modules.staking.history import UPDATE_DELAY, record_power
from meshsec_core.modules.staking.signals import (
    ValidatorBonded,
    ValidatorCreated,
    ValidatorJailed,
    ValidatorTombstoned,
    ValidatorUnbonding,
    ValidatorUnjailed,
)
from meshsec_core.modules.staking.state import (
    ACTIVE,
    ACTIVE_SET,
    BONDED,
    CONSENSUS,
    PENDING,
    VALIDATORS,
    Active,
    ActiveSet,
    Status,
    Validator,
    get_validator,
    params,
    power,
    validators,
)
from meshsec_core.modules.staking.unbonding import Due, enqueue, mature
from meshsec_core.runtime.module import Ctx

VALIDATOR_EXISTS = "staking/validator-exists"
KEY_IN_USE = "staking/key-in-use"
BAD_KEY = "staking/bad-key"
BAD_COMMISSION = "staking/bad-commission"
BAD_NAME = "staking/bad-name"
NOT_JAILED = "staking/not-jailed"
TOMBSTONED = "staking/tombstoned"

KEY_BYTES = 32
NAME_LENGTH = 70


def create(ctx: Ctx, validator: Validator) -> None:
    """Add a validator without stake.

    Raises:
        Rejected: `staking/validator-exists`, `staking/key-in-use`, `staking/bad-key`, `staking/bad-commission`,
            `staking/bad-name`.
    """
    if VALIDATORS.has(ctx.store, validator.operator):
        raise Rejected(VALIDATOR_EXISTS, validator=validator.operator)
    if len(validator.public_key) != KEY_BYTES:
        raise Rejected(BAD_KEY, bytes=len(validator.public_key))
    if not 0 <= validator.commission_bps <= ONE_BPS:
        raise Rejected(BAD_COMMISSION, commission_bps=str(validator.commission_bps)[:50])
    if not 0 < len(validator.name) <= NAME_LENGTH:
        raise Rejected(BAD_NAME, length=len(validator.name))
    address = address_of(validator.public_key).hex()
    if CONSENSUS.has(ctx.store, address):
        raise Rejected(KEY_IN_USE, address=address)
    CONSENSUS.put(ctx.store, address, validator.operator)
    VALIDATORS.put(ctx.store, validator.operator, validator)
    ctx.emit("staking/create-validator", validator=validator.operator, name=validator.name)
    ctx.signal(ValidatorCreated(validator.operator))


def jail(ctx: Ctx, validator: ValidatorId) -> None:
    """Keep a validator out of the active set from this block's end on; a jailed one stays jailed.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    record = get_validator(ctx.store, validator)
    if record.jailed:
        return
    VALIDATORS.put(ctx.store, validator, msgspec.structs.replace(record, jailed=True))
    PENDING.put(ctx.store, ACTIVE_SET, True)
    ctx.emit("staking/jail", validator=validator)
    ctx.signal(ValidatorJailed(validator))


def unjail(ctx: Ctx, validator: ValidatorId) -> None:
    """Let a jailed validator compete for the active set again.

    Raises:
        Rejected: `staking/unknown-validator`, `staking/not-jailed`, `staking/tombstoned`.
    """
    record = get_validator(ctx.store, validator)
    if record.tombstoned:
        raise Rejected(TOMBSTONED, validator=validator)
    if not record.jailed:
        raise Rejected(NOT_JAILED, validator=validator)
    VALIDATORS.put(ctx.store, validator, msgspec.structs.replace(record, jailed=False))
    PENDING.put(ctx.store, ACTIVE_SET, True)
    ctx.emit("staking/unjail", validator=validator)
    ctx.signal(ValidatorUnjailed(validator))


def tombstone(ctx: Ctx, validator: ValidatorId, height: int, time: int) -> None:
    """Jail a validator for ever because it double-signed at a height and time (nanoseconds); once is enough.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    jail(ctx, validator)
    record = get_validator(ctx.store, validator)
    if record.tombstoned:
        return
    VALIDATORS.put(ctx.store, validator, msgspec.structs.replace(record, tombstoned=True))
    ctx.emit("staking/tombstone", validator=validator, height=height)
    ctx.signal(ValidatorTombstoned(validator, height, time))


def end_block(ctx: Ctx) -> None:
    """Finish what is due and write the active set if anything may have changed it."""
    mature(ctx)
    if PENDING.has(ctx.store, ACTIVE_SET):
        PENDING.delete(ctx.store, ACTIVE_SET)
        update_active_set(ctx, ctx.height + UPDATE_DELAY)


def update_active_set(ctx: Ctx, first: int) -> None:
    """Let the strongest validators sign from height `first` on; ties go by operator.

    A set is never empty: while no validator may sign, the last set stays, or one message could halt the chain for ever.
    """
    rules = params(ctx.store)
    candidates = [
        Active(record.operator, record.public_key, power(record.tokens, rules))
        for record in validators(ctx.store)
        if not record.jailed and power(record.tokens, rules) > 0
    ]
    candidates.sort(key=lambda member: -member.power)  # stable, and they come by operator
    chosen = tuple(candidates[: rules.max_validators])
    before = ACTIVE.get(ctx.store).members
    if not chosen:
        ctx.emit("staking/no-candidates", kept=len(before))
        return
    if chosen == before:
        return
    ACTIVE.put(ctx.store, ActiveSet(chosen))
    powers = {member.operator: member.power for member in before}
    for member in chosen:
        old = powers.pop(member.operator, 0)
        if old != member.power:
            record_power(ctx, member.operator, member.power, first)
            ctx.emit("staking/power", validator=member.operator, power=member.power)
        if old == 0:
            _enter(ctx, member.operator)
    for operator in powers:
        record_power(ctx, operator, 0, first)
        ctx.emit("staking/power", validator=operator, power=0)
        _leave(ctx, operator)


def _enter(ctx: Ctx, validator: ValidatorId) -> None:
    record = VALIDATORS.get(ctx.store, validator)
    bonded = msgspec.structs.replace(record, status=Status.BONDED, unbonding_height=0, unbonding_time=0)
    VALIDATORS.put(ctx.store, validator, bonded)
    BONDED.put(ctx.store, BONDED.get(ctx.store) + record.tokens)
    ctx.signal(ValidatorBonded(validator))


def _leave(ctx: Ctx, validator: ValidatorId) -> None:
    record = VALIDATORS.get(ctx.store, validator)
    due = ctx.time + params(ctx.store).unbonding_time
    leaving = msgspec.structs.replace(record, status=Status.UNBONDING, unbonding_height=ctx.height, unbonding_time=due)
    VALIDATORS.put(ctx.store, validator, leaving)
    BONDED.put(ctx.store, BONDED.get(ctx.store) - record.tokens)
    enqueue(ctx, due, Due("validator", validator, Address("")))
    ctx.signal(ValidatorUnbonding(validator))
