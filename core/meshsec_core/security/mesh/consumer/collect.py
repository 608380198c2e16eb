"""Rewards of virtual stake: collected from distribution, told to the provider in batches, kept here until they are claimed.

Law: what a link's reward account holds = what waits to be told + what has been told and not been paid out.
"""

from collections.abc import Mapping

from meshsec_core.kernel.types import LinkId, ValidatorId
from meshsec_core.modules import bank, distribution
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.state import AGENDA, PAID_OUT, REWARDS, SENT, get_link, reward_account, stake_account
from meshsec_core.security.mesh.links import Phase, tell_provider
from meshsec_core.security.mesh.packets import Credited, DistributeBatch, Reward


def rewards_due(ctx: Ctx, link: LinkId) -> bool:
    """Tell whether a link's rewards are to be collected by now: in their time, or before the link closes."""
    if get_link(ctx.store, link).phase is Phase.CLOSING:
        return True
    return any(due.link == link and 0 < due.rewards_at <= ctx.time for due in AGENDA.get(ctx.store).dues)


def collect_due(ctx: Ctx, link: LinkId, held: Mapping[str, int]) -> None:
    """Collect from every bonded validator that the link delegates to, if it is time; inactive ones wait until they are active."""
    if not rewards_due(ctx, link):
        return
    for validator in held:
        if staking.get_validator(ctx.store, ValidatorId(validator)).status is staking.Status.BONDED:
            collect_one(ctx, link, ValidatorId(validator))


def collect_one(ctx: Ctx, link: LinkId, validator: ValidatorId) -> None:
    """Collect from one validator."""
    account = ctx.module_account(stake_account(link))
    amount = distribution.withdraw(ctx, account, validator)
    if amount:
        bank.send(ctx, account, ctx.module_account(reward_account(link)), ctx.denom, amount)
        REWARDS.put(ctx.store, link, validator, REWARDS.get(ctx.store, link, validator) + amount)


def wait(ctx: Ctx, link: LinkId) -> bool:
    """Tell whether rewards have been collected that the provider has not been told of."""
    return next(ctx.store.scan(REWARDS.key(link) + "/"), None) is not None


def send(ctx: Ctx, link: LinkId) -> None:
    """Tell the provider what has been collected, if it is time and there is anything."""
    if not rewards_due(ctx, link):
        return
    rewards = tuple(Reward(ValidatorId(validator), amount) for (validator,), amount in REWARDS.items(ctx.store, link))
    if not rewards:
        return
    for reward in rewards:
        REWARDS.delete(ctx.store, link, reward.validator)
    total = sum(reward.reward for reward in rewards)
    SENT.put(ctx.store, link, SENT.get(ctx.store, link) + total)
    tell_provider(ctx, link, DistributeBatch(rewards, ctx.denom))
    ctx.emit("mesh/rewards-sent", link=link, amount=total)


def on_answered(ctx: Ctx, link: LinkId, packet: DistributeBatch, answered: Credited | None) -> None:
    """Pay operators what the provider has left to them; take back what it refused to credit, which is sent again later.

    A provider that has had it paid out all the same has been told of it: that part does not come back.
    """
    if answered is not None:
        _pay_operators(ctx, link, packet, answered)
        return
    left = SENT.get(ctx.store, link) - PAID_OUT.get(ctx.store, link)
    for reward in packet.rewards:
        back = min(reward.reward, left)
        if back:
            REWARDS.put(ctx.store, link, reward.validator, REWARDS.get(ctx.store, link, reward.validator) + back)
            SENT.put(ctx.store, link, SENT.get(ctx.store, link) - back)
            left -= back
    if wait(ctx, link):
        agenda.expect_rewards(ctx, link)


def _pay_operators(ctx: Ctx, link: LinkId, packet: DistributeBatch, answered: Credited) -> None:
    """Pay the operators of this chain's validators their part of a reward: an answer never fails, so nonsense is cut down.

    None gets more than its validator's reward was, nor all together more than the link holds.
    """
    left: dict[ValidatorId, int] = {}
    for reward in packet.rewards:
        left[reward.validator] = left.get(reward.validator, 0) + reward.reward
    for row in answered.operators:
        held = SENT.get(ctx.store, link) - PAID_OUT.get(ctx.store, link)
        amount = min(row.reward, left.get(row.validator, 0), held)
        if amount <= 0:
            continue
        left[row.validator] -= amount
        PAID_OUT.put(ctx.store, link, PAID_OUT.get(ctx.store, link) + amount)
        operator = staking.owner(ctx.prefix, row.validator)
        bank.send(ctx, ctx.module_account(reward_account(link)), operator, ctx.denom, amount)
        ctx.emit("mesh/operator-paid", link=link, validator=row.validator, amount=amount)
