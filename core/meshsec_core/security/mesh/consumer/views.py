"""What readers see of the borrowing side."""

from collections.abc import Iterator

import msgspec

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.types import Address, ChainId, LinkId, ValidatorId
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import Query, View
from meshsec_core.security.mesh.consumer.epoch import native_bonded
from meshsec_core.security.mesh.consumer.pricing import pricing
from meshsec_core.security.mesh.consumer.state import (
    ADMITTED,
    DEBTS,
    DELEGATIONS,
    LINKS,
    MINTED,
    PAID_OUT,
    REQUESTS,
    REWARDS,
    SENT,
    LinkParams,
    get_link,
    live_links,
    requests_of,
    stake_account,
)
from meshsec_core.security.mesh.converter import Rate
from meshsec_core.security.mesh.links import Phase
from meshsec_core.security.mesh.pages import after, page


class Borrowing(msgspec.Struct, frozen=True):
    """A link as the consumer sees it."""

    link: LinkId
    provider: ChainId
    client: str
    connection: str
    counterparty: str
    phase: Phase
    params: LinkParams
    requested: int
    """Provider tokens that are lent."""
    virtual: int
    """What the last epoch made of them, in this chain's tokens."""
    rewards_waiting: int
    """Collected and not yet told."""
    rewards_sent: int
    rewards_paid: int
    rate: Rate | None
    """At which provider tokens are valued; None while no price is known."""
    price_code: str
    """Why nothing is re-priced: no price, or one that is too old; empty if all is well."""


class Backed(msgspec.Struct, frozen=True):
    """A validator and what backs its power."""

    validator: ValidatorId
    bonded: bool
    tokens: int
    """All that is delegated to it."""
    native: int
    virtual: dict[LinkId, int]
    """Per link."""


class Wish(msgspec.Struct, frozen=True):
    """What a provider's stakers ask of one validator."""

    validator: ValidatorId
    tokens: int
    """Provider tokens."""
    reported: int
    """Of them, slashed and not yet answered."""
    bonded: int
    """Virtual stake, in this chain's tokens."""


class Stakes(msgspec.Struct, frozen=True):
    """What one delegator of the provider has asked for."""

    validator: ValidatorId
    delegator: Address
    tokens: int
    debt: int


class Bonded(msgspec.Struct, frozen=True):
    """Where this chain's power comes from."""

    native: int
    virtual: int


def query_link(view: View, link: LinkId) -> Borrowing:
    """Show a link.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    found = get_link(view.store, link)
    value = pricing(view.store, link, found, view.time)
    return Borrowing(
        link,
        found.provider,
        found.client,
        found.connection,
        found.counterparty,
        found.phase,
        found.params,
        sum(request.tokens for request in requests_of(view.store, link).values()),
        MINTED.get(view.store, link),
        sum(amount for _, amount in REWARDS.items(view.store, link)),
        SENT.get(view.store, link),
        PAID_OUT.get(view.store, link),
        value.rate,
        value.code,
    )


def query_links(view: View) -> tuple[Borrowing, ...]:
    """List all links."""
    return tuple(query_link(view, LinkId(name)) for (name,), _ in LINKS.items(view.store))


def query_admitted(view: View) -> dict[ChainId, LinkParams]:
    """Show which providers may open a link, and on which terms."""
    return {ChainId(provider): params for (provider,), params in ADMITTED.items(view.store)}


def query_requests(view: View, link: LinkId, limit: str = "", start_after: str = "") -> tuple[Wish, ...]:
    """List what a provider's stakers ask for, by validator."""
    found = (
        Wish(ValidatorId(validator), request.tokens, request.reported, request.bonded)
        for (validator,), request in REQUESTS.items(view.store, link, after=after(start_after))
    )
    return page(found, limit)


def query_delegations(view: View, link: LinkId, limit: str = "") -> tuple[Stakes, ...]:
    """List what each delegator of a provider has asked for."""
    found = (
        Stakes(
            ValidatorId(validator),
            Address(delegator),
            delegation.tokens,
            DEBTS.get(view.store, link, validator, delegator),
        )
        for (validator, delegator), delegation in DELEGATIONS.items(view.store, link)
    )
    return page(found, limit)


def query_validators(view: View, limit: str = "", start_after: str = "") -> tuple[Backed, ...]:
    """List this chain's validators with what backs them: native stake, and virtual stake per link."""
    return page((each for each in backing(view) if each.validator > start_after), limit)


def backing(view: View) -> Iterator[Backed]:
    """Yield every validator with what backs it, by operator."""
    accounts = {name: module_account(view.machine.prefix, stake_account(name)) for name, _ in live_links(view.store)}
    for record in staking.validators(view.store):
        shares = {name: staking.delegation_value(view.store, account, record.operator) for name, account in accounts.items()}
        held = {name: tokens for name, tokens in shares.items() if tokens}
        bonded = record.status is staking.Status.BONDED
        yield Backed(record.operator, bonded, record.tokens, record.tokens - sum(held.values()), held)


def lent_powers(view: View) -> dict[ValidatorId, dict[str, int]]:
    """Return, per validator, the power that each link lends it now."""
    found: dict[ValidatorId, dict[str, int]] = {}
    params = staking.params(view.store)
    for (link,), _ in LINKS.items(view.store):
        delegator = module_account(view.machine.prefix, stake_account(LinkId(link)))
        for validator, tokens in staking.delegations_of(view.store, delegator).items():
            found.setdefault(validator, {})[link] = staking.power(tokens, params)
    return found


def query_bonded(view: View) -> Bonded:
    """Show how much of the bonded tokens is native and how much is lent by others."""
    native = native_bonded(view.store, view.machine.prefix)
    return Bonded(native, staking.bonded_tokens(view.store) - native)


QUERIES: dict[str, Query] = {
    "link": query_link,
    "links": query_links,
    "admitted": query_admitted,
    "requests": query_requests,
    "delegations": query_delegations,
    "validators": query_validators,
    "bonded": query_bonded,
}
