"""What security is worth: caps bound power, not what answers for it; figures computed before agree with what then happens."""

from typing import Any

import pytest

from harness import Chain
from mesh_faults import double_sign, double_vote, downtime, evidence_for
from mesh_rig import Link, MeshRig, account, pair, terms
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.security.mesh.measures import MEASURES
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.local import StakeLocal
from meshsec_core.security.mesh.provider.vault import Bond


def measure(chain: Chain, name: str, **of: str) -> Any:
    """Ask a measure of a chain; the rig's machines carry none."""
    return MEASURES[name](chain.view(), **of)


def lend(link: Link, user: str, index: int, amount: int) -> None:
    link.provider.send(user, Bond(amount), StakeRemote(link.lent, link.validator(index), amount))


@pytest.mark.parametrize("cap", [{"max_cap": 100}, {"share_cap_bps": 250}, {"validator_cap_bps": 250}])
def test_above_a_cap_power_stays_flat_while_what_is_slashable_and_who_is_rewarded_go_on_growing(cap: dict[str, int]) -> None:
    """Four validators have 1,000 each: every cap admits 100. Alice lends 100, then bob lends 100 and 200 more."""
    rig, link = pair(alice=1_000, bob=1_000, validators=(1_000,) * 4, consumer_terms=cap)
    osmo, validator = link.provider, link.validator(0)
    seen = []
    for user, amount in (("alice", 100), ("bob", 100), ("bob", 200)):
        lend(link, user, 0, amount)
        rig.settle()
        at_stake = measure(osmo, "lent-at-stake", consumer=link.lent, validator=validator)
        share = measure(osmo, "restaker", user=osmo.address("bob")).earnings
        seen.append((link.virtual(0), at_stake.stake, at_stake.loss, [each.share_e18 for each in share]))
    assert seen == [(100, 100, 10, []), (100, 200, 20, [ONE_E18 // 2]), (100, 400, 40, [3 * ONE_E18 // 4])]
    downtime(link.consumer, 0)
    rig.settle()
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [90, 270]


def test_several_providers_share_a_floor_for_local_power_and_each_keeps_its_own_cap() -> None:
    """Local power is 4,000 and must stay half. One wants to lend 6,000 and is capped at 3,000, the other wants to lend 5,000."""
    rig = MeshRig()
    shared = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000}}
    for name in ("osmo", "axelar"):
        rig.add(name, genesis=shared, alice=10_000)
    links = {"osmo-1": terms(max_cap=3_000), "axelar-1": terms()}
    borrowing = {"links": links, "local_floor_bps": 5_000}
    juno = rig.add("juno", genesis={**shared, "mesh/consumer": borrowing}, validators=(1_000,) * 4)
    osmo, axelar = rig.link("osmo", "juno"), rig.link("axelar", "juno")
    rig.relay()
    lend(osmo, "alice", 0, 6_000)
    lend(axelar, "alice", 1, 5_000)
    rig.settle()
    assert (osmo.virtual(), axelar.virtual()) == (1_500, 2_500)
    power = measure(juno, "power")
    assert (power.native, power.virtual) == (4_000, {osmo.link: 1_500, axelar.link: 2_500})
    double_sign(juno, 0)
    rig.settle()
    assert (osmo.virtual(), axelar.virtual()) == (0, 3_000)  # 3,000 native are left, and half must be theirs


def test_what_a_double_sign_costs_is_known_before_it_happens() -> None:
    rig, link = pair(alice=1_000, bob=1_000, validators=(1_000,) * 4)
    for user, amount in (("alice", 333), ("bob", 77)):
        lend(link, user, 0, amount)
    rig.settle()
    before = measure(link.provider, "lent-at-stake", consumer=link.lent, validator=link.validator(0)).loss
    stake = measure(link.consumer, "at-stake", validator=link.validator(0))
    link.provider.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    (charged,) = link.provider.query("mesh/provider/slashes", consumer=link.lent)
    assert (before, charged.fault.amount) == (40, 40)
    assert (stake.here, stake.native) == (141, 100)  # 10 % of 1,410, of which 1,000 are its own


def test_downtime_is_measured_by_its_own_fraction_and_other_faults_are_unknown() -> None:
    rig, link = pair(alice=1_000, validators=(1_000,) * 4, genesis={"slashing": {"downtime_slash_bps": 100}})
    lend(link, "alice", 0, 500)
    rig.settle()
    of = {"consumer": link.lent, "validator": link.validator(0), "fault": "downtime"}
    assert measure(link.provider, "lent-at-stake", **of).loss == 5
    assert measure(link.consumer, "at-stake", validator=link.validator(0), fault="downtime").here == 15
    with pytest.raises(Rejected) as refusal:
        measure(link.consumer, "at-stake", validator=link.validator(0), fault="rudeness")
    assert refusal.value.code == "mesh/unknown-fault"


def test_a_third_and_two_thirds_of_the_power_have_a_price() -> None:
    rig, link = pair(alice=1_000, validators=(500, 300, 150, 49))
    lend(link, "alice", 3, 1)
    rig.settle()
    found = measure(link.consumer, "corruption")
    assert (found.bonded, found.buy_third, found.buy_two_thirds) == (1_000, 500, 2_000)
    assert (found.bribe_third, found.bribe_two_thirds) == (1, 2)
    assert (found.burn_third, found.burn_two_thirds) == (50, 80)
    spread = measure(link.consumer, "concentration")
    assert (spread.validators_bps, spread.sources_bps) == (3_650, 9_980)  # .25 + .09 + .0225 + .0025; .999² + .001²


def test_a_re_staker_sees_the_most_they_can_lose_and_their_part_of_rewards() -> None:
    rig, link = pair(alice=1_000, bob=1_000)
    osmo = link.provider
    osmo.send("alice", Bond(1_000), StakeLocal(osmo.validator(0), 305))
    osmo.send("alice", StakeRemote(link.lent, link.validator(0), 601))
    lend(link, "bob", 0, 601)
    rig.settle()
    found = measure(osmo, "restaker", user=osmo.address("alice"))
    assert (found.collateral, found.most_loss, found.losses) == (1_000, 91, {"local": 31, link.lent: 61})
    assert [(each.stake, each.share_e18) for each in found.earnings] == [(601, ONE_E18 // 2)]


def test_parts_of_a_unit_are_never_counted_as_loss_and_what_must_be_bought_is_rounded_up() -> None:
    """Native are 1,009, 1,003, 1,001 and 1,000: half of 4,013 buys a third. Two validators hold that, three two thirds, and a
    tenth of each is a hundred and something."""
    rig, link = pair(alice=1_000, bob=1_000, validators=(1_009, 1_003, 1_001, 1_000))
    rig.settle()
    juno, osmo = link.consumer, link.provider
    cost = measure(juno, "corruption")
    assert (cost.bonded, cost.buy_third, cost.buy_two_thirds) == (4_013, 2_007, 8_026)
    assert (cost.burn_third, cost.burn_two_thirds) == (200, 300)
    assert measure(juno, "concentration").validators_bps == 2_500  # (1,009² + 1,003² + 1,001² + 1,000²) / 4,013² is 0.250003
    stake = measure(juno, "at-stake", validator=link.validator(0))
    assert (stake.here, stake.native) == (100, 100)
    lend(link, "alice", 3, 19)
    lend(link, "bob", 3, 38)
    rig.settle()
    assert measure(osmo, "lent-at-stake", consumer=link.lent, validator=link.validator(3)).loss == 1 + 3  # 1.9 and 3.8
    (earning,) = measure(osmo, "restaker", user=osmo.address("alice")).earnings
    assert earning.share_e18 == ONE_E18 // 3
