"""Stake that a consumer sends home or is told of late, and what its epochs are woken by: every answer, to the unit."""

from typing import Any

import pytest

from mesh_faults import downtime
from mesh_rig import Flight, Link, MeshRig, account, pair, terms
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.slashing import Unjail
from meshsec_core.security.mesh import MESH
from meshsec_core.security.mesh.consumer import requests, unwind
from meshsec_core.security.mesh.consumer.governance import SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.state import DELEGATIONS, REQUESTS, SENT, Feed
from meshsec_core.security.mesh.packets import Burn, BurnRow, Coin, InternalUnstake, Released, ValsetUpdate
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.vault import Bond

HOUR = {"reward_seconds": 3_600}
"""Rewards of a link are due late, so that nothing else wakes its epochs."""


def lent(amount: int = 100, **of_pair: Any) -> tuple[MeshRig, Link]:
    rig, link = pair(consumer_terms=HOUR, alice=1_000, bob=1_000, **of_pair)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link


def govern(link: Link, msg: Any) -> None:
    link.consumer.send(link.consumer.ctx.module_account("gov"), msg)


def cap(link: Link, most: int) -> None:
    govern(link, SetMaxCap(link.link, most))
    link.consumer.block()


def on_record(link: Link) -> list[tuple[int, bool]]:
    """Return what the consumer knows of each delegation, and whether it has asked the provider to take it back."""
    return [(each.tokens, each.asked) for _, each in DELEGATIONS.items(link.consumer.state, link.link)]


def answer(link: Link, asked: int, released: Released | None) -> None:
    """Answer a question for so much of alice's stake."""
    whose, coins = (link.provider.address("alice"), link.validator(0)), Coin(Denom("provider"), asked)
    packet = InternalUnstake(*whose, Coin(link.consumer.ctx.denom, asked), coins)
    unwind.on_answered(link.consumer.ctx, link.link, packet, released)


def test_what_is_sent_home_is_named_in_the_tokens_of_both_chains() -> None:
    rig, link = lent()
    govern(link, SetPriceFeed(link.link, 10**18 // 2, None))
    cap(link, 0)
    packet = codec.decode(rig.flight("internal_unstake").packet.data, InternalUnstake)
    assert (packet.normalize_amount, packet.inverted_amount) == (Coin(Denom("ujuno"), 50), Coin(Denom("provider"), 100))


def test_what_is_sent_home_without_any_price_is_worth_nothing_over_here() -> None:
    rig, link = lent()
    govern(link, SetPriceFeed(link.link, 10**18, Feed("", "uosmo", "ujuno", market="axelar-1")))
    cap(link, 0)
    packet = codec.decode(rig.flight("internal_unstake").packet.data, InternalUnstake)
    assert (packet.normalize_amount.amount, packet.inverted_amount.amount) == (0, 100)
    assert "mesh/price-not-asked" not in {event.type for event in link.consumer.events}


def test_a_provider_that_refuses_to_take_stake_back_is_asked_again() -> None:
    rig, link = lent()
    cap(link, 0)
    flight = rig.flight("internal_unstake")
    assert on_record(link) == [(100, True)]
    flight.answer = b'{"error":"no"}'
    rig.acknowledge(flight)
    assert on_record(link) == [(100, False)]
    link.consumer.block()
    assert rig.flight("internal_unstake").packet.sequence > flight.packet.sequence
    rig.settle()


def test_a_refusal_that_comes_when_nothing_is_on_record_changes_nothing() -> None:
    _, link = lent()
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 100))
    requests.on_burn(link.consumer.ctx, link.link, Burn(link.provider.ctx.denom, (row(link, 100),)))
    answer(link, 100, None)
    assert on_record(link) == []


def row(link: Link, amount: int) -> BurnRow:
    return BurnRow(link.provider.address("alice"), link.validator(0), amount)


@pytest.mark.parametrize(
    ("more", "fewer", "released", "left"),
    [
        (0, 0, Released(1, 99), [(99, False)]),
        (30, 0, Released(100, 0), [(30, False)]),  # came since the question
        (30, 0, Released(60, 40), [(70, False)]),
        (0, 40, Released(60, 0), []),  # left since the question
        (0, 0, Released(0, -5), []),  # nonsense
    ],
)
def test_what_is_left_on_record_is_what_the_provider_has_kept_and_what_came_since(
    more: int, fewer: int, released: Released, left: list[tuple[int, bool]]
) -> None:
    rig, link = lent()
    cap(link, 0)
    cap(link, 10**6)
    if more:
        link.provider.send("alice", StakeRemote(link.lent, link.validator(0), more))
        rig.relay(lambda flight: flight.kind == "stake")
    if fewer:
        requests.on_burn(link.consumer.ctx, link.link, Burn(link.provider.ctx.denom, (row(link, fewer),)))
    answer(link, 100, released)
    assert on_record(link) == left
    counted = REQUESTS.get(link.consumer.state, link.link, link.validator(0)).tokens
    assert counted == 100 + more - fewer - released.amount


# slashes


def reported(flight: Flight) -> list[int]:
    return [each.slash_amount.amount for each in codec.decode(flight.packet.data, ValsetUpdate).slashed]


def test_a_slash_of_stake_that_is_not_bonded_yet_costs_nothing() -> None:
    rig, link = pair(consumer_terms=HOUR, alice=1_000)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 100))
    rig.relay()
    downtime(link.consumer, 0)
    link.consumer.block()
    assert reported(rig.flight("valset_update")) == [0]
    rig.settle()
    assert account(link.provider, "alice").collateral == 1_000


def test_a_slash_of_one_unit_costs_it_and_of_stake_that_is_gone_already_nothing() -> None:
    """Power of 1 loses all of it, for what is left is worth less than a unit."""
    rig, link = lent(1)
    downtime(link.consumer, 0)
    request = REQUESTS.get(link.consumer.state, link.link, link.validator(0))
    assert (request.reported, request.bonded) == (1, 0)
    link.consumer.block()
    assert reported(rig.flight("valset_update")) == [1]


def test_a_second_slash_after_a_burn_of_everything_asks_for_nothing_more() -> None:
    rig, link = lent(20)
    downtime(link.consumer, 0)
    requests.on_burn(link.consumer.ctx, link.link, Burn(link.provider.ctx.denom, (row(link, 20),)))
    downtime(link.consumer, 0)
    request = REQUESTS.get(link.consumer.state, link.link, link.validator(0))
    assert (request.tokens, request.reported) == (0, 2)
    link.consumer.block()
    assert reported(rig.flight("valset_update")) == [2, 0]


def test_a_link_that_is_cut_off_hears_of_slashes_and_while_stake_is_not_home_of_everything() -> None:
    """Its users have stake that is unbonding; the fault may be older than that."""
    rig, link = lent()
    juno = link.consumer
    cap(link, 0)
    rig.collect()
    downtime(juno, 1)
    juno.block()
    assert reported(rig.flight("valset_update")) == [0]
    rig.settle()
    assert on_record(link) == []
    rig.advance(601)
    juno.send("val-1", Unjail())
    juno.blocks(2)
    assert not [flight for flight in rig.collect() if flight.kind == "valset_update"]
    downtime(juno, 2)
    juno.block()
    assert reported(rig.flight("valset_update")) == [0]


def test_a_link_that_is_cut_off_hears_who_is_back_while_stake_is_not_home() -> None:
    rig, link = lent()
    juno = link.consumer
    downtime(juno, 1, 0)
    rig.settle()
    cap(link, 0)
    rig.collect()
    rig.block(1, 601 * 10**9)
    juno.send("val-1", Unjail())
    juno.blocks(2)
    told = [codec.decode(each.packet.data, ValsetUpdate) for each in rig.collect() if each.kind == "valset_update"]
    assert [each.unjailed for each in told] == [(link.validator(1),)]


# what wakes an epoch


def test_a_share_of_native_stake_grows_again_when_a_validator_is_back() -> None:
    """A tenth of four validators of 1,000 is 400, of three 300."""
    rig, link = pair(validators=(1_000,) * 4, consumer_terms={**HOUR, "share_cap_bps": 1_000}, alice=1_000)
    juno = link.consumer
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 1_000))
    rig.settle()
    seen = [link.virtual()]
    downtime(juno, 3, 0)
    rig.settle()
    seen.append(link.virtual())
    rig.advance(601)
    juno.send("val-3", Unjail())
    rig.settle()
    seen.append(link.virtual())
    assert seen == [400, 300, 400]


def test_what_one_link_delegates_wakes_no_epoch_of_another_whose_share_it_does_not_change() -> None:
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, alice=1_000)
    share = terms(share_cap_bps=1_000, **HOUR)
    juno = rig.add("juno", genesis={"mesh/consumer": {"links": {"osmo-1": share, "axelar-1": share}}}, alice=1)
    links = (rig.link("osmo", "juno"), rig.link("axelar", "juno"))
    rig.settle()
    heard = len(juno.events)
    links[0].provider.send("alice", Bond(100), StakeRemote(links[0].lent, links[0].validator(0), 100))
    rig.settle()
    told = {dict(event.attributes)["link"] for event in juno.events[heard:] if event.type == "mesh/epoch"}
    assert (told, links[0].virtual()) == ({links[0].link}, 100)
    assert not MESH.has_work(juno.state)


def test_refused_rewards_are_told_again_though_nothing_is_delegated_any_more() -> None:
    rig, link = pair(alice=1_000)
    osmo, juno = link.provider, link.consumer
    osmo.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    link.earn(40)
    juno.blocks(2)
    batch = rig.flight("distribute_batch")
    osmo.send("alice", Unstake(link.lent, link.validator(0), 100))
    rig.relay(lambda flight: flight.kind == "unstake")
    juno.blocks(2)
    assert (link.virtual(), SENT.get(juno.state, link.link)) == (0, 40)
    batch.answer = b'{"error":"no"}'
    rig.acknowledge(batch)
    assert SENT.get(juno.state, link.link) == 0
    juno.blocks(3)
    assert SENT.get(juno.state, link.link) == 40


def test_rewards_that_are_collected_before_their_time_add_up() -> None:
    """Each change of a stake collects what it has earned till then."""
    rig, link = pair(consumer_terms=HOUR, genesis={"mint": {"inflation_bps": 100_000, "interval": 1}}, alice=400_000)
    osmo, juno = link.provider, link.consumer
    osmo.send("alice", Bond(400_000), StakeRemote(link.lent, link.validator(0), 200_000))
    rig.settle()
    waiting = []
    for _ in range(2):
        rig.advance(1_000)
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100_000))
        rig.relay()
        rig.block()
        waiting.append(juno.query("mesh/consumer/link", link=link.link).rewards_waiting)
    assert 0 < waiting[0] < waiting[1] - waiting[0]
