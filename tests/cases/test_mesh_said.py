"""What either end believes of what the other one says: limits of reports, rewards and answers, and what they change."""

from typing import Any

import pytest

from mesh_faults import downtime, identity
from mesh_hostile import Stranger, report, slashed, understood
from mesh_rig import Link, MeshRig, account, pair, refused, star, terms
from meshsec_core.kernel.types import SECOND, Address
from meshsec_core.modules import bank
from meshsec_core.security.mesh.consumer import requests
from meshsec_core.security.mesh.consumer.governance import CloseLink
from meshsec_core.security.mesh.consumer.state import PAID_OUT, REQUESTS, REWARDS, SENT, reward_account
from meshsec_core.security.mesh.history import Change
from meshsec_core.security.mesh.packets import (
    MAX_AMOUNT,
    PROVIDER_PORT,
    Applied,
    Burn,
    BurnRow,
    Coin,
    DistributeBatch,
    Earned,
    Reward,
    TransferRewards,
)
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.state import HISTORIES, LINKS
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.rewards import Split


def lent(amount: int = 100, **of_pair: Any) -> tuple[MeshRig, Link, Stranger]:
    """Let alice lend to validator 0 of a consumer that says what a test wants from now on."""
    rig, link = pair(alice=1_000, bob=1_000, **of_pair)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link, Stranger(rig, link, link.consumer)


# reports


@pytest.mark.parametrize("extreme", [{"unbonding_time": 0}, {"denom": "d"}, {"denom": "d" * 128}, {"double_sign_bps": 10_000}])
def test_rules_at_their_limits_are_believed(extreme: dict[str, Any]) -> None:
    _, link, juno = lent()
    understood(juno.says(report(link, height=link.consumer.ctx.height + 1, **extreme)), Applied)
    rules = LINKS.get(link.provider.state, link.lent).rules
    ((name, value),) = extreme.items()
    assert getattr(rules, name) == value


@pytest.mark.parametrize("absurd", [{"unbonding_time": -1}, {"denom": ""}, {"denom": "d" * 129}, {"double_sign_bps": 10_001}])
def test_rules_beyond_their_limits_are_refused(absurd: dict[str, Any]) -> None:
    _, link, juno = lent()
    answer = juno.says(report(link, height=link.consumer.ctx.height + 1, **absurd))
    assert answer == b'{"error":"mesh/bad-report"}'


def test_a_consumer_that_slashes_nothing_at_first_binds_nobody_later() -> None:
    """Who lends while faults cost nothing has a lien of ratio 0, which cannot bear 10 %; others lend on the new terms."""
    rig, link = pair(
        genesis={"slashing": {"double_sign_slash_bps": 0, "downtime_slash_bps": 0}}, local_slash_bps=1_000, alice=1_000, bob=1_000
    )
    osmo, juno = link.provider, Stranger(rig, link, link.consumer)
    assert LINKS.get(osmo.state, link.lent).rules.harshest_bps == 0  # type: ignore[union-attr]
    osmo.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    juno.says(report(link, height=link.consumer.ctx.height + 1))
    with refused(osmo, "mesh/ratio-too-low"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    osmo.send("bob", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    assert [account(osmo, user).liens[link.lent].ratio_bps for user in ("alice", "bob")] == [0, 1_000]


@pytest.mark.parametrize(("double_sign", "downtime_bps"), [(1_000, 100), (100, 1_000)])
def test_a_lien_must_bear_the_harsher_of_the_two_faults(double_sign: int, downtime_bps: int) -> None:
    rules = {"double_sign_slash_bps": double_sign, "downtime_slash_bps": downtime_bps}
    _, link = pair(genesis={"slashing": rules}, provider_terms={"double_sign_bps": 999}, alice=1_000)
    link.provider.send("alice", Bond(1_000))
    with refused(link.provider, "mesh/ratio-too-low"):
        link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1))


def test_a_name_that_is_too_long_comes_back_shortened() -> None:
    _, link, juno = lent()
    answer = understood(juno.says(report(link, jailed=["v" * 150], slashed=[slashed(link, "w" * 150, 1)] * 5)), Applied)
    assert {(each.validator, each.code) for each in answer.refused} == {
        ("v" * 100, "mesh/bad-name"),
        ("w" * 100, "mesh/bad-name"),
        ("w" * 100, "mesh/too-many-slashes"),
    }


def test_a_slash_is_written_down_with_both_of_its_moments() -> None:
    rig, link, juno = lent()
    rig.advance(7)
    osmo, entry = link.provider, slashed(link, link.validator(0), 10)
    juno.says(report(link, slashed=[entry]))
    (charged,) = osmo.query("mesh/provider/slashes", consumer=link.lent)
    fault = charged.fault
    assert (fault.height, fault.time) == (entry["infraction_height"], entry["infraction_time"])
    assert (fault.charged_at, fault.charged_time, fault.amount) == (osmo.ctx.height, osmo.ctx.time, 10)


@pytest.mark.parametrize(
    ("reason", "stated", "left"),
    [("downtime", 1_000, 95), ("downtime", 300, 97), ("double-sign", 1_000, 90)],
)
def test_what_is_unbonding_loses_what_is_stated_and_for_downtime_no_more_than_the_terms_allow(
    reason: str, stated: int, left: int
) -> None:
    """Terms of 5 % bound downtime alone; all 100 are unbonding, so that the reported amount reaches nothing."""
    words = {"downtime_bps": 500, "slash_authority": "packet"}
    rig, link, juno = lent(provider_terms={"double_sign_bps": 1_000, **words})
    entry = slashed(link, link.validator(0), 0, slash_ratio_bps=stated, reason=reason)
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 100))
    rig.settle()
    juno.says(report(link, slashed=[entry]))
    assert link.stake("alice", 0).unbonding == left


def test_a_change_is_remembered_beside_those_of_an_unbonding_time_before_it() -> None:
    rig, link, juno = lent()
    rig.advance(90)
    juno.says(report(link, jailed=[link.validator(0)]))
    entries = HISTORIES.get(link.provider.state, link.lent, link.validator(0)).entries
    key = link.consumer.consensus_key(0).public_key
    assert [(entry.change, entry.public_key) for entry in entries] == [(Change.ADDED, key), (Change.JAILED, b"")]


def test_what_a_report_updates_is_told() -> None:
    _, link, juno = lent()
    key = link.consumer.consensus_key(0).public_key
    named = {"validator": link.validator(0), "public_key": key}
    juno.says(report(link, updated=[named], unjailed=[link.validator(0)]))
    told = [dict(event.attributes)["changes"] for event in link.provider.events if event.type == "mesh/valset-update"]
    assert told[-1] == "1 updated, 1 unjailed"


def test_a_slash_that_is_still_being_settled_is_not_bonded_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three users lose 10 of 100 each, one in a block. What was reported and what is burned both count until the answer: the
    consumer never holds more than the 270 that are left, and meanwhile less.
    """
    monkeypatch.setattr(sweep, "USERS_PER_BLOCK", 1)
    users = ("alice", "bob", "carol")
    rig, (link,) = star("juno", jail_time=0, **dict.fromkeys(users, 100))
    for user in users:
        link.provider.send(user, Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    downtime(link.consumer, 0)
    link.consumer.block()
    held = []
    for _ in range(6):
        rig.relay()
        rig.block()
        held.append(link.virtual(0))
    assert held == [270, 260, 250, 240, 270, 270]
    rig.settle()
    assert REQUESTS.get(link.consumer.state, link.link, link.validator(0)).tokens == 270


# rewards


def earn(link: Link, amount: int, index: int = 0) -> None:
    """Let the link have collected rewards that its provider has not been told of."""
    juno = link.consumer
    bank.mint(juno.ctx, juno.ctx.module_account(reward_account(link.link)), juno.ctx.denom, amount)
    REWARDS.put(juno.state, link.link, link.validator(index), amount)


def test_rewards_are_asked_for_by_what_each_end_calls_the_link() -> None:
    rig, (_, link) = star("juno", "axelar", alice=100)
    osmo = rig.chains["osmo"]
    assert (link.lent, link.link) == ("channel-1", "channel-0")
    osmo.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    earn(link, 50)
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
    earn(link, 100)
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
    """One link is due after an hour and one at every epoch; then the first comes due to the nanosecond."""
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, alice=100_000)
    often, seldom = {"max_cap": 10**9, "reward_seconds": 0}, {"max_cap": 10**9, "reward_seconds": 3_600}
    mint = {"mint": {"inflation_bps": 100_000, "interval": 1}}
    juno = rig.add("juno", genesis={**mint, "mesh/consumer": {"links": {"osmo-1": often, "axelar-1": seldom}}}, alice=1)
    links = (rig.link("osmo", "juno"), rig.link("axelar", "juno"))
    rig.relay()
    for link in links:
        link.provider.send("alice", Bond(100_000), StakeRemote(link.lent, link.validator(0), 100_000))
    rig.settle()

    def collected(link: Link) -> int:
        found = juno.query("mesh/consumer/link", link=link.link)
        return int(found.rewards_sent + found.rewards_waiting)

    rig.advance(1_800)
    rig.settle()
    assert (collected(links[0]) > 0, collected(links[1])) == (True, 0)
    rig.advance(1_800)
    rig.settle()
    assert collected(links[1]) > 0


def test_a_link_that_closes_tells_of_its_rewards_before_their_time() -> None:
    rig, link, _ = lent(consumer_terms={"reward_seconds": 3_600})
    earn(link, 100)
    juno = link.consumer
    juno.send(juno.ctx.module_account("gov"), CloseLink(link.link))
    rig.settle()
    assert (SENT.get(juno.state, link.link), link.rewards("alice", 0)) == (100, 100)


def test_refused_rewards_come_back_up_to_what_was_not_paid_out() -> None:
    """Of 100 told 60 were paid out: of 30 and 70 that are refused come back 30, then 10; with 5 that wait they are told."""
    rig, link, _ = lent()
    juno = link.consumer
    bank.mint(juno.ctx, juno.ctx.module_account(reward_account(link.link)), juno.ctx.denom, 45)
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


# requests


def test_a_burn_lowers_what_is_on_record_of_its_delegator_and_nonsense_before_it_stops_nothing() -> None:
    _, link, _ = lent()
    osmo, juno = link.provider, link.consumer
    rows = (BurnRow(Address("a/b"), link.validator(0), 5), BurnRow(osmo.address("alice"), link.validator(0), 30))
    requests.on_burn(juno.ctx, link.link, Burn(osmo.ctx.denom, rows))
    (record,) = juno.query("mesh/consumer/delegations", link=link.link)
    assert (record.delegator, record.tokens) == (osmo.address("alice"), 70)


def test_an_unstake_lowers_what_is_on_record_of_its_delegator() -> None:
    rig, link, _ = lent()
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 30))
    rig.settle()
    (record,) = link.consumer.query("mesh/consumer/delegations", link=link.link)
    assert record.tokens == 70


def test_a_burn_of_nothing_is_no_burn_and_one_of_everything_there_could_be_is() -> None:
    _, link, _ = lent()
    osmo, juno = link.provider, link.consumer
    rows = tuple(BurnRow(osmo.address("alice"), link.validator(0), amount) for amount in (0, MAX_AMOUNT))
    with juno.ctx.branch() as branch:
        answer = requests.on_burn(branch, link.link, Burn(osmo.ctx.denom, rows))
    told = [dict(event.attributes) for event in branch.events if event.type == "mesh/burn-requested"]
    assert [(each["amount"], each["debt"]) for each in told] == [("100", str(MAX_AMOUNT - 100))]
    assert [row.amount for row in answer.short] == [MAX_AMOUNT - 100]


def test_a_provider_cannot_unstake_for_nobody() -> None:
    rig, link, _ = lent()
    osmo = Stranger(rig, link, link.provider)
    coin = {"denom": "uosmo", "amount": 1}
    told = {"@type": "unstake", "delegator": "a/b", "validator": link.validator(0), "unstake": coin, "tx_id": 9}
    assert osmo.says(told) == b'{"error":"mesh/bad-name"}'


def test_a_provider_is_paid_no_rewards_of_another_one() -> None:
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, alice=100)
    juno = rig.add("juno", genesis={"mesh/consumer": {"links": {"osmo-1": terms(), "axelar-1": terms()}}}, alice=100)
    mine, other = rig.link("osmo", "juno"), rig.link("axelar", "juno")
    rig.relay()
    bank.mint(juno.ctx, juno.ctx.module_account(reward_account(other.link)), juno.ctx.denom, 50)
    SENT.put(juno.state, other.link, 50)
    earned = Earned(mine.lent, other.link)
    payment = TransferRewards(Coin(juno.ctx.denom, 50), juno.address("eve"), 1, Address("osmo1x"), mine.validator(0), earned)
    with refused(juno, "mesh/unknown-link"), juno.ctx.branch() as branch:
        requests.on_transfer_rewards(branch, mine.link, payment)


def test_an_answer_of_less_than_nothing_raises_no_slash() -> None:
    _, link, _ = lent()
    juno = link.consumer
    downtime(juno, 0)
    asked = REQUESTS.get(juno.state, link.link, link.validator(0))
    requests.answered(juno.ctx, link.link, link.validator(0), -5)
    assert REQUESTS.get(juno.state, link.link, link.validator(0)) == asked
    assert asked.reported == 10


# policies and closed links


def test_a_policy_is_told_with_what_it_takes_and_from_when_and_one_that_takes_no_more_holds_at_once() -> None:
    rig, link, _ = lent()
    osmo = link.provider
    osmo.send("val-2", identity(link, 2, 0))
    facts = {"consumer": link.lent, "validator": link.validator(0), "split": "per-link"}

    def choose(commission_bps: int, waits: int) -> None:
        osmo.send("val-2", SetRewardPolicy(link.lent, link.validator(0), Split.PER_LINK, commission_bps))
        told = dict([event for event in osmo.events if event.type == "mesh/reward-policy"][-1].attributes)
        assert told == {**facts, "commission_bps": str(commission_bps), "since": str(osmo.ctx.time + waits * SECOND)}

    choose(0, 0)
    choose(1, 100)
    rig.advance(100)
    choose(1, 0)
    choose(0, 0)


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
    earn(link, 39)  # 5 % is 1.95
    rig.settle()
    told = [dict(event.attributes) for event in juno.events if event.type == "mesh/operator-paid"]
    assert told == [{"link": link.link, "validator": link.validator(0), "amount": "1"}]


def test_nothing_is_asked_back_over_a_link_that_is_closed() -> None:
    rig, link, _ = lent()
    rig.close_other_end(link.provider, PROVIDER_PORT, link.lent)
    with refused(link.provider, "mesh/link-not-open"):
        link.provider.send("alice", Unstake(link.lent, link.validator(0), 10))
