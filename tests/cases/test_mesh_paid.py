"""What rewards either end believes in, when they are told, and what operators take of them."""

import pytest

from mesh_faults import identity
from mesh_hostile import Stranger, lent, report
from mesh_rig import Link, MeshRig, refused, star, terms
from meshsec_core.kernel.types import SECOND, Address
from meshsec_core.security.mesh.consumer import requests
from meshsec_core.security.mesh.consumer.governance import CloseLink
from meshsec_core.security.mesh.consumer.state import AGENDA, PAID_OUT, REWARDS, SENT
from meshsec_core.security.mesh.packets import (
    Coin,
    DistributeBatch,
    Earned,
    Reward,
    TransferRewards,
)
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.rewards import Split


def test_rewards_are_asked_for_by_what_each_end_calls_the_link() -> None:
    rig, (_, link) = star("juno", "axelar", alice=100)
    osmo = rig.chains["osmo"]
    assert (link.lent, link.link) == ("channel-1", "channel-0")
    osmo.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    link.earn(50)
    rig.advance(10)
    rig.settle()
    osmo.send("alice", WithdrawRewards(link.lent, link.validator(0), link.consumer.address("somebody")))
    rig.settle()
    assert link.consumer.balance("somebody") == 50


def test_before_the_first_report_there_are_no_rewards_to_ask_for_or_to_credit() -> None:
    rig = MeshRig()
    osmo = rig.add("osmo", alice=100)
    juno = rig.add("juno", genesis={"mesh/consumer": {"links": {"osmo-1": {"max_cap": 100}}}}, alice=100)
    link = rig.link("osmo", "juno")
    with refused(osmo, "mesh/link-not-synced"):
        osmo.send("alice", WithdrawRewards(link.lent, link.validator(0), juno.address("somebody")))
    rig.collect()
    rig.flights.clear()
    told = {"@type": "distribute", "validator": link.validator(0), "rewards": {"denom": "ujuno", "amount": 5}}
    assert Stranger(rig, link, juno).says(told) == b'{"error":"mesh/invalid-denom"}'


@pytest.mark.parametrize("recipient", ["", "x" * 200, "a/b"])
def test_rewards_go_to_nobody_without_a_name(recipient: str) -> None:
    rig, link, _ = lent()
    link.earn(100)
    rig.advance(10)
    rig.settle()
    with refused(link.provider, "mesh/bad-name"):
        link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), Address(recipient)))


def test_a_reward_of_a_validator_without_a_name_is_refused_whole() -> None:
    _, link, juno = lent()
    rewards = [{"validator": link.validator(0), "reward": 5}, {"validator": "a/b", "reward": 5}]
    answer = juno.says({"@type": "distribute_batch", "denom": "ujuno", "rewards": rewards})
    assert answer == b'{"error":"mesh/bad-name"}'
    assert link.rewards("alice", 0) == 0


def test_rewards_of_one_link_are_collected_at_its_own_time() -> None:
    """One link is due at every epoch, the other after an hour, to the nanosecond, though it has an epoch before that."""
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, alice=100_000)
    often, seldom = {"max_cap": 10**9, "reward_seconds": 0}, {"max_cap": 10**9, "reward_seconds": 3_600}
    mint = {"mint": {"inflation_bps": 100_000, "interval": 1}}
    juno = rig.add("juno", genesis={**mint, "mesh/consumer": {"links": {"osmo-1": often, "axelar-1": seldom}}}, alice=1)
    later = rig.link("axelar", "juno")
    links = (rig.link("osmo", "juno"), later)  # whose epoch comes after that of the other
    rig.relay()
    for link in links:
        link.provider.send("alice", Bond(100_000), StakeRemote(link.lent, link.validator(0), 99_999))
    rig.settle()

    def collected(link: Link) -> int:
        found = juno.query("mesh/consumer/link", link=link.link)
        return int(found.rewards_sent + found.rewards_waiting)

    rig.advance(1_800)
    links[1].provider.send("alice", StakeRemote(links[1].lent, links[1].validator(1), 1))
    rig.settle()
    assert (collected(links[0]) > 0, collected(links[1]), links[1].virtual(1)) == (True, 0, 1)
    (due,) = [each.rewards_at for each in AGENDA.get(juno.state).dues if each.link == links[1].link]
    juno.block(due - juno.ctx.time)  # ends a block before, and begins the one that is due
    assert collected(links[1]) == 0
    juno.block()
    assert collected(links[1]) > 0


def test_a_link_that_closes_tells_of_its_rewards_before_their_time() -> None:
    rig, link, _ = lent(consumer_terms={"reward_seconds": 3_600})
    link.earn(100)
    juno = link.consumer
    juno.send(juno.ctx.module_account("gov"), CloseLink(link.link))
    rig.settle()
    assert (SENT.get(juno.state, link.link), link.rewards("alice", 0)) == (100, 100)


def test_refused_rewards_come_back_up_to_what_was_not_paid_out() -> None:
    """Of 100 told 60 were paid out: of 30 and 70 that are refused come back 30, then 10; with 5 that wait they are told."""
    rig, link, _ = lent()
    juno = link.consumer
    link.fund(45)
    REWARDS.put(juno.state, link.link, link.validator(0), 5)
    SENT.put(juno.state, link.link, 100)
    PAID_OUT.put(juno.state, link.link, 60)
    batch = DistributeBatch((Reward(link.validator(0), 30), Reward(link.validator(1), 70)), juno.ctx.denom)
    flight = Stranger(rig, link, juno).sends(batch)
    flight.answer = b'{"error":"no"}'
    rig.acknowledge(flight)
    waiting = tuple(REWARDS.get(juno.state, link.link, link.validator(index)) for index in (0, 1))
    assert (waiting, SENT.get(juno.state, link.link)) == ((35, 10), 60)
    rig.advance(10)
    rig.block()
    assert SENT.get(juno.state, link.link) == 105


def test_a_policy_is_told_with_what_it_takes_and_from_when_and_one_that_takes_no_more_holds_at_once() -> None:
    rig, link, _ = lent()
    osmo = link.provider
    osmo.send("val-2", identity(link, 2, 0))
    facts = {"consumer": link.lent, "validator": link.validator(0), "split": "per-link"}

    def choose(commission_bps: int, waits: int) -> None:
        osmo.send("val-2", SetRewardPolicy(link.lent, link.validator(0), Split.PER_LINK, commission_bps))
        told = dict([event for event in osmo.events if event.type == "mesh/reward-policy"][-1].attributes)
        assert told == {**facts, "commission_bps": str(commission_bps), "since": str(osmo.ctx.time + waits * SECOND)}

    choose(1, 100)
    choose(0, 0)
    choose(1, 100)
    rig.advance(100)
    choose(1, 0)
    choose(0, 0)
    osmo.send("val-2", SetRewardPolicy(link.lent, link.validator(0), Split.SAME))
    rig.advance(100)
    choose(1_000, 0)  # as much as the validator here charges
    choose(1_001, 100)


def test_without_an_unbonding_time_nobody_could_leave_first_and_a_policy_holds_at_once() -> None:
    _, link, juno = lent(provider_terms={"unbonding_time": 0})
    osmo = link.provider
    juno.says(report(link, height=link.consumer.ctx.height + 1, unbonding_time=0))
    osmo.send("val-2", identity(link, 2, 0), SetRewardPolicy(link.lent, link.validator(0), Split.PER_LINK, 500))
    (joined,) = osmo.query("mesh/provider/operators", consumer=link.lent)
    assert (joined.commission_bps, joined.then_at) == (500, 0)


def test_what_an_operator_is_paid_over_there_is_told() -> None:
    rig, link, _ = lent()
    osmo, juno = link.provider, link.consumer
    osmo.send("val-2", identity(link, 2, 0), SetRewardPolicy(link.lent, link.validator(0), Split.PER_LINK, 500))
    rig.advance(100)
    link.earn(39)  # 5 % is 1.95
    rig.settle()
    told = [dict(event.attributes) for event in juno.events if event.type == "mesh/operator-paid"]
    assert told == [{"link": link.link, "validator": link.validator(0), "amount": "1"}]


def test_a_provider_is_paid_no_rewards_of_another_one() -> None:
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, alice=100)
    juno = rig.add("juno", genesis={"mesh/consumer": {"links": {"osmo-1": terms(), "axelar-1": terms()}}}, alice=100)
    mine, other = rig.link("osmo", "juno"), rig.link("axelar", "juno")
    rig.relay()
    other.fund(50)
    SENT.put(juno.state, other.link, 50)
    earned = Earned(mine.lent, other.link)
    payment = TransferRewards(Coin(juno.ctx.denom, 50), juno.address("eve"), 1, Address("osmo1x"), mine.validator(0), earned)
    with refused(juno, "mesh/unknown-link"), juno.ctx.branch() as branch:
        requests.on_transfer_rewards(branch, mine.link, payment)
