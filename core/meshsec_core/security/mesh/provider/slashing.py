"""What a fault costs: every user who lends to the validator loses a part, and each user's other liens give way until all
laws hold again.

Collateral lost over links is taken out of the vault once, by its sum; what propagates to local stake is undelegated
first, so that the vault can pay. What propagates to other links is told to their consumers, one packet per link and slash.

Source: mesh-security docs/ibc/Slashing.md; contracts/provider/vault (slash), external-staking (slash).
"""

from collections.abc import Callable

from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.account import LOCAL
from meshsec_core.security.mesh.links import tell_consumer
from meshsec_core.security.mesh.packets import Burn, BurnRow
from meshsec_core.security.mesh.provider import book, local_stake, vault
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.state import FAULTS, POOLS, STAKES, Fault, FaultKind
from meshsec_core.security.mesh.stake import Stake

ROWS_PER_PACKET = 512
"""Rows of a burn packet: far below the limit of a packet's data."""

Burns = dict[LinkId, list[BurnRow]]
"""What each consumer must hear of, per link."""

Share = Callable[[Stake], int]
"""From a stake to what it loses, before the frozen ratio bounds it."""


def fault_id(kind: FaultKind, height: int) -> str:
    """Return under which id a fault is charged: a double sign once for ever, downtime once per infraction height."""
    return kind.value if kind is FaultKind.DOUBLE_SIGN else f"{kind.value}-{height}"


def is_charged(ctx: Ctx, link: LinkId, validator: ValidatorId, kind: FaultKind, height: int) -> bool:
    """Tell whether a fault has cost its price already, whichever way it was reported."""
    return FAULTS.has(ctx.store, link, validator, fault_id(kind, height))


def by_amount(ctx: Ctx, link: LinkId, validator: ValidatorId, amount: int) -> Share:
    """Spread an amount over all stake on a validator, in flight included.

    The effective ratio is truncated to 18 digits and each share rounds down, as in the reference: both for the user.
    """
    pool = POOLS.get(ctx.store, link, validator)
    total = pool.total + pool.adding
    ratio_e18 = amount * ONE_E18 // total if total else 0
    return lambda stake: stake.range.high * ratio_e18 // ONE_E18


def by_fraction(fraction_bps: int) -> Share:
    """Take a part of all stake, in flight included; rounds down, for the user."""
    return lambda stake: stake.range.high * fraction_bps // ONE_BPS


def slash_validator(
    ctx: Ctx, link: LinkId, validator: ValidatorId, fault: Fault, share: Share, nominal_bps: int
) -> tuple[tuple[tuple[Address, int], ...], Burns]:
    """Charge a fault to all who lend to a validator.

    Returns what each user's stake lost that the consumer still counts, for the caller to tell it, and the burns that
    propagation asks for.

    Args:
        ctx: Where.
        link: The consumer's link.
        validator: Who is at fault.
        fault: Written down with the sum, so that it is never charged again.
        share: What each stake loses; never more than the user's frozen ratio.
        nominal_bps: What stake that was unbonding since the fault loses; bounded alike.
    """
    counted, total = [], 0
    burns: Burns = {}
    for (name,), _ in list(STAKES.items(ctx.store, link, validator)):
        user = Address(name)
        free, lost = _slash_user(ctx, Key(link, validator, user), fault, share, nominal_bps, burns)
        counted.append((user, free))
        total += lost
    vault.destroy(ctx, total)
    fault_ = Fault(fault.kind, fault.height, fault.time, fault.charged_at, fault.by, total)
    FAULTS.put(ctx.store, link, validator, fault_id(fault.kind, fault.height), fault_)
    ctx.emit("mesh/fault", consumer=link, validator=validator, kind=fault.kind, height=fault.height, by=fault.by, amount=total)
    return tuple(counted), burns


def _slash_user(ctx: Ctx, key: Key, fault: Fault, share: Share, nominal_bps: int, burns: Burns) -> tuple[int, int]:
    before = book.settled(ctx.store, key)
    lien = vault.find(ctx.store, key.user).liens.get(key.link)
    if lien is None:
        return 0, 0
    ceiling = before.range.high * lien.ratio_bps // ONE_BPS  # rounds down, for the user
    after, taken = before.take(min(share(before), ceiling))
    after, from_unbonds = after.slash_unbonds(fault.time, ctx.time, min(nominal_bps, lien.ratio_bps) * (ONE_E18 // ONE_BPS))
    loss = sum(taken) + from_unbonds
    if loss == 0:
        return 0, 0
    book.note(ctx, key, taken)
    book.write(ctx, key, before, after)
    propagate(ctx, key.user, key.link, (loss - taken.adding, taken.adding), burns, prefer=key.validator)
    return taken.free, loss


def propagate(
    ctx: Ctx, user: Address, link: str, loss: tuple[int, int], burns: Burns, *, prefer: ValidatorId | None = None
) -> None:
    """Charge a loss to a user's account and cut their liens until all laws hold; the coins themselves are the caller's matter.

    Args:
        ctx: Where.
        user: Whose account.
        link: Where the fault was: a link, or `local`.
        loss: (from settled stake, from stake in flight).
        burns: Is added what the consumers must hear of.
        prefer: The slashed validator, which pays cuts on its own link before others do.
    """
    account, cuts = vault.find(ctx.store, user).slash(link, *loss)
    vault.put(ctx, user, account)
    ctx.emit("mesh/slash", user=user, link=link, amount=sum(loss), collateral=account.collateral)
    for cut in cuts:
        ctx.emit("mesh/cut", user=user, link=cut.link, amount=cut.settled + cut.pending)
        if cut.link == LOCAL:
            local_stake.cut(ctx, user, cut.settled)
        else:
            rows = book.cut(ctx, user, cut, prefer if cut.link == link else None)
            burns.setdefault(LinkId(cut.link), []).extend(rows)


def send_burns(ctx: Ctx, burns: Burns) -> None:
    """Tell each consumer what is gone, split by the limit of a packet's data."""
    for link, rows in sorted(burns.items()):
        for start in range(0, len(rows), ROWS_PER_PACKET):
            tell_consumer(ctx, link, Burn(ctx.denom, tuple(rows[start : start + ROWS_PER_PACKET])))
