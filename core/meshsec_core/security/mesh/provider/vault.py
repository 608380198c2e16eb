"""The vault: users' collateral, free until a link or local staking claims it.

Law: the sum of all collateral is what the vault's account holds, and what users' sub-accounts hold, stake and unbond.
"""

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address
from meshsec_core.modules import bank
from meshsec_core.modules.staking.slash import COMMUNITY
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.account import Account
from meshsec_core.security.mesh.provider.state import GENESIS, VAULT, VAULTS


class Bond(Msg, frozen=True, tag="mesh/Bond"):
    """Put coins into the vault; permanently locked coins may go there too."""

    amount: int


class Unbond(Msg, frozen=True, tag="mesh/Unbond"):
    """Take free collateral out of the vault."""

    amount: int


def bond(ctx: Ctx, msg: Bond) -> None:
    """Add the signer's coins to their collateral.

    Raises:
        Rejected: `bank/bad-amount`, `bank/insufficient-funds`.
    """
    bank.bond(ctx, ctx.signer, ctx.module_account(VAULT), ctx.denom, msg.amount)
    put(ctx, ctx.signer, find(ctx.store, ctx.signer).bond(msg.amount))
    ctx.emit("mesh/bond", user=ctx.signer, amount=msg.amount)


def unbond(ctx: Ctx, msg: Unbond) -> None:
    """Give free collateral back at once.

    Raises:
        Rejected: `bank/bad-amount`; `mesh/claims-locked` if some outcome of what is in flight needs it.
    """
    bank.check_amount(msg.amount)
    put(ctx, ctx.signer, find(ctx.store, ctx.signer).unbond(msg.amount))
    bank.unbond(ctx, ctx.module_account(VAULT), ctx.signer, ctx.denom, msg.amount)
    ctx.emit("mesh/unbond", user=ctx.signer, amount=msg.amount)


def find(store: Reader, user: Address) -> Account:
    """Return a user's account; a stranger's is empty."""
    return VAULTS.get(store, user)


def put(ctx: Ctx, user: Address, account: Account) -> None:
    """Write a user's account."""
    VAULTS.put(ctx.store, user, account)


def destroy(ctx: Ctx, amount: int) -> None:
    """Take slashed collateral out of the vault: destroyed, or sent to the community pool if this chain says so."""
    if amount == 0:
        return
    account = ctx.module_account(VAULT)
    if GENESIS.get(ctx.store).slashed_to_community:
        bank.send(ctx, account, ctx.module_account(COMMUNITY), ctx.denom, amount)
    else:
        bank.burn(ctx, account, ctx.denom, amount)
