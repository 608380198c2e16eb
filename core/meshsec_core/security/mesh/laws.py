"""What holds across chains: both ends of every link agree.

Views are keyed by chain id. A link is followed from the consumer, which names its provider and the provider's channel; a
provider that is not among the views is not judged. The laws of one chain are in `provider.laws` and `consumer.laws`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import LinkId
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.law import Law, Views
from meshsec_core.runtime.module import View
from meshsec_core.security.mesh.consumer import epoch
from meshsec_core.security.mesh.consumer import state as consumer
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.measures import query_lent_at_stake
from meshsec_core.security.mesh.provider import state as provider


class Pair(NamedTuple):
    """Both ends of an open link."""

    here: View
    """The consumer."""
    link: LinkId
    there: View
    """The provider."""
    lent: LinkId
    """The link on the provider."""


def pairs(views: Views) -> Iterator[Pair]:
    """Yield every link whose two ends are among the views and open, by chain and link."""
    for chain_id in sorted(views):
        here = views[chain_id]
        for name, link in consumer.live_links(here.store):
            there = views.get(link.provider)
            if there is None:
                continue
            other = provider.LINKS.find(there.store, link.counterparty)
            if other is not None and other.phase.is_live and (other.consumer, other.counterparty) == (chain_id, name):
                yield Pair(here, name, there, LinkId(link.counterparty))


def requests_equal_stake(views: Views) -> None:
    """Law 4: what the consumer counts for a validator is what the provider's users have lent to it."""
    for pair in pairs(views):
        asked = {str(key): request.tokens for key, request in consumer.requests_of(pair.here.store, pair.link).items()}
        lent = {validator: pool.total for (validator,), pool in provider.POOLS.items(pair.there.store, pair.lent)}
        asked = {key: tokens for key, tokens in asked.items() if tokens}
        lent = {key: tokens for key, tokens in lent.items() if tokens}
        if asked != lent:
            raise InvariantViolated(f"{pair.link}: requested {asked}, lent {lent}")


def requests_are_asked_for(views: Views) -> None:
    """No request is more than its delegators have asked for, so that sending everybody home empties it."""
    for pair in pairs(views):
        asked: dict[str, int] = {}
        for (validator, _), delegation in consumer.DELEGATIONS.items(pair.here.store, pair.link):
            asked[validator] = asked.get(validator, 0) + delegation.tokens
        for validator, request in consumer.requests_of(pair.here.store, pair.link).items():
            if request.tokens > asked.get(validator, 0):
                raise InvariantViolated(f"{pair.link}: {request.tokens} requested of {asked.get(validator, 0)} for {validator}")


def virtual_stake_is_what_stake_converts_to(views: Views) -> None:
    """Law 4: virtual stake is what the stake converts to, within the caps."""
    for view in views.values():
        for name, link in consumer.live_links(view.store):
            requests = consumer.requests_of(view.store, name)
            _, wanted = epoch.wanted(view, name, link, requests)
            bonded = {str(key): request.bonded for key, request in requests.items()}
            if bonded != wanted:
                raise InvariantViolated(f"{name}: virtual stake {bonded}, wanted {wanted}")


def caps_cap_power_alone(views: Views) -> None:
    """Power stays within what stake is worth; what answers for faults is all of the stake, however little of it is power."""
    for pair in pairs(views):
        for validator, request in consumer.requests_of(pair.here.store, pair.link).items():
            answering = query_lent_at_stake(pair.there, pair.lent, validator)
            if request.bonded > request.converted or answering.stake != request.tokens:
                raise InvariantViolated(f"{pair.link}: {request} for {validator}, and {answering} answers for it")


def rewards_arrive(views: Views) -> None:
    """Law 8: what a consumer has told is what its provider has received; what was asked for has been paid."""
    for pair in pairs(views):
        told = consumer.SENT.get(pair.here.store, pair.link), consumer.PAID_OUT.get(pair.here.store, pair.link)
        heard = provider.RECEIVED.get(pair.there.store, pair.lent), provider.PAID.get(pair.there.store, pair.lent)
        if told != heard:
            raise InvariantViolated(f"{pair.link}: rewards told and paid {told}, received and asked for {heard}")


def nothing_is_paid_twice(views: Views) -> None:
    """Law 8: no provider has been credited with more than its consumer has set aside, nor has more been paid than asked for."""
    for pair in pairs(views):
        sent, received = consumer.SENT.get(pair.here.store, pair.link), provider.RECEIVED.get(pair.there.store, pair.lent)
        paid, asked = consumer.PAID_OUT.get(pair.here.store, pair.link), provider.PAID.get(pair.there.store, pair.lent)
        if received > sent or paid > asked:
            raise InvariantViolated(f"{pair.link}: sent {sent}, received {received}, asked for {asked}, paid {paid}")


def validators_are_known(views: Views) -> None:
    """A provider takes for active the consumer's bonded validators, with their keys, but for those that it has proven guilty."""
    for pair in pairs(views):
        if consumer.get_link(pair.here.store, pair.link).params.max_cap == 0:
            continue
        records = {validator: history.latest for (validator,), history in provider.HISTORIES.items(pair.there.store, pair.lent)}
        guilty = {validator for validator, record in records.items() if record.state is State.TOMBSTONED}
        known = {name: record.public_key for name, record in records.items() if record.state is State.ACTIVE}
        bonded = {
            str(record.operator): record.public_key
            for record in staking.validators(pair.here.store)
            if record.status is staking.Status.BONDED and not record.jailed and record.operator not in guilty
        }
        if known != bonded:
            raise InvariantViolated(f"{pair.link}: known {sorted(known)}, bonded {sorted(bonded)}")


LAWS = (
    Law("requests equal stake", always=False, check=requests_equal_stake),
    Law("requests are asked for", always=False, check=requests_are_asked_for),
    Law("virtual stake is what stake converts to", always=False, check=virtual_stake_is_what_stake_converts_to),
    Law("caps cap power alone", always=False, check=caps_cap_power_alone),
    Law("rewards arrive", always=False, check=rewards_arrive),
    Law("validators are known", always=False, check=validators_are_known),
    Law("nothing is paid twice", always=True, check=nothing_is_paid_twice),
)
