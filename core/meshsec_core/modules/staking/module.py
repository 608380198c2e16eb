"""The face of staking: messages, genesis, queries."""

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import delegation, laws, validator
from meshsec_core.modules.staking.state import (
    PARAMS,
    POOL,
    Params,
    Status,
    Unbonding,
    Validator,
    active_set,
    bonded_tokens,
    delegations_of,
    delegators_of,
    get_validator,
    operated_by,
    owner,
    params,
    unbondings_of,
    validators,
)
from meshsec_core.runtime.genesis import MAX_TIME, Genesis
from meshsec_core.runtime.module import Ctx, Module, Msg, View

BAD_PARAMS = "staking/bad-params"
GENESIS_COMMISSION_BPS = 1_000


class StakingGenesis(Params, frozen=True):
    """The section `staking` of a genesis document; the validators themselves stand at its top."""

    commission_bps: int = GENESIS_COMMISSION_BPS
    """What the first validators keep of their delegators' rewards."""


class CreateValidator(Msg, frozen=True, tag="staking/CreateValidator"):
    """Make the signer a validator with its own coins at stake."""

    name: str
    public_key: bytes
    """Ed25519 consensus key, never used by another validator."""
    commission_bps: int
    amount: int


class Delegate(Msg, frozen=True, tag="staking/Delegate"):
    """Stake the signer's coins with a validator."""

    validator: ValidatorId
    amount: int


class Undelegate(Msg, frozen=True, tag="staking/Undelegate"):
    """Start to take the signer's stake back."""

    validator: ValidatorId
    amount: int


class Redelegate(Msg, frozen=True, tag="staking/Redelegate"):
    """Move the signer's stake to another validator without unbonding."""

    source: ValidatorId
    target: ValidatorId
    amount: int


def create_validator(ctx: Ctx, msg: CreateValidator) -> None:
    """Create a validator and delegate its self-bond.

    Raises:
        Rejected: what `validator.create` and `delegation.delegate` refuse; nothing is created.
    """
    identity = operated_by(ctx.prefix, ctx.signer)
    validator.create(ctx, Validator(identity, msg.name, msg.public_key, msg.commission_bps))
    delegation.delegate(ctx, ctx.signer, identity, msg.amount)


def delegate(ctx: Ctx, msg: Delegate) -> None:
    """Stake with a validator that may still sign one day.

    Raises:
        Rejected: `staking/tombstoned`, and what `delegation.delegate` refuses.
    """
    _refuse_tombstoned(ctx, msg.validator)
    delegation.delegate(ctx, ctx.signer, msg.validator, msg.amount)


def undelegate(ctx: Ctx, msg: Undelegate) -> None:
    """Start to unbond.

    Raises:
        Rejected: what `delegation.undelegate` refuses.
    """
    delegation.undelegate(ctx, ctx.signer, msg.validator, msg.amount)


def redelegate(ctx: Ctx, msg: Redelegate) -> None:
    """Move stake to a validator that may still sign one day.

    Raises:
        Rejected: `staking/tombstoned`, and what `delegation.redelegate` refuses.
    """
    _refuse_tombstoned(ctx, msg.target)
    delegation.redelegate(ctx, ctx.signer, msg.source, msg.target, msg.amount)


def _refuse_tombstoned(ctx: Ctx, identity: ValidatorId) -> None:
    if get_validator(ctx.store, identity).tombstoned:
        raise Rejected(validator.TOMBSTONED, validator=identity)


def init(ctx: Ctx, genesis: Genesis) -> None:
    """Write the rules; mint every first validator's self-bond to its operator and delegate it.

    Raises:
        Rejected: `codec/malformed`, `staking/bad-params`, and what creating a validator refuses.
    """
    section = codec.convert(genesis.modules.get("staking", {}), StakingGenesis)
    rules = Params(**{name: getattr(section, name) for name in Params.__struct_fields__})
    counts = (rules.max_validators, rules.power_reduction, rules.max_entries, rules.evidence_age_blocks)
    if not 0 < rules.unbonding_time < MAX_TIME or min(counts) < 1:
        raise Rejected(BAD_PARAMS, **msgspec.structs.asdict(rules))
    PARAMS.put(ctx.store, rules)
    bank.reserve(ctx, POOL)
    for first in genesis.validators:
        account = owner(ctx.prefix, first.operator)
        validator.create(ctx, Validator(first.operator, first.name, first.public_key, section.commission_bps))
        bank.mint(ctx, account, ctx.denom, first.tokens)
        delegation.delegate(ctx, account, first.operator, first.tokens)
    validator.update_active_set(ctx, 0)


class ValidatorView(msgspec.Struct, frozen=True):
    """A validator as readers see it."""

    operator: ValidatorId
    name: str
    public_key: bytes
    commission_bps: int
    tokens: int
    power: int
    """Consensus power in the active set; 0 outside of it."""
    status: Status
    jailed: bool
    tombstoned: bool
    unbonding_time: int


class Pool(msgspec.Struct, frozen=True):
    """The stake of the whole chain."""

    bonded: int
    total: int
    """Stake with all validators, bonded or not."""


class UnbondingView(msgspec.Struct, frozen=True):
    """Coins on their way back."""

    validator: ValidatorId
    id: int
    entry: Unbonding


def _view_of(record: Validator, power: int) -> ValidatorView:
    return ValidatorView(
        operator=record.operator,
        name=record.name,
        public_key=record.public_key,
        commission_bps=record.commission_bps,
        tokens=record.tokens,
        power=power,
        status=record.status,
        jailed=record.jailed,
        tombstoned=record.tombstoned,
        unbonding_time=record.unbonding_time,
    )


def query_validators(view: View) -> tuple[ValidatorView, ...]:
    """List all validators by operator."""
    powers = {member.operator: member.power for member in active_set(view.store)}
    return tuple(_view_of(record, powers.get(record.operator, 0)) for record in validators(view.store))


def query_validator(view: View, validator: ValidatorId) -> ValidatorView:
    """Show one validator.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    powers = {member.operator: member.power for member in active_set(view.store)}
    return _view_of(get_validator(view.store, validator), powers.get(validator, 0))


def query_delegations(view: View, delegator: Address) -> dict[ValidatorId, int]:
    """Show what a delegator's stake is worth, by validator."""
    return delegations_of(view.store, delegator)


def query_delegators(view: View, validator: ValidatorId) -> dict[Address, int]:
    """Show who has staked how much with a validator.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    return delegators_of(view.store, validator)


def query_unbondings(view: View, delegator: Address) -> tuple[UnbondingView, ...]:
    """Show a delegator's coins on their way back, oldest first."""
    return tuple(UnbondingView(*found) for found in unbondings_of(view.store, delegator))


def query_pool(view: View) -> Pool:
    """Show the stake of the whole chain."""
    return Pool(bonded_tokens(view.store), sum(record.tokens for record in validators(view.store)))


def query_params(view: View) -> Params:
    """Show the rules of staking."""
    return params(view.store)


STAKING: Module[StakingGenesis] = Module(
    "staking",
    handlers={CreateValidator: create_validator, Delegate: delegate, Undelegate: undelegate, Redelegate: redelegate},
    init=init,
    end_block=validator.end_block,
    queries={
        "validators": query_validators,
        "validator": query_validator,
        "delegations": query_delegations,
        "delegators": query_delegators,
        "unbondings": query_unbondings,
        "pool": query_pool,
        "params": query_params,
    },
    laws={
        "the staking pool is exact": laws.pool_is_exact,
        "delegations add up": laws.delegations_add_up,
        "staking queues agree": laws.queues_agree,
        "the active set is the bonded": laws.active_set_is_the_bonded,
    },
    stores=("staking",),
)
"""Proof of stake: who signs, who stands behind them, and how stake leaves."""
