"""The sub-account that holds a user's local stake: a delegator of its own, so that each user's loss is known exactly.

Source: mesh-security contracts/provider/native-staking-proxy.
"""

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address, Denom, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking.delegation import undelegate_now
from meshsec_core.modules.staking.state import delegations_of, unbondings_of
from meshsec_core.modules.staking.unbonding import recall
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.burn import distribute_burn
from meshsec_core.security.mesh.provider.state import OWNERS, VAULT


def sub_account_name(user: Address) -> str:
    """Return the module-account name of a user's sub-account."""
    return f"mesh/local/{user}"


def sub_account(prefix: str, user: Address) -> Address:
    """Return the account that stakes for a user."""
    return module_account(prefix, sub_account_name(user))


def open_sub_account(ctx: Ctx, user: Address) -> Address:
    """Return a user's sub-account; the first time, remember whose it is and close it to transfers."""
    account = sub_account(ctx.prefix, user)
    if not OWNERS.has(ctx.store, account):
        OWNERS.put(ctx.store, account, user)
        bank.reserve(ctx, sub_account_name(user))
    return account


def holdings(store: Reader, prefix: str, denom: Denom, user: Address) -> tuple[int, int, int]:
    """Return what a user's sub-account stakes, unbonds, and holds unbonded."""
    account = sub_account(prefix, user)
    staked = sum(delegations_of(store, account).values())
    unbonding = sum(entry.balance for _, _, entry in unbondings_of(store, account))
    return staked, unbonding, bank.balance(store, account, denom)


def cut(ctx: Ctx, user: Address, amount: int) -> None:
    """Bring local stake back into the vault at once.

    Delegations share equally; then comes unbonding stake, latest due first; then coins at rest.
    """
    account = sub_account(ctx.prefix, user)
    stakes = delegations_of(ctx.store, account)
    bonded = min(amount, sum(stakes.values()))
    for validator, share in sorted(distribute_burn(tuple(stakes.items()), bonded).items()):
        undelegate_now(ctx, account, ValidatorId(validator), share)
    if amount > bonded:
        recall(ctx, account, amount - bonded)
    if bank.balance(ctx.store, account, ctx.denom) < amount:
        raise InvariantViolated(f"local lien of {user} exceeds what the sub-account holds")
    bank.send(ctx, account, ctx.module_account(VAULT), ctx.denom, amount)
