"""What either end believes of what the other one says: limits of reports, requests and answers, and what they change."""

from typing import Any

import pytest

from mesh_faults import downtime
from mesh_hostile import Stranger, lent, report, slashed, understood
from mesh_rig import account, pair, refused, star
from meshsec_core.kernel.types import Address
from meshsec_core.security.mesh import MESH
from meshsec_core.security.mesh.consumer import requests
from meshsec_core.security.mesh.consumer.state import REQUESTS
from meshsec_core.security.mesh.history import Change
from meshsec_core.security.mesh.packets import (
    MAX_AMOUNT,
    PROVIDER_PORT,
    Applied,
    Burn,
    BurnRow,
)
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.state import HISTORIES, LINKS
from meshsec_core.security.mesh.provider.vault import Bond

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
    key, now = link.consumer.consensus_key(0).public_key, link.consumer.ctx.height
    assert [(entry.change, entry.height, entry.public_key) for entry in entries] == [
        (Change.ADDED, 1, key),
        (Change.JAILED, now, b""),
    ]


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


@pytest.mark.parametrize("amount", [0, -5])
def test_an_answer_of_nothing_or_less_raises_no_slash_and_wakes_nobody(amount: int) -> None:
    _, link, _ = lent(consumer_terms={"reward_seconds": 3_600})
    juno = link.consumer
    downtime(juno, 0)
    juno.blocks(2)
    asked = REQUESTS.get(juno.state, link.link, link.validator(0))
    requests.answered(juno.ctx, link.link, link.validator(0), amount)
    assert REQUESTS.get(juno.state, link.link, link.validator(0)) == asked
    assert asked.reported == 10
    assert not MESH.has_work(juno.state)


def test_a_slash_that_the_provider_refuses_is_bonded_again_at_the_next_epoch() -> None:
    rig, link, _ = lent(consumer_terms={"reward_seconds": 3_600})
    juno = link.consumer
    downtime(juno, 0)
    juno.blocks(2)
    assert link.virtual(0) == 90
    flight = rig.flight("valset_update")
    flight.answer = b'{"error":"no"}'
    rig.acknowledge(flight)
    juno.block()
    assert link.virtual(0) == 100


def test_nothing_is_asked_back_over_a_link_that_is_closed() -> None:
    rig, link, _ = lent()
    rig.close_other_end(link.provider, PROVIDER_PORT, link.lent)
    with refused(link.provider, "mesh/link-not-open"):
        link.provider.send("alice", Unstake(link.lent, link.validator(0), 10))
