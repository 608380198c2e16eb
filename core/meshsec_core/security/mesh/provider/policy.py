"""What an operator who validates on both ends takes of the rewards of those who lend to it, and which of its two nodes gets it.

A choice is made here, by the account that has joined the identities. The part of the node here is credited to that account and
withdrawn like any reward. The part of the node there is named in the answer to the rewards' packet: the consumer pays it to
its validator's operator, so that each node is paid where it is run.

A choice that costs lenders more waits for the link's unbonding time: whoever does not agree can leave first.
"""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ONE_BPS, LinkId, ValidatorId
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.links import BAD_PARAMS
from meshsec_core.security.mesh.packets import Reward
from meshsec_core.security.mesh.provider import book
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.overlap import NOT_THE_SAME
from meshsec_core.security.mesh.provider.state import OVERLAPS, POLICIES, POOLS, Choice, Policy, live_link
from meshsec_core.security.mesh.provider.sweep import settle
from meshsec_core.security.mesh.rewards import Division, Split, divide

NOT_JOINED = "mesh/not-joined"


class SetRewardPolicy(Msg, frozen=True, tag="mesh/SetRewardPolicy"):
    """Choose what the signer takes of the rewards of stake lent to its validator over there, and which of its nodes gets it."""

    consumer: LinkId
    validator: ValidatorId
    """Over there; joined with the signer's validator here."""
    split: Split
    """`per-link`, `same` or `larger`."""
    commission_bps: int = 0
    """Of `per-link`, parts of 10,000; the others charge what the validator here charges its delegators."""


def set_reward_policy(ctx: Ctx, msg: SetRewardPolicy) -> None:
    """Put a policy in force: at once, or if lenders would get less, after the link's unbonding time.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `mesh/not-joined`, `mesh/not-the-same-operator`, `mesh/bad-params`.
    """
    link = live_link(ctx.store, msg.consumer)
    here = node_here(ctx.store, msg.consumer, msg.validator)
    if here != staking.operated_by(ctx.prefix, ctx.signer):
        raise Rejected(NOT_THE_SAME, validator=msg.validator[:100])
    most = ONE_BPS if msg.split is Split.PER_LINK else 0
    if not 0 <= msg.commission_bps <= most:
        raise Rejected(BAD_PARAMS, field="commission_bps", most=most)
    wanted = Policy(msg.split, msg.commission_bps)
    current = POLICIES.get(ctx.store, msg.consumer, msg.validator).at(ctx.time)
    dearer = commission(ctx.store, here, wanted) > commission(ctx.store, here, current)
    choice = Choice(current, wanted, ctx.time + link.unbonding_time) if dearer else Choice(wanted)
    POLICIES.put(ctx.store, msg.consumer, msg.validator, choice)
    ctx.emit(
        "mesh/reward-policy",
        consumer=msg.consumer,
        validator=msg.validator,
        split=msg.split,
        commission_bps=commission(ctx.store, here, wanted),
        since=choice.then_at or ctx.time,
    )


def node_here(store: Reader, link: LinkId, validator: ValidatorId) -> ValidatorId:
    """Return the validator here of the operator who runs one over there.

    Raises:
        Rejected: `mesh/not-joined`.
    """
    joined = OVERLAPS.find(store, link, validator)
    if joined is None:
        raise Rejected(NOT_JOINED, consumer=str(link)[:100], validator=validator[:100])
    return joined.operator


def commission(store: Reader, here: ValidatorId, policy: Policy | None) -> int:
    """Return which part of rewards a policy takes, in basis points."""
    if policy is None:
        return 0
    return policy.commission_bps if policy.split is Split.PER_LINK else staking.get_validator(store, here).commission_bps


def taken(store: Reader, link: LinkId, validator: ValidatorId, now: int) -> int:
    """Return which part of rewards an operator takes now, in basis points: nothing without a policy."""
    policy = POLICIES.get(store, link, validator).at(now)
    return 0 if policy is None else commission(store, node_here(store, link, validator), policy)


def here_is_larger(store: Reader, link: LinkId, validator: ValidatorId) -> bool:
    """Tell whether no more of this chain's coins are lent to an operator's node there than are staked with its node here."""
    here = staking.get_validator(store, node_here(store, link, validator))
    return here.tokens >= POOLS.get(store, link, validator).total


def division(store: Reader, link: LinkId, reward: Reward, now: int) -> Division:
    """Divide a reward by the policy in force; without one it is all the lenders'."""
    policy = POLICIES.get(store, link, reward.validator).at(now)
    if policy is None:
        return Division(reward.reward, 0, 0)
    rate = commission(store, node_here(store, link, reward.validator), policy)
    return divide(reward.reward, policy.split, rate, here_is_larger=here_is_larger(store, link, reward.validator))


def credit_here(ctx: Ctx, link: LinkId, validator: ValidatorId, amount: int) -> None:
    """Credit an operator's account with the part of its node here."""
    key = Key(link, validator, staking.owner(ctx.prefix, node_here(ctx.store, link, validator)))
    settle(ctx, key.user)
    before = book.settled(ctx.store, key)
    book.write(ctx, key, before, before.credit(amount))
