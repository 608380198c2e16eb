"""What readers see of the lending side. Ranges show both outcomes of what is in flight."""

import msgspec

from meshsec_core.kernel.types import Address, ChainId, Denom, LinkId, ValidatorId
from meshsec_core.runtime.module import Query, View
from meshsec_core.security.mesh.account import Lien
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.links import Phase
from meshsec_core.security.mesh.pages import after, page
from meshsec_core.security.mesh.provider import vault
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.local_stake import holdings, sub_account
from meshsec_core.security.mesh.provider.payout import pending_rewards
from meshsec_core.security.mesh.provider.policy import commission
from meshsec_core.security.mesh.provider.state import (
    FAULTS,
    HISTORIES,
    LINKS,
    OVERLAPS,
    PAID,
    POLICIES,
    POOLS,
    RECEIVED,
    RESERVES,
    SWEEPS,
    TRANSACTIONS,
    VAULTS,
    Fault,
    Kind,
    Policy,
    Rules,
    Sweep,
    Terms,
    get_link,
    stakes_of,
)
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.stake import Unbond


class Vault(msgspec.Struct, frozen=True):
    """A user's account in the vault."""

    user: Address
    collateral: int
    free: Range
    max_lien: Range
    slashable: Range
    liens: dict[str, Lien]


class Local(msgspec.Struct, frozen=True):
    """What a user's sub-account holds."""

    sub_account: Address
    staked: int
    unbonding: int
    unbonded: int
    """Coins that wait to be released into the vault."""


class Lent(msgspec.Struct, frozen=True):
    """What a user has lent to one validator."""

    validator: ValidatorId
    stake: Range
    unbonds: tuple[Unbond, ...]
    rewards: int
    """What could be withdrawn now, in consumer tokens."""


class Transaction(msgspec.Struct, frozen=True):
    """A packet that the consumer has not answered."""

    id: int
    kind: Kind
    consumer: LinkId
    validator: ValidatorId
    amount: int
    cut: int


class Lending(msgspec.Struct, frozen=True):
    """A link as the provider sees it."""

    link: LinkId
    consumer: ChainId
    client: str
    connection: str
    counterparty: str
    phase: Phase
    terms: Terms
    rules: Rules | None
    takes_stake: bool
    """Whether its ratios cover what the consumer slashes, and its first report has come."""
    rewards_received: int
    rewards_paid: int
    rewards_reserve: int


class Known(msgspec.Struct, frozen=True):
    """A consumer's validator as the provider knows it."""

    validator: ValidatorId
    state: State
    public_key: bytes
    height: int
    bonded: int
    """Stake on it, in provider tokens."""
    in_flight: int


class Joined(msgspec.Struct, frozen=True):
    """An operator who validates on both ends, and what it takes of rewards."""

    validator: ValidatorId
    """Over there."""
    operator: ValidatorId
    """Here."""
    policy: Policy | None
    """In force; None takes nothing."""
    commission_bps: int
    """What it takes now."""
    then: Policy | None
    """What follows."""
    then_at: int
    """When, nanoseconds; 0 if nothing does."""


class Charged(msgspec.Struct, frozen=True):
    """A fault in the slashing history."""

    consumer: LinkId
    validator: ValidatorId
    id: str
    fault: Fault


class Totals(msgspec.Struct, frozen=True):
    """The vault as a whole."""

    denom: Denom
    collateral: int
    users: int


def query_vault(view: View, user: Address) -> Vault:
    """Show a user's account: collateral, what is free, what links claim."""
    account = vault.find(view.store, user)
    return Vault(user, account.collateral, account.free, account.max_lien, account.slashable, account.liens)


def query_vaults(view: View, limit: str = "", start_after: str = "", with_collateral: str = "") -> tuple[Vault, ...]:
    """List all accounts by user; with `with_collateral` only those that hold some."""
    found = (
        query_vault(view, Address(user))
        for (user,), account in VAULTS.items(view.store, after=after(start_after))
        if account.collateral or not with_collateral
    )
    return page(found, limit)


def query_local(view: View, user: Address) -> Local:
    """Show a user's local stake."""
    staked, unbonding, unbonded = holdings(view.store, view.machine.prefix, view.machine.denom, user)
    return Local(sub_account(view.machine.prefix, user), staked, unbonding, unbonded)


def query_stakes(view: View, user: Address, consumer: LinkId) -> tuple[Lent, ...]:
    """List what a user has lent over a link, with pending unbonds and rewards."""
    return tuple(
        Lent(
            ValidatorId(validator),
            stake.range,
            stake.unbonds,
            pending_rewards(view.store, Key(consumer, ValidatorId(validator), user)),
        )
        for validator, stake in stakes_of(view.store, user, consumer).items()
    )


def query_in_flight(view: View, user: Address, consumer: LinkId) -> tuple[Transaction, ...]:
    """List what of a user's transactions is in flight on a link, newest first."""
    found = [
        Transaction(int(number), each.kind, consumer, ValidatorId(validator), each.amount, each.cut)
        for (validator, number), each in TRANSACTIONS.items(view.store, consumer, user)
    ]
    return tuple(sorted(found, key=lambda each: -each.id))


def query_link(view: View, link: LinkId) -> Lending:
    """Show a link.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    found = get_link(view.store, link)
    return Lending(
        link,
        found.consumer,
        found.client,
        found.connection,
        found.counterparty,
        found.phase,
        found.terms,
        found.rules,
        found.phase is Phase.OPEN and found.covers_rules,
        RECEIVED.get(view.store, link),
        PAID.get(view.store, link),
        RESERVES.get(view.store, link),
    )


def query_links(view: View) -> tuple[Lending, ...]:
    """List all links."""
    return tuple(query_link(view, LinkId(name)) for (name,), _ in LINKS.items(view.store))


def query_validators(view: View, consumer: LinkId, limit: str = "", start_after: str = "", state: str = "") -> tuple[Known, ...]:
    """List the validators of a consumer, with what is lent to them; all, or those of one state."""
    histories = HISTORIES.items(view.store, consumer, after=after(start_after))
    found = (_known(view, consumer, validator) for (validator,), _ in histories)
    return page((each for each in found if state in ("", each.state)), limit)


def _known(view: View, consumer: str, validator: str) -> Known:
    record = HISTORIES.get(view.store, consumer, validator).latest
    pool = POOLS.get(view.store, consumer, validator)
    return Known(ValidatorId(validator), record.state, record.public_key, record.height, pool.total, pool.adding)


def query_operators(view: View, consumer: LinkId, limit: str = "", start_after: str = "") -> tuple[Joined, ...]:
    """List the operators who validate on both ends of a link, by their validators over there."""
    found = (
        _joined(view, consumer, ValidatorId(validator), joined.operator)
        for (validator,), joined in OVERLAPS.items(view.store, consumer, after=after(start_after))
    )
    return page(found, limit)


def _joined(view: View, link: LinkId, validator: ValidatorId, operator: ValidatorId) -> Joined:
    choice = POLICIES.get(view.store, link, validator)
    policy, waits = choice.at(view.time), choice.then_at > view.time
    rate = commission(view.store, operator, policy)
    return Joined(validator, operator, policy, rate, choice.then if waits else None, choice.then_at if waits else 0)


def query_slashes(view: View, consumer: LinkId, limit: str = "") -> tuple[Charged, ...]:
    """List the faults that a consumer's validators have been charged for."""
    found = (
        Charged(consumer, ValidatorId(validator), name, fault) for (validator, name), fault in FAULTS.items(view.store, consumer)
    )
    return page(found, limit)


def query_sweeps(view: View) -> tuple[Sweep, ...]:
    """List the faults that have been charged and for which users still pay."""
    return SWEEPS.get(view.store).active


def query_totals(view: View) -> Totals:
    """Show the vault as a whole; costs as much as there are users."""
    held = [account.collateral for _, account in VAULTS.items(view.store)]
    return Totals(view.machine.denom, sum(held), len(held))


QUERIES: dict[str, Query] = {
    "vault": query_vault,
    "vaults": query_vaults,
    "totals": query_totals,
    "local": query_local,
    "stakes": query_stakes,
    "in-flight": query_in_flight,
    "link": query_link,
    "links": query_links,
    "validators": query_validators,
    "operators": query_operators,
    "slashes": query_slashes,
    "sweeps": query_sweeps,
}
