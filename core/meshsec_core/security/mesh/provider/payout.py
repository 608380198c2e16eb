"""Rewards: what arrives from a consumer is credited to those who lend, and paid out over there, to any address."""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address, Denom, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.links import Phase, send_to_consumer
from meshsec_core.security.mesh.packets import (
    Coin,
    Credited,
    Distribute,
    DistributeBatch,
    Earned,
    Reward,
    TransferRewards,
    check_amount,
    check_name,
)
from meshsec_core.security.mesh.provider import book, policy
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.state import (
    CLIENTS,
    LINK_NOT_SYNCED,
    PAID,
    POOLS,
    RECEIVED,
    RESERVES,
    STAKES,
    InFlight,
    Kind,
    get_link,
    live_link,
)
from meshsec_core.security.mesh.provider.sweep import settle

INVALID_DENOM = "mesh/invalid-denom"


class WithdrawRewards(Msg, frozen=True, tag="mesh/WithdrawRewards"):
    """Have what one's stake on a validator has earned paid to an address of the consumer chain."""

    consumer: LinkId
    validator: ValidatorId
    recipient: Address


def withdraw_rewards(ctx: Ctx, msg: WithdrawRewards) -> None:
    """Take the signer's whole reward out of the book and ask the consumer to pay it; a refusal puts it back.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `mesh/link-not-synced`, `mesh/bad-name`, `mesh/no-rewards`.
    """
    link, way = get_link(ctx.store, msg.consumer), _way(ctx, msg.consumer)
    if link.rules is None:
        raise Rejected(LINK_NOT_SYNCED, link=msg.consumer)
    check_name(msg.recipient)
    key = Key(msg.consumer, msg.validator, ctx.signer)
    before = book.settled(ctx.store, key)
    after, amount = before.claim()
    number = book.begin(ctx, key, InFlight(Kind.REWARDS, amount, recipient=msg.recipient))
    book.write(ctx, key, before, after)
    PAID.put(ctx.store, msg.consumer, PAID.get(ctx.store, msg.consumer) + amount)
    earned = Earned(msg.consumer, LinkId(link.counterparty))
    packet = TransferRewards(Coin(link.rules.denom, amount), msg.recipient, number, ctx.signer, msg.validator, earned)
    send_to_consumer(ctx, way, packet)
    ctx.emit(
        "mesh/withdraw-rewards",
        user=ctx.signer,
        consumer=msg.consumer,
        validator=msg.validator,
        amount=amount,
        recipient=msg.recipient,
    )


def _way(ctx: Ctx, name: LinkId) -> LinkId:
    """Return the link over which rewards of a link are asked for: itself, or the one that has followed it."""
    link = get_link(ctx.store, name)
    follower = name if link.phase is not Phase.CLOSED else LinkId(CLIENTS.get(ctx.store, link.client))
    live_link(ctx.store, follower)
    return follower


def on_transfer_answered(ctx: Ctx, packet: TransferRewards, accepted: bool) -> None:
    """Forget a payment that was made; put back one that was not."""
    link = packet.earned.there
    key = Key(link, packet.validator, packet.delegator)
    settle(ctx, key.user)
    transaction = book.finish(ctx, key, packet.tx_id)
    if transaction is None:
        return
    if not accepted:
        before = book.settled(ctx.store, key)
        book.write(ctx, key, before, before.credit(transaction.amount))
        PAID.put(ctx.store, link, PAID.get(ctx.store, link) - transaction.amount)
    ctx.emit(
        "mesh/rewards-paid" if accepted else "mesh/rewards-returned", user=key.user, consumer=link, amount=transaction.amount
    )


def on_distribute(ctx: Ctx, link: LinkId, packet: Distribute) -> Credited:
    """Credit the reward of one validator; answer as for several.

    Raises:
        Rejected: `mesh/invalid-denom`, `mesh/bad-amount`.
    """
    return credit(ctx, link, packet.rewards.denom, (Reward(packet.validator, packet.rewards.amount),))


def on_distribute_batch(ctx: Ctx, link: LinkId, packet: DistributeBatch) -> Credited:
    """Credit the rewards of several validators; answer what the consumer is to pay to their operators.

    Raises:
        Rejected: `mesh/invalid-denom`, `mesh/bad-amount`; the consumer keeps them and sends them again.
    """
    return credit(ctx, link, packet.denom, packet.rewards)


def credit(ctx: Ctx, link: LinkId, denom: Denom, rewards: tuple[Reward, ...]) -> Credited:
    """Credit rewards to those who lend to the validators, and to operators what their policies take.

    What nobody has earned waits in the link's reserve and joins the next reward that somebody has. Returns what goes to nodes
    over there; for this chain it is paid.
    """
    rules = live_link(ctx.store, link).rules
    if rules is None or rules.denom != denom:
        raise Rejected(INVALID_DENOM, denom=denom[:100])
    for reward in rewards:
        check_amount(reward.reward)
        check_name(reward.validator)
    total = sum(reward.reward for reward in rewards)
    RECEIVED.put(ctx.store, link, RECEIVED.get(ctx.store, link) + total)
    reserve = RESERVES.get(ctx.store, link)
    before = reserve
    operators = []
    for reward in rewards:
        pool = POOLS.get(ctx.store, link, reward.validator)
        if pool.total == 0:
            reserve += reward.reward
            continue
        part = policy.division(ctx.store, link, reward, ctx.time)
        POOLS.put(ctx.store, link, reward.validator, pool.distribute(part.lenders + reserve))
        reserve = 0
        if part.here:
            policy.credit_here(ctx, link, reward.validator, part.here)
        if part.there:
            operators.append(Reward(reward.validator, part.there))
            PAID.put(ctx.store, link, PAID.get(ctx.store, link) + part.there)
    if reserve != before:
        RESERVES.put(ctx.store, link, reserve)
    ctx.emit("mesh/rewards-credited", consumer=link, amount=total, reserve=reserve)
    return Credited(tuple(operators))


def pending_rewards(store: Reader, key: Key) -> int:
    """Return what a user could withdraw now, in consumer tokens."""
    return STAKES.get(store, *key).settle(POOLS.get(store, key.link, key.validator).points_e18).whole
