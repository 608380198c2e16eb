"""What always holds on the lending side, packets in flight or not. Each check reads everything: for tests and explorers."""

from collections.abc import Callable

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, LinkId
from meshsec_core.modules import bank
from meshsec_core.runtime.module import View
from meshsec_core.security.mesh.account import LOCAL
from meshsec_core.security.mesh.packets import PROVIDER_PORT
from meshsec_core.security.mesh.provider.local_stake import holdings
from meshsec_core.security.mesh.provider.state import (
    LINKS,
    PAID,
    POOLS,
    RECEIVED,
    RESERVES,
    STAKES,
    TRANSACTIONS,
    VAULT,
    VAULTS,
    Kind,
)
from meshsec_core.security.mesh.ranges import Range


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantViolated(what)


def collateral_is_held(view: View) -> None:
    """Law 1: the sum of all collateral is what the vault and the sub-accounts hold, stake and unbond."""
    collateral, local = 0, 0
    for (user,), account in VAULTS.items(view.store):
        held = sum(holdings(view.store, view.machine.prefix, view.machine.denom, Address(user)))
        lien = account.liens.get(LOCAL)
        claimed = lien.range if lien is not None else Range()
        _require(claimed == Range.of(held), f"local lien of {user} is {claimed}, the sub-account holds {held}")
        collateral += account.collateral
        local += held
    coins = bank.balance(view.store, module_account(view.machine.prefix, VAULT), view.machine.denom)
    _require(collateral == coins + local, f"collateral {collateral}, vault {coins}, local {local}")


def liens_are_covered(view: View) -> None:
    """Law 2: no lien exceeds the collateral, nor does the sum of what can be slashed."""
    for (user,), account in VAULTS.items(view.store):
        exposure = sum(lien.range.high * lien.ratio_bps for lien in account.liens.values())
        highs = [lien.range.high for lien in account.liens.values()]
        _require(all(0 <= lien.range.low <= lien.range.high for lien in account.liens.values()), f"liens of {user} are no ranges")
        _require(max(highs, default=0) <= account.collateral, f"a lien of {user} exceeds {account.collateral}")
        _require(exposure <= account.collateral * ONE_BPS, f"{user} can lose {exposure} of {account.collateral} × 10^4")


def liens_are_stakes(view: View) -> None:
    """Law 3: a link's lien of a user is its stake and its pending unbonds, at both ends."""
    claimed: dict[tuple[str, str], Range] = {}
    for (link, _, user), stake in STAKES.items(view.store):
        _require(0 <= stake.leaving <= stake.bonded and stake.adding >= 0, f"stake of {user} over {link} is {stake}")
        settled = stake.bonded + stake.unbonding
        claimed[link, user] = claimed.get((link, user), Range()) + Range(settled, settled + stake.adding)
    liens = {
        (link, user): lien.range
        for (user,), account in VAULTS.items(view.store)
        for link, lien in account.liens.items()
        if link != LOCAL
    }
    claimed = {key: value for key, value in claimed.items() if value.high}
    _require(liens == claimed, f"liens {liens}, stakes {claimed}")


def transactions_are_in_flight(view: View) -> None:
    """Law 9: what is reserved belongs to packets that have been neither acknowledged nor timed out."""
    reserved: dict[tuple[str, str, str], list[int]] = {}
    count = flying = 0
    for (link,), _ in LINKS.items(view.store):
        for (user, validator, _), transaction in TRANSACTIONS.items(view.store, link):
            count += 1
            sums = reserved.setdefault((link, validator, user), [0, 0])
            if transaction.kind is not Kind.REWARDS:
                sums[transaction.kind is Kind.UNSTAKE] += transaction.amount - transaction.cut
        prefix = f"ibc/commitments/ports/{PROVIDER_PORT}/channels/{link}/sequences/"
        flying += sum(1 for _ in view.store.scan(prefix))
    _require(count <= flying, f"{count} transactions, {flying} packets in flight")
    for (link, validator, user), stake in STAKES.items(view.store):
        adding, leaving = reserved.pop((link, validator, user), [0, 0])
        _require([adding, leaving] == [stake.adding, stake.leaving], f"stake of {user} over {link} reserves {stake}")
    _require(not any(sum(sums) for sums in reserved.values()), "reserved without a stake")


def rewards_add_up(view: View) -> None:
    """Law 8: paid + pending + reserve = received, to the unit of 10^-18."""
    for (name,), _ in LINKS.items(view.store):
        link = LinkId(name)
        pending = RESERVES.get(view.store, link) * ONE_E18
        totals: dict[str, tuple[int, int]] = {}
        for (validator, _), stake in STAKES.items(view.store, link):
            pending += stake.settle(POOLS.get(view.store, link, validator).points_e18).accrued_e18
            bonded, adding = totals.get(validator, (0, 0))
            totals[validator] = bonded + stake.bonded, adding + stake.adding
        for (validator,), pool in POOLS.items(view.store, link):
            pending += pool.leftover_e18
            _require((pool.total, pool.adding) == totals.get(validator, (0, 0)), f"pool of {validator} over {link}")
        received, paid = RECEIVED.get(view.store, link), PAID.get(view.store, link)
        _require(pending == (received - paid) * ONE_E18, f"{link}: received {received}, paid {paid}, pending {pending} × 10^-18")


LAWS: dict[str, Callable[[View], None]] = {
    "collateral is held": collateral_is_held,
    "liens are covered": liens_are_covered,
    "liens are stakes": liens_are_stakes,
    "what is reserved is in flight": transactions_are_in_flight,
    "rewards add up": rewards_add_up,
}
