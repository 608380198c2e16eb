"""What always holds on the borrowing side. Each check reads everything: for tests and explorers."""

from collections.abc import Callable

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import LinkId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import View
from meshsec_core.security.mesh.consumer.state import (
    CAP_IN_FORCE,
    LINKS,
    MINTED,
    PAID_OUT,
    REWARDS,
    SENT,
    requests_of,
    reward_account,
    stake_account,
)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantViolated(what)


def virtual_stake_is_minted(view: View) -> None:
    """Law 5: minted virtual tokens are delegated virtual tokens, within the cap in force at the last epoch."""
    for (name,), _ in LINKS.items(view.store):
        account = module_account(view.machine.prefix, stake_account(LinkId(name)))
        delegated = staking.delegations_of(view.store, account)
        minted = MINTED.get(view.store, name)
        _require(minted == sum(delegated.values()), f"{name}: minted {minted}, delegated {delegated}")
        _require(minted <= CAP_IN_FORCE.get(view.store, name), f"{name}: minted {minted} above its cap")
        _require(bank.balance(view.store, account, view.machine.denom) == 0, f"{name}: virtual tokens at rest")


def requests_are_none_below_zero(view: View) -> None:
    """A request is never negative, nor is what is reported of it."""
    for (name,), _ in LINKS.items(view.store):
        for validator, request in requests_of(view.store, LinkId(name)).items():
            holds = min(request.tokens, request.reported, request.bonded, request.converted) >= 0
            _require(holds, f"{name}: {request} for {validator}")


def rewards_are_held(view: View) -> None:
    """Law 8: what a link's reward account holds waits to be told, or has been told and not been paid."""
    for (name,), _ in LINKS.items(view.store):
        account = module_account(view.machine.prefix, reward_account(LinkId(name)))
        waiting = sum(amount for _, amount in REWARDS.items(view.store, name))
        owed = SENT.get(view.store, name) - PAID_OUT.get(view.store, name)
        held = bank.balance(view.store, account, view.machine.denom)
        _require(held == waiting + owed and owed >= 0, f"{name}: holds {held}, waiting {waiting}, owed {owed}")


LAWS: dict[str, Callable[[View], None]] = {
    "virtual stake is minted": virtual_stake_is_minted,
    "requests are none below zero": requests_are_none_below_zero,
    "rewards are held": rewards_are_held,
}
