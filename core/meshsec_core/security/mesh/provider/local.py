"""Local staking: collateral that also secures its own chain, delegated by a sub-account per user.

Law: a user's local lien is what the sub-account stakes, unbonds, and holds unbonded.

Source: mesh-security contracts/provider/native-staking.
"""

from dataclasses import replace

from meshsec_core.kernel.types import ONE_BPS, Address, ValidatorId
from meshsec_core.modules import bank, distribution, slashing
from meshsec_core.modules.gov import course
from meshsec_core.modules.gov.state import Option
from meshsec_core.modules.staking.delegation import delegate, hand_over, redelegate, undelegate
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.modules.staking.slash import loss
from meshsec_core.modules.staking.state import DELEGATIONS
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.account import LOCAL
from meshsec_core.security.mesh.provider import vault
from meshsec_core.security.mesh.provider.local_stake import open_sub_account, sub_account
from meshsec_core.security.mesh.provider.slashing import Burns, propagate, send_burns
from meshsec_core.security.mesh.provider.state import GENESIS, LOCAL_STAKERS, OWNERS, VAULT
from meshsec_core.security.mesh.provider.sweep import settle


class StakeLocal(Msg, frozen=True, tag="mesh/StakeLocal"):
    """Stake collateral with a validator of this chain."""

    validator: ValidatorId
    amount: int


class Restake(Msg, frozen=True, tag="mesh/Restake"):
    """Turn stake that one has delegated oneself into collateral that is staked with the same validator, at once."""

    validator: ValidatorId
    amount: int


class VoteLocal(Msg, frozen=True, tag="mesh/VoteLocal"):
    """Vote on a proposal of this chain with all of one's local stake."""

    proposal: int
    option: Option


class VoteLocalWeighted(Msg, frozen=True, tag="mesh/VoteLocalWeighted"):
    """Vote with parts of one's local stake for several options."""

    proposal: int
    shares: dict[Option, int]
    """Option to basis points; they sum to 10000."""


class UnstakeLocal(Msg, frozen=True, tag="mesh/UnstakeLocal"):
    """Start to take local stake back."""

    validator: ValidatorId
    amount: int


class RestakeLocal(Msg, frozen=True, tag="mesh/RestakeLocal"):
    """Move local stake to another validator of this chain; it still answers for the one it leaves."""

    source: ValidatorId
    target: ValidatorId
    amount: int


class ReleaseLocal(Msg, frozen=True, tag="mesh/ReleaseLocal"):
    """Bring local stake whose unbonding is over back into the vault."""


class WithdrawLocalRewards(Msg, frozen=True, tag="mesh/WithdrawLocalRewards"):
    """Have the rewards of one's local stake paid to oneself."""

    validator: ValidatorId


def stake_local(ctx: Ctx, msg: StakeLocal) -> None:
    """Place the local lien and delegate the coins themselves.

    Raises:
        Rejected: `bank/bad-amount`, `mesh/insufficient-balance`, `staking/unknown-validator`; nothing is staked.
    """
    bank.check_amount(msg.amount)
    before = vault.find(ctx.store, ctx.signer)
    vault.put(ctx, ctx.signer, before.lend(LOCAL, msg.amount, local_ratio(ctx)).commit(LOCAL, msg.amount))
    account = open_sub_account(ctx, ctx.signer)
    bank.send(ctx, ctx.module_account(VAULT), account, ctx.denom, msg.amount)
    delegate(ctx, account, msg.validator, msg.amount)
    LOCAL_STAKERS.put(ctx.store, msg.validator, ctx.signer, True)
    ctx.emit("mesh/stake-local", user=ctx.signer, validator=msg.validator, amount=msg.amount)


def restake(ctx: Ctx, msg: Restake) -> None:
    """Hand the signer's delegation over to their sub-account; no coin moves, nothing stops being slashable.

    Locked coins may be restaked; they come back from the vault locked.

    Raises:
        Rejected: `bank/bad-amount`, `mesh/insufficient-balance`, `staking/unknown-validator`,
            `staking/insufficient-delegation`; `staking/transitive-redelegation` while it answers for another validator.
    """
    bank.check_amount(msg.amount)
    account = vault.find(ctx.store, ctx.signer).bond(msg.amount)
    vault.put(ctx, ctx.signer, account.lend(LOCAL, msg.amount, local_ratio(ctx)).commit(LOCAL, msg.amount))
    hand_over(ctx, ctx.signer, open_sub_account(ctx, ctx.signer), msg.validator, msg.amount)
    LOCAL_STAKERS.put(ctx.store, msg.validator, ctx.signer, True)
    ctx.emit("mesh/restake", user=ctx.signer, validator=msg.validator, amount=msg.amount)


def vote_local(ctx: Ctx, msg: VoteLocal) -> None:
    """Vote with one word.

    Raises:
        Rejected: `gov/unknown-proposal`, `gov/not-voting`.
    """
    course.cast(ctx, sub_account(ctx.prefix, ctx.signer), msg.proposal, {msg.option: ONE_BPS})


def vote_local_weighted(ctx: Ctx, msg: VoteLocalWeighted) -> None:
    """Vote with several.

    Raises:
        Rejected: `gov/unknown-proposal`, `gov/not-voting`, `gov/bad-shares`.
    """
    course.cast(ctx, sub_account(ctx.prefix, ctx.signer), msg.proposal, msg.shares)


def unstake_local(ctx: Ctx, msg: UnstakeLocal) -> None:
    """Undelegate; instant from a validator that can be slashed no more (unbonded or tombstoned), else after this chain's
    unbonding time. The lien stays until it is released.

    Raises:
        Rejected: `bank/bad-amount`, `staking/unknown-validator`, `staking/insufficient-delegation`, `staking/too-many-entries`.
    """
    due = undelegate(ctx, sub_account(ctx.prefix, ctx.signer), msg.validator, msg.amount)
    ctx.emit("mesh/unstake-local", user=ctx.signer, validator=msg.validator, amount=msg.amount, due=due)


def restake_local(ctx: Ctx, msg: RestakeLocal) -> None:
    """Redelegate.

    Raises:
        Rejected: what `staking/Redelegate` refuses.
    """
    redelegate(ctx, sub_account(ctx.prefix, ctx.signer), msg.source, msg.target, msg.amount)
    LOCAL_STAKERS.put(ctx.store, msg.target, ctx.signer, True)
    ctx.emit("mesh/restake-local", user=ctx.signer, source=msg.source, target=msg.target, amount=msg.amount)


def release_local(ctx: Ctx, msg: ReleaseLocal) -> None:  # noqa: ARG001
    """Lower the signer's local lien by all coins that their sub-account holds unbonded; nothing happens if it holds none."""
    account = sub_account(ctx.prefix, ctx.signer)
    amount = bank.balance(ctx.store, account, ctx.denom)
    if amount:
        vault.put(ctx, ctx.signer, vault.find(ctx.store, ctx.signer).release(LOCAL, amount))
        bank.send(ctx, account, ctx.module_account(VAULT), ctx.denom, amount)
    ctx.emit("mesh/release-local", user=ctx.signer, amount=amount)


def withdraw_local_rewards(ctx: Ctx, msg: WithdrawLocalRewards) -> None:
    """Pay what the signer's local stake has earned straight to them.

    Raises:
        Rejected: what `distribution/WithdrawRewards` refuses.
    """
    account = sub_account(ctx.prefix, ctx.signer)
    amount = distribution.withdraw(ctx, account, msg.validator)
    if amount:
        bank.send(ctx, account, ctx.signer, ctx.denom, amount)
    ctx.emit("mesh/withdraw-local-rewards", user=ctx.signer, validator=msg.validator, amount=amount)


def local_ratio(ctx: Ctx) -> int:
    """Return the ratio of new local liens, basis points."""
    rules = slashing.params(ctx.store)
    return GENESIS.get(ctx.store).local_slash_bps or max(rules.double_sign_slash_bps, rules.downtime_slash_bps)


def on_validator_slashed(ctx: Ctx, slashed: ValidatorSlashed) -> None:
    """Charge what this chain's own slash took from local stake to the users' collateral, and propagate it."""
    burns: Burns = {}
    for user, amount in sorted(_losses(ctx, slashed).items()):
        settle(ctx, user)
        propagate(ctx, user, LOCAL, (amount, 0), burns)
    send_burns(ctx, burns)


def _losses(ctx: Ctx, slashed: ValidatorSlashed) -> dict[Address, int]:
    """Return each user's exact loss: bonded, unbonding and redelegated."""
    losses: dict[Address, int] = {}
    bonded = replace(slashed, unbonding_cuts=())
    for (name,), _ in list(LOCAL_STAKERS.items(ctx.store, slashed.validator)):
        account = sub_account(ctx.prefix, Address(name))
        if DELEGATIONS.has(ctx.store, account, slashed.validator):
            losses[Address(name)] = loss(ctx.store, account, bonded)
        else:
            LOCAL_STAKERS.delete(ctx.store, slashed.validator, name)
    elsewhere = (*slashed.unbonding_cuts, *((account, tokens) for account, _, tokens in slashed.redelegation_cuts))
    for account, tokens in elsewhere:
        owner = OWNERS.find(ctx.store, account)
        if owner is not None:
            losses[Address(owner)] = losses.get(Address(owner), 0) + tokens
    return {user: amount for user, amount in losses.items() if amount}
