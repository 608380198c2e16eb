"""What the provider asks: count more stake, count less, this is gone, pay this. Applied at the next epoch.

Unstaking cannot fail because the price moved: requests are kept in provider tokens. A burn is never refused: what it
does not find is debt of its delegator, settled by the stake when it comes.

Source: mesh-security contracts/consumer/converter, virtual-staking.
"""

from msgspec.structs import replace

from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking.state import get_validator
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.state import (
    DEBTS,
    DELEGATIONS,
    PAID_OUT,
    REQUESTS,
    SENT,
    Delegation,
    Request,
    get_link,
    reward_account,
)
from meshsec_core.security.mesh.links import UNKNOWN_LINK
from meshsec_core.security.mesh.packets import (
    MAX_AMOUNT,
    Burn,
    BurnRow,
    Done,
    Short,
    Stake,
    TransferRewards,
    Unstake,
    check_amount,
    check_name,
)

ZERO_CAP = "mesh/zero-cap"
VALIDATOR_TOMBSTONED = "mesh/validator-tombstoned"
INSUFFICIENT_BOND = "mesh/insufficient-bond"
WRONG_DENOM = "mesh/wrong-denom"
REWARDS_EXCEEDED = "mesh/rewards-exceeded"


def on_stake(ctx: Ctx, link: LinkId, packet: Stake) -> Done:
    """Count more stake for a validator, less the delegator's debt.

    Raises:
        Rejected: `mesh/bad-amount`, `mesh/bad-name`, `mesh/zero-cap`, `staking/unknown-validator`, `mesh/validator-tombstoned`.
    """
    check_amount(packet.stake.amount)
    check_name(packet.delegator)
    if get_link(ctx.store, link).params.max_cap == 0:
        raise Rejected(ZERO_CAP, link=link)
    if get_validator(ctx.store, packet.validator).tombstoned:
        raise Rejected(VALIDATOR_TOMBSTONED, validator=packet.validator)
    key = (link, packet.validator, packet.delegator)
    debt = DEBTS.get(ctx.store, *key)
    paid = min(debt, packet.stake.amount)
    if paid:
        _put_debt(ctx, key, debt - paid)
    added = packet.stake.amount - paid
    request = REQUESTS.get(ctx.store, link, packet.validator)
    REQUESTS.put(ctx.store, link, packet.validator, replace(request, tokens=request.tokens + added))
    known = DELEGATIONS.find(ctx.store, *key) or Delegation(0)
    DELEGATIONS.put(ctx.store, *key, replace(known, tokens=known.tokens + added))
    agenda.touch(ctx, link)
    ctx.emit("mesh/stake-requested", link=link, delegator=packet.delegator, validator=packet.validator, amount=added)
    return Done()


def on_unstake(ctx: Ctx, link: LinkId, packet: Unstake) -> Done:
    """Count less.

    Raises:
        Rejected: `mesh/bad-amount`, `mesh/bad-name`; `mesh/insufficient-bond` if that much was never asked for.
    """
    check_amount(packet.unstake.amount)
    check_name(packet.delegator)
    request = REQUESTS.get(ctx.store, link, packet.validator)
    if request.tokens < packet.unstake.amount:
        raise Rejected(INSUFFICIENT_BOND, requested=request.tokens, amount=packet.unstake.amount)
    lower(ctx, link, packet.validator, packet.unstake.amount)
    _forget(ctx, (link, packet.validator, packet.delegator), packet.unstake.amount)
    ctx.emit(
        "mesh/unstake-requested",
        link=link,
        delegator=packet.delegator,
        validator=packet.validator,
        amount=packet.unstake.amount,
    )
    return Done()


def on_burn(ctx: Ctx, link: LinkId, packet: Burn) -> Short:
    """Count less of what is gone on the provider; answer what was not found and is kept as debt.

    Rows that make no sense do nothing.
    """
    short = []
    for row in packet.rows:
        if not _makes_sense(row):
            continue
        found = lower(ctx, link, row.validator, row.amount)
        key = (link, row.validator, row.delegator)
        known = DELEGATIONS.find(ctx.store, *key)
        if known is not None and not known.told:
            _forget(ctx, key, found)
        missing = row.amount - found
        if missing:
            _put_debt(ctx, key, DEBTS.get(ctx.store, *key) + missing)
            short.append(BurnRow(row.delegator, row.validator, missing))
        ctx.emit("mesh/burn-requested", link=link, delegator=row.delegator, validator=row.validator, amount=found, debt=missing)
    for each in packet.answered:
        answered(ctx, link, each.validator, each.amount)
    return Short(tuple(short))


def on_transfer_rewards(ctx: Ctx, link: LinkId, packet: TransferRewards) -> Done:
    """Pay rewards to any account of this chain, never more than the provider has been told of.

    Raises:
        Rejected: `mesh/bad-amount`, `mesh/wrong-denom`, `crypto/bad-address`, `bank/reserved-account`, `mesh/unknown-link` for
            rewards of another provider, `mesh/rewards-exceeded`.
    """
    check_amount(packet.rewards.amount)
    if packet.rewards.denom != ctx.denom:
        raise Rejected(WRONG_DENOM, sent=packet.rewards.denom[:100], expected=ctx.denom)
    bech32_decode(ctx.prefix, packet.recipient)
    bank.refuse_reserved(ctx.store, packet.recipient)
    source = packet.earned.here
    if get_link(ctx.store, source).provider != get_link(ctx.store, link).provider:
        raise Rejected(UNKNOWN_LINK, link=source[:100])
    paid = PAID_OUT.get(ctx.store, source) + packet.rewards.amount
    if paid > SENT.get(ctx.store, source):
        raise Rejected(REWARDS_EXCEEDED, amount=packet.rewards.amount)
    PAID_OUT.put(ctx.store, source, paid)
    bank.send(ctx, ctx.module_account(reward_account(source)), packet.recipient, ctx.denom, packet.rewards.amount)
    ctx.emit("mesh/rewards-transferred", link=link, recipient=packet.recipient, amount=packet.rewards.amount)
    return Done()


def lower(ctx: Ctx, link: LinkId, validator: ValidatorId, amount: int) -> int:
    """Take provider tokens off a request, at most all of them; return how much there was."""
    request = REQUESTS.find(ctx.store, link, validator)
    found = min(amount, request.tokens) if request is not None else 0
    if request is not None and found:
        put(ctx, link, validator, replace(request, tokens=request.tokens - found))
        agenda.touch(ctx, link)
    return found


def answered(ctx: Ctx, link: LinkId, validator: ValidatorId, amount: int) -> None:
    """Stop waiting for the answer to a reported slash: what it has cut over there is known by now."""
    request = REQUESTS.find(ctx.store, link, validator)
    if request is not None and amount > 0:
        put(ctx, link, validator, replace(request, reported=request.reported - min(request.reported, amount)))
        agenda.touch(ctx, link)


def put(ctx: Ctx, link: LinkId, validator: ValidatorId, request: Request) -> None:
    """Write a request; one that asks for nothing and has nothing goes."""
    if request.tokens or request.bonded or request.reported:
        REQUESTS.put(ctx.store, link, validator, request)
    else:
        REQUESTS.delete(ctx.store, link, validator)


def _forget(ctx: Ctx, key: tuple[LinkId, str, str], amount: int) -> None:
    known = DELEGATIONS.find(ctx.store, *key)
    if known is None:
        return
    if known.tokens > amount:
        DELEGATIONS.put(ctx.store, *key, replace(known, tokens=known.tokens - amount))
    else:
        DELEGATIONS.delete(ctx.store, *key)


def _put_debt(ctx: Ctx, key: tuple[LinkId, str, str], debt: int) -> None:
    if debt:
        DEBTS.put(ctx.store, *key, debt)
    else:
        DEBTS.delete(ctx.store, *key)


def _makes_sense(row: BurnRow) -> bool:
    try:
        check_name(row.delegator)
        check_name(row.validator)
    except Rejected:
        return False
    return 0 < row.amount <= MAX_AMOUNT
