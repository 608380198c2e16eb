"""Stake lent over links: lend, ask back, withdraw what has matured; and what the consumer's answers do to it.

A lien is placed before the packet leaves, so that power on the consumer is never backed by nothing. Answers never fail.
"""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh import packets
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.links import Phase, send_to_consumer, tell_consumer
from meshsec_core.security.mesh.packets import Burn, BurnRow, Coin
from meshsec_core.security.mesh.provider import book, closing, vault
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.state import (
    HISTORIES,
    LINK_NOT_SYNCED,
    RATIO_TOO_LOW,
    VALIDATOR_NOT_ACTIVE,
    InFlight,
    Kind,
    Link,
    get_link,
    live_link,
    open_link,
    validators_of,
)
from meshsec_core.security.mesh.provider.sweep import settle


class StakeRemote(Msg, frozen=True, tag="mesh/StakeRemote"):
    """Lend collateral that is already bonded to a validator of a consumer chain."""

    consumer: LinkId
    validator: ValidatorId
    amount: int


class Unstake(Msg, frozen=True, tag="mesh/Unstake"):
    """Ask lent stake back; it is free after the unbonding period."""

    consumer: LinkId
    validator: ValidatorId
    amount: int


class Leave(Msg, frozen=True, tag="mesh/Leave"):
    """Take lent stake back from a consumer that refuses or never answers: it is told, not asked."""

    consumer: LinkId
    validator: ValidatorId
    amount: int


class WithdrawUnbonded(Msg, frozen=True, tag="mesh/WithdrawUnbonded"):
    """Free all collateral whose unbonding from a consumer is over."""

    consumer: LinkId


def stake_remote(ctx: Ctx, msg: StakeRemote) -> None:
    """Place a lien on the signer's collateral and tell the consumer to count it.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `mesh/link-not-synced` before the first report,
        `mesh/ratio-too-low` if the
            consumer slashes more than the lien covers, `mesh/validator-not-active`, `mesh/insufficient-balance`; nothing
            is lent.
    """
    bank.check_amount(msg.amount)
    link = open_link(ctx.store, msg.consumer)
    if link.rules is None:
        raise Rejected(LINK_NOT_SYNCED, link=msg.consumer)
    if HISTORIES.get(ctx.store, msg.consumer, msg.validator).latest.state is not State.ACTIVE:
        raise Rejected(VALIDATOR_NOT_ACTIVE, validator=msg.validator[:100])
    account = vault.find(ctx.store, ctx.signer)
    lien = account.liens.get(msg.consumer)
    ratio = link.ratio_bps if lien is None else lien.ratio_bps
    if ratio < max(link.rules.double_sign_bps, link.rules.downtime_bps):
        raise Rejected(RATIO_TOO_LOW, ratio_bps=ratio, double_sign_bps=link.rules.double_sign_bps)
    vault.put(ctx, ctx.signer, account.lend(msg.consumer, msg.amount, link.ratio_bps))
    key = Key(msg.consumer, msg.validator, ctx.signer)
    before = book.settled(ctx.store, key)
    book.write(ctx, key, before, before.lend(msg.amount))
    number = book.begin(ctx, key, InFlight(Kind.STAKE, msg.amount))
    send_to_consumer(ctx, msg.consumer, packets.Stake(ctx.signer, msg.validator, Coin(ctx.denom, msg.amount), number))
    ctx.emit(
        "mesh/stake-remote", user=ctx.signer, consumer=msg.consumer, validator=msg.validator, amount=msg.amount, tx_id=number
    )


def unstake(ctx: Ctx, msg: Unstake) -> None:
    """Reserve lent stake and ask the consumer to stop counting it.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `mesh/not-enough-stake`; nothing is asked.
    """
    bank.check_amount(msg.amount)
    live_link(ctx.store, msg.consumer)
    key = Key(msg.consumer, msg.validator, ctx.signer)
    before = book.settled(ctx.store, key)
    book.write(ctx, key, before, before.leave(msg.amount))
    number = book.begin(ctx, key, InFlight(Kind.UNSTAKE, msg.amount))
    send_to_consumer(ctx, msg.consumer, packets.Unstake(ctx.signer, msg.validator, Coin(ctx.denom, msg.amount), number))
    ctx.emit("mesh/unstake", user=ctx.signer, consumer=msg.consumer, validator=msg.validator, amount=msg.amount, tx_id=number)


def leave(ctx: Ctx, msg: Leave) -> None:
    """Start the unbonding period at once and have the consumer burn what it counts, whenever it can be told.

    The consumer may count it for a while yet, so it answers for every fault until it is free, later ones too. What is in
    flight cannot leave: whether the consumer counts it is not known before it is answered or has timed out.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `mesh/not-enough-stake`; nothing leaves.
    """
    bank.check_amount(msg.amount)
    link = live_link(ctx.store, msg.consumer)
    key = Key(msg.consumer, msg.validator, ctx.signer)
    before = book.settled(ctx.store, key)
    free_at = ctx.time + link.unbonding_time
    book.write(ctx, key, before, before.leave(msg.amount).commit_leave(msg.amount, free_at, free_at))
    tell_consumer(ctx, key.link, Burn(ctx.denom, (BurnRow(key.user, key.validator, msg.amount),)))
    ctx.emit("mesh/leave", user=key.user, consumer=key.link, validator=key.validator, amount=msg.amount)


def withdraw_unbonded(ctx: Ctx, msg: WithdrawUnbonded) -> None:
    """Lower the signer's lien by all that has matured; nothing happens if nothing has. On a closed link everything has.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    if get_link(ctx.store, msg.consumer).phase is Phase.CLOSED:
        closing.free(ctx, msg.consumer, ctx.signer)
    total = 0
    for validator in validators_of(ctx.store, ctx.signer, msg.consumer):
        key = Key(msg.consumer, validator, ctx.signer)
        before = book.settled(ctx.store, key)
        after, released = before.release(ctx.time)
        if released:
            book.write(ctx, key, before, after)
            total += released
    if total:
        vault.put(ctx, ctx.signer, vault.find(ctx.store, ctx.signer).release(msg.consumer, total))
    ctx.emit("mesh/withdraw-unbonded", user=ctx.signer, consumer=msg.consumer, amount=total)


def on_stake_answered(ctx: Ctx, link: LinkId, packet: packets.Stake, accepted: bool) -> None:
    """Make a stake true, or give it back. What was cut from it on the way is burned only now that the consumer counts it."""
    key = Key(link, packet.validator, packet.delegator)
    settle(ctx, key.user)
    transaction = book.finish(ctx, key, packet.tx_id)
    if transaction is None:
        return
    amount = transaction.amount - transaction.cut
    account, before = vault.find(ctx.store, key.user), book.settled(ctx.store, key)
    if accepted:
        vault.put(ctx, key.user, account.commit(link, amount))
        book.write(ctx, key, before, before.commit_lend(amount))
        _burn_noted(ctx, key, transaction.cut)
    else:
        vault.put(ctx, key.user, account.rollback(link, amount))
        book.write(ctx, key, before, before.rollback_lend(amount))
    ctx.emit(_answered("mesh/stake", accepted), user=key.user, consumer=link, validator=key.validator, amount=amount)


def on_unstake_answered(ctx: Ctx, link: LinkId, packet: packets.Unstake, accepted: bool) -> None:
    """Start the unbonding period, or take the stake back. What was cut from it is burned if the consumer still counts it."""
    key = Key(link, packet.validator, packet.delegator)
    settle(ctx, key.user)
    transaction = book.finish(ctx, key, packet.tx_id)
    if transaction is None:
        return
    amount = transaction.amount - transaction.cut
    before = book.settled(ctx.store, key)
    if accepted:
        book.write(ctx, key, before, before.commit_leave(amount, ctx.time, release_time(ctx, get_link(ctx.store, link), key)))
    else:
        book.write(ctx, key, before, before.rollback_leave(amount))
        _burn_noted(ctx, key, transaction.cut)
    ctx.emit(_answered("mesh/unstake", accepted), user=key.user, consumer=link, validator=key.validator, amount=amount)


def release_time(ctx: Ctx, link: Link, key: Key) -> int:
    """Return when stake that leaves now is free: at once if its validator cannot be slashed any more."""
    state = HISTORIES.get(ctx.store, key.link, key.validator).latest.state
    return ctx.time if state in (State.UNBONDED, State.TOMBSTONED) else ctx.time + link.unbonding_time


def _burn_noted(ctx: Ctx, key: Key, amount: int) -> None:
    if amount:
        tell_consumer(ctx, key.link, Burn(ctx.denom, (BurnRow(key.user, key.validator, amount),)))


def _answered(kind: str, accepted: bool) -> str:
    return f"{kind}-{'committed' if accepted else 'rolled-back'}"
