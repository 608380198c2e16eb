"""What a loss does to an account: the lien and the collateral fall, and the user's other liens give way until all laws hold.

Collateral lost over links is taken out of the vault by its sum; what propagates to local stake is undelegated first, so
that the vault can pay. What propagates to other links is told to their consumers.

Source: mesh-security docs/ibc/Slashing.md; contracts/provider/vault (slash).
"""

from meshsec_core.kernel.types import Address, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.account import LOCAL
from meshsec_core.security.mesh.links import Phase, tell_consumer
from meshsec_core.security.mesh.packets import Burn, BurnRow, Reduced
from meshsec_core.security.mesh.provider import book, local_stake, vault
from meshsec_core.security.mesh.provider.state import LINKS

ROWS_PER_PACKET = 512
"""Rows of a burn packet: far below the limit of a packet's data."""

Burns = dict[LinkId, list[BurnRow]]
"""What each consumer must hear of, per link."""


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
        if LINKS.get(ctx.store, link).phase is Phase.CLOSED:
            continue  # nobody counts there any more
        for start in range(0, len(rows), ROWS_PER_PACKET):
            tell_consumer(ctx, link, Burn(ctx.denom, tuple(rows[start : start + ROWS_PER_PACKET])))


def send_answer(ctx: Ctx, link: LinkId, answered: Reduced) -> None:
    """Tell a consumer that everything a slash of its has cut here has been told."""
    if LINKS.get(ctx.store, link).phase is not Phase.CLOSED:
        tell_consumer(ctx, link, Burn(ctx.denom, (), (answered,)))
