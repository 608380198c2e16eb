"""Fees and new coins to those who stake.

What the fee collector holds is shared among bonded tokens whenever a stake is about to change or somebody withdraws; until then
nothing moves, so an empty block costs nothing. Two accumulators in points of 10^-18: coins per bonded token, and, behind the
commission, coins per token of one validator. What a division leaves is carried, never paid twice and never lost.

Laws: the distribution account can pay everything that is owed; as long as no stake has been cut it holds nothing else.

Source: F1 fee distribution (Ojha, 2019).
"""

import msgspec

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, ChainId, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.auth import FEES
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.signals import DelegationChanging, ValidatorBonded, ValidatorSlashed, ValidatorUnbonding
from meshsec_core.modules.staking.slash import COMMUNITY
from meshsec_core.runtime.module import Block, Ctx, Module, Msg, View

ACCOUNT = "distribution"
"""Module account that holds what is owed to delegators and validators."""


class Pot(msgspec.Struct, frozen=True):
    """What all bonded tokens have earned."""

    points_e18: int = 0
    """Base units per bonded token since genesis."""
    carry_e18: int = 0
    """Base units that are still to be shared."""


class Earned(msgspec.Struct, frozen=True):
    """What one validator's tokens have earned."""

    bonded: bool = False
    seen_e18: int = 0
    """The pot's points that have been counted for it."""
    per_token_e18: int = 0
    """Base units per token of its delegators since genesis."""
    carry_e18: int = 0
    """Base units that are still to be shared among its delegators."""
    commission_e18: int = 0
    """Base units that its operator can withdraw."""


class Owed(msgspec.Struct, frozen=True):
    """What one delegation has earned."""

    seen_e18: int = 0
    """The validator's points per token that have been counted for it."""
    cuts: int = 0
    """The validator's cuts that have been counted for it."""
    owed_e18: int = 0


POT: Item[Pot] = Item("distribution/pot", Pot, default=Pot())
EARNED: Map[Earned] = Map("distribution/earned", Earned, default=Earned())
"""By validator."""
OWED: Map[Owed] = Map("distribution/owed", Owed, parts=2)
"""By (delegator, validator); outlives the delegation until it is paid."""
AT_CUT: Map[int] = Map("distribution/at-cut", int, parts=2)
"""(validator, ordinal of a cut) to the points per token at that moment."""


class WithdrawRewards(Msg, frozen=True, tag="distribution/WithdrawRewards"):
    """Pay the signer what its delegation to a validator has earned."""

    validator: ValidatorId


class WithdrawCommission(Msg, frozen=True, tag="distribution/WithdrawCommission"):
    """Pay the signer what its own validator has earned by commission."""


def withdraw(ctx: Ctx, delegator: Address, validator: ValidatorId) -> int:
    """Pay a delegator what its stake with a validator has earned; return the base units, which may be none.

    Floor; the fraction stays owed.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    staking.get_validator(ctx.store, validator)
    if OWED.find(ctx.store, delegator, validator) is None:
        return 0
    share_out(ctx)
    owed = _settle(ctx, delegator, validator)
    amount, fraction = divmod(owed.owed_e18, ONE_E18)
    if staking.DELEGATIONS.has(ctx.store, delegator, validator):
        OWED.put(ctx.store, delegator, validator, msgspec.structs.replace(owed, owed_e18=fraction))
    else:
        OWED.delete(ctx.store, delegator, validator)
        pot = POT.get(ctx.store)
        POT.put(ctx.store, Pot(pot.points_e18, pot.carry_e18 + fraction))
    if amount:
        bank.send(ctx, ctx.module_account(ACCOUNT), delegator, ctx.denom, amount)
    ctx.emit("distribution/withdraw-rewards", delegator=delegator, validator=validator, amount=amount)
    return amount


def withdraw_commission(ctx: Ctx, validator: ValidatorId) -> int:
    """Pay a validator's operator its commission; return the base units, which may be none. Floor; the fraction stays owed.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    record = staking.get_validator(ctx.store, validator)
    share_out(ctx)
    earned = _accrue(ctx, record, record.tokens)
    amount, fraction = divmod(earned.commission_e18, ONE_E18)
    EARNED.put(ctx.store, validator, msgspec.structs.replace(earned, commission_e18=fraction))
    if amount:
        bank.send(ctx, ctx.module_account(ACCOUNT), staking.owner(ctx.prefix, validator), ctx.denom, amount)
    ctx.emit("distribution/withdraw-commission", validator=validator, amount=amount)
    return amount


def share_out(ctx: Ctx, bonded: int | None = None) -> None:
    """Share what the fee collector holds among bonded tokens; without any it goes to the community pool.

    Args:
        ctx: where it happens; no bonded stake may have changed since the fees came.
        bonded: bonded tokens, if they are not what staking says now.
    """
    fees = ctx.module_account(FEES)
    amount = bank.balance(ctx.store, fees, ctx.denom)
    if amount == 0:
        return
    tokens = staking.bonded_tokens(ctx.store) if bonded is None else bonded
    if tokens == 0:
        bank.send(ctx, fees, ctx.module_account(COMMUNITY), ctx.denom, amount)
        return
    bank.send(ctx, fees, ctx.module_account(ACCOUNT), ctx.denom, amount)
    pot = POT.get(ctx.store)
    points, carry = divmod(amount * ONE_E18 + pot.carry_e18, tokens)
    POT.put(ctx.store, Pot(pot.points_e18 + points, carry))


def _accrue(ctx: Ctx, record: staking.Validator, tokens: int) -> Earned:
    """Count for a validator what the pot has given since, on the tokens that it had all the while."""
    before = EARNED.get(ctx.store, record.operator)
    points = POT.get(ctx.store).points_e18
    if not before.bonded or points == before.seen_e18:
        return before
    earned = tokens * (points - before.seen_e18)
    commission = earned * record.commission_bps // ONE_BPS  # floor: the operator could settle as often as it likes
    rest = earned - commission + before.carry_e18
    per_token, carry = divmod(rest, tokens) if tokens else (0, rest)
    after = Earned(True, points, before.per_token_e18 + per_token, carry, before.commission_e18 + commission)
    EARNED.put(ctx.store, record.operator, after)
    return after


def _settle(ctx: Ctx, delegator: Address, validator: ValidatorId) -> Owed:
    """Count for a delegation what its validator has earned since, on the tokens that it was worth from cut to cut."""
    record = staking.VALIDATORS.get(ctx.store, validator)
    per_token = _accrue(ctx, record, record.tokens).per_token_e18
    delegation = staking.DELEGATIONS.find(ctx.store, delegator, validator)
    owed = OWED.find(ctx.store, delegator, validator) or Owed()
    seen, total = owed.seen_e18, owed.owed_e18
    if delegation is not None:
        standing = staking.settled_until(ctx.store, validator, delegation, owed.cuts)
        for ordinal in range(standing.cuts, record.cuts):
            at_cut = AT_CUT.get(ctx.store, validator, ordinal)
            total += standing.tokens * (at_cut - seen)
            seen = at_cut
            standing = staking.settled_until(ctx.store, validator, standing, ordinal + 1)
        total += standing.tokens * (per_token - seen)
    settled = Owed(per_token, record.cuts, total)
    OWED.put(ctx.store, delegator, validator, settled)
    return settled


def on_delegation_changing(ctx: Ctx, changing: DelegationChanging) -> None:
    """Settle the old stake before it changes."""
    share_out(ctx)
    _settle(ctx, changing.delegator, changing.validator)


def on_validator_slashed(ctx: Ctx, slashed: ValidatorSlashed) -> None:
    """Settle what the tokens earned before they were cut, and remember the moment for each delegation."""
    if slashed.tokens_after == slashed.tokens_before:
        return
    record = staking.VALIDATORS.get(ctx.store, slashed.validator)
    bonded = staking.bonded_tokens(ctx.store)
    if record.status is staking.Status.BONDED:
        bonded += slashed.tokens_before - slashed.tokens_after
    share_out(ctx, bonded)
    AT_CUT.put(ctx.store, slashed.validator, slashed.ordinal, _accrue(ctx, record, slashed.tokens_before).per_token_e18)


def on_validator_bonded(ctx: Ctx, bonded: ValidatorBonded) -> None:
    """Let a validator earn from now on; `end_block` has shared out what came before its tokens counted."""
    earned = EARNED.get(ctx.store, bonded.validator)
    EARNED.put(ctx.store, bonded.validator, msgspec.structs.replace(earned, bonded=True, seen_e18=POT.get(ctx.store).points_e18))


def on_validator_unbonding(ctx: Ctx, leaving: ValidatorUnbonding) -> None:
    """Settle what a validator has earned; it earns no more."""
    record = staking.VALIDATORS.get(ctx.store, leaving.validator)
    earned = _accrue(ctx, record, record.tokens)
    EARNED.put(ctx.store, leaving.validator, msgspec.structs.replace(earned, bonded=False))


def end_block(ctx: Ctx) -> None:
    """Share out before staking may change who is bonded."""
    if staking.PENDING.has(ctx.store, staking.ACTIVE_SET):
        share_out(ctx)


def on_withdraw_rewards(ctx: Ctx, msg: WithdrawRewards) -> None:
    """Pay the signer's rewards.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    withdraw(ctx, ctx.signer, msg.validator)


def on_withdraw_commission(ctx: Ctx, msg: WithdrawCommission) -> None:  # noqa: ARG001
    """Pay the signer's commission.

    Raises:
        Rejected: `staking/unknown-validator` if the signer operates none.
    """
    withdraw_commission(ctx, staking.operated_by(ctx.prefix, ctx.signer))


def init(ctx: Ctx, genesis: object) -> None:  # noqa: ARG001
    """Reserve the accounts."""
    bank.reserve(ctx, ACCOUNT)
    bank.reserve(ctx, COMMUNITY)


def pending(view: View, delegator: Address, validator: ValidatorId) -> int:
    """Return what a withdrawal would pay now: it is made on the side and forgotten.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    return withdraw(_aside(view), delegator, validator)


def _aside(view: View) -> Ctx:
    return Ctx(Overlay(view.store), Block(ChainId(""), view.height, view.time), view.machine)


def query_rewards(view: View, delegator: Address) -> dict[ValidatorId, int]:
    """Show what a delegator could withdraw, by validator."""
    return {ValidatorId(name): pending(view, delegator, ValidatorId(name)) for (name,), _ in OWED.items(view.store, delegator)}


def query_commission(view: View, validator: ValidatorId) -> int:
    """Show what a validator's operator could withdraw.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    return withdraw_commission(_aside(view), validator)


def query_community_pool(view: View) -> dict[str, int]:
    """Show the coins that belong to all."""
    return {str(denom): amount for denom, amount in bank.balances(view.store, _aside(view).module_account(COMMUNITY)).items()}


def solvent(view: View) -> None:
    """Check that what is held is what is owed; after cuts a surplus may stay, which nobody can claim.

    Raises:
        InvariantViolated: too little is held, or too much without any cut.
    """
    ctx = _aside(view)
    held = bank.balance(ctx.store, ctx.module_account(ACCOUNT), ctx.denom) * ONE_E18
    owed = POT.get(ctx.store).carry_e18
    cuts = 0
    for record in staking.validators(ctx.store):
        earned = _accrue(ctx, record, record.tokens)
        owed += earned.carry_e18 + earned.commission_e18
        cuts += record.cuts
    for (delegator, validator), _ in OWED.items(ctx.store):
        owed += _settle(ctx, Address(delegator), ValidatorId(validator)).owed_e18
    if owed > held or (cuts == 0 and owed != held):
        raise InvariantViolated(f"distribution holds {held} and owes {owed}, in 10^-18 base units")


DISTRIBUTION: Module[object] = Module(
    "distribution",
    handlers={WithdrawRewards: on_withdraw_rewards, WithdrawCommission: on_withdraw_commission},
    init=init,
    end_block=end_block,
    hooks={
        DelegationChanging: on_delegation_changing,
        ValidatorSlashed: on_validator_slashed,
        ValidatorBonded: on_validator_bonded,
        ValidatorUnbonding: on_validator_unbonding,
    },
    queries={"rewards": query_rewards, "commission": query_commission, "community-pool": query_community_pool},
    laws={"distribution can pay what it owes": solvent},
    stores=("distribution",),
)
"""Rewards of those who stake."""
