"""What an operator on both ends takes of rewards, and which of its nodes gets it: three policies, each to the unit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_faults import identity
from mesh_rig import Link, MeshRig, pair, refused
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18
from meshsec_core.security.mesh.consumer import collect
from meshsec_core.security.mesh.consumer.state import PAID_OUT, SENT
from meshsec_core.security.mesh.measures import MEASURES
from meshsec_core.security.mesh.packets import Credited, DistributeBatch, Reward
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.state import PAID
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.rewards import Division, Split, divide

WAIT = 100
"""Unbonding time of the link, seconds."""


def start(bond: int = 1_000_000, lent: tuple[int, int] = (200, 100)) -> tuple[MeshRig, Link]:
    """Let alice and bob lend to juno's first validator, which osmo's third one runs; here it has `bond` and takes 10 %."""
    rig, link = pair(alice=10_000, bob=10_000, validators=(bond,) * 4)
    for user, amount in zip(("alice", "bob"), lent, strict=True):
        link.provider.send(user, Bond(amount), StakeRemote(link.lent, link.validator(0), amount))
    link.provider.send("val-2", identity(link, 2, 0))
    rig.settle()
    return rig, link


def choose(link: Link, split: Split, commission_bps: int = 0, *, by: str = "val-2") -> None:
    link.provider.send(by, SetRewardPolicy(link.lent, link.validator(0), split, commission_bps))


def predicted(link: Link, reward: int, commission_bps: int = 500) -> dict[Split, Any]:
    of = {"consumer": link.lent, "validator": link.validator(0), "reward": str(reward), "commission_bps": str(commission_bps)}
    return {outcome.split: outcome for outcome in MEASURES["reward-policies"](link.provider.view(), **of)}


BY_HAND = {  # of 1,015; 5 % is 50.75, 10 % is 101.5; alice has two thirds of what is left
    Split.PER_LINK: (643, 321, 0, 50),
    Split.SAME: (609, 304, 50, 51),
    Split.LARGER: (609, 304, 101, 0),
}


@pytest.mark.parametrize("split", Split)
def test_each_policy_pays_lenders_and_nodes_what_the_measure_has_said_to_the_unit(split: Split) -> None:
    rig, link = start()
    osmo, juno = link.provider, link.consumer
    told = predicted(link, 1_015)[split]
    users = tuple(told.restakers[osmo.address(user)] for user in ("alice", "bob"))
    assert (*users, told.here, told.there) == BY_HAND[split]

    choose(link, split, 500 if split is Split.PER_LINK else 0)
    rig.advance(WAIT)
    before = juno.balance("val-0")
    link.earn(1_015)
    rig.settle()
    found = (*(link.rewards(user, 0) for user in ("alice", "bob", "val-2")), juno.balance("val-0") - before)
    assert found == BY_HAND[split]

    if told.here:
        osmo.send("val-2", WithdrawRewards(link.lent, link.validator(0), juno.address("somebody")))
        rig.settle()
        assert (juno.balance("somebody"), link.rewards("val-2", 0)) == (told.here, 0)


def test_without_a_policy_everything_is_the_lenders_and_what_was_not_earned_by_anybody_joins_it() -> None:
    rig, link = start()
    link.earn(90, validator=1)
    rig.settle()
    assert predicted(link, 210, 0)[Split.PER_LINK].restakers[link.provider.address("alice")] == 200
    link.earn(210)
    rig.settle()
    assert (link.rewards("alice", 0), link.rewards("bob", 0)) == (200, 100)


def test_a_re_staker_s_expected_share_is_what_the_operator_leaves() -> None:
    rig, link = start()
    of = {"user": link.provider.address("alice")}
    assert [each.share_e18 for each in MEASURES["restaker"](link.provider.view(), **of).earnings] == [2 * ONE_E18 // 3]
    choose(link, Split.SAME)
    rig.advance(WAIT)
    assert [each.share_e18 for each in MEASURES["restaker"](link.provider.view(), **of).earnings] == [3 * ONE_E18 // 5]


def test_no_part_is_taken_of_what_waits_in_the_reserve() -> None:
    rig, link = start()
    choose(link, Split.PER_LINK, 5_000)
    rig.advance(WAIT)
    before = link.consumer.balance("val-0")
    link.earn(90, validator=1)
    rig.settle()
    link.earn(60)
    rig.settle()
    assert (link.rewards("alice", 0), link.rewards("bob", 0), link.consumer.balance("val-0") - before) == (80, 40, 30)


@pytest.mark.parametrize(("lent", "here"), [((600, 400), 10), ((601, 400), 0)])
def test_the_larger_node_is_the_one_that_more_coins_of_this_chain_stand_behind(lent: tuple[int, int], here: int) -> None:
    rig, link = start(1_000, lent)
    choose(link, Split.LARGER)
    rig.advance(WAIT)
    before = link.consumer.balance("val-0")
    link.earn(100)
    rig.settle()
    assert (link.rewards("val-2", 0), link.consumer.balance("val-0") - before) == (here, 10 - here)


def test_a_dearer_policy_waits_until_whoever_disagrees_can_have_left_and_a_cheaper_one_does_not() -> None:
    rig, link = start()
    before = link.consumer.balance("val-0")
    choose(link, Split.PER_LINK, 500)
    link.earn(1_000)
    rig.settle()
    assert link.consumer.balance("val-0") == before
    rig.advance(WAIT)
    (joined,) = link.provider.query("mesh/provider/operators", consumer=link.lent)
    assert (joined.policy.commission_bps, joined.commission_bps, joined.then, joined.then_at) == (500, 500, None, 0)

    choose(link, Split.SAME)
    (joined,) = link.provider.query("mesh/provider/operators", consumer=link.lent)
    assert (joined.commission_bps, joined.then.split, joined.then_at > 0) == (500, Split.SAME, True)
    choose(link, Split.PER_LINK, 499)
    link.earn(1_000)
    rig.settle()
    assert link.consumer.balance("val-0") - before == 49  # and what was to follow is forgotten
    rig.advance(WAIT)
    (joined,) = link.provider.query("mesh/provider/operators", consumer=link.lent)
    assert joined.commission_bps == 499


def test_only_the_operator_of_both_chooses_and_only_a_rate_that_has_a_meaning() -> None:
    _, link = start()
    osmo = link.provider
    with refused(osmo, "mesh/not-the-same-operator"):
        choose(link, Split.SAME, by="val-1")
    with refused(osmo, "mesh/not-the-same-operator"):
        choose(link, Split.SAME, by="alice")
    for split, rate in ((Split.SAME, 1), (Split.LARGER, 1), (Split.PER_LINK, -1), (Split.PER_LINK, ONE_BPS + 1)):
        with refused(osmo, "mesh/bad-params"):
            choose(link, split, rate)
    with refused(osmo, "mesh/not-joined"):
        osmo.send("val-2", SetRewardPolicy(link.lent, link.validator(1), Split.SAME))
    for of, code in (({"reward": "-1"}, "mesh/bad-amount"), ({"validator": link.validator(1)}, "mesh/not-joined")):
        given = {"consumer": link.lent, "validator": link.validator(0), "reward": "1", **of}
        with pytest.raises(Rejected) as refusal:
            MEASURES["reward-policies"](osmo.view(), **given)
        assert refusal.value.code == code


def test_what_an_operator_is_credited_with_waits_for_no_stake_of_its_own_and_is_lost_by_no_lender() -> None:
    """All lenders but one leave; the operator, who lends nothing, keeps what it has."""
    rig, link = start()
    choose(link, Split.LARGER)
    rig.advance(WAIT)
    link.earn(1_015)
    rig.settle()
    paid = PAID.get(link.provider.state, link.lent)
    link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), link.consumer.address("somebody")))
    rig.settle()
    assert PAID.get(link.provider.state, link.lent) - paid == 609
    assert link.rewards("val-2", 0) == 101


def test_a_provider_that_leaves_more_to_operators_than_they_have_earned_is_cut_down() -> None:
    _, link = start()
    juno = link.consumer
    link.fund(70)
    SENT.put(juno.state, link.link, 70)
    one, other = link.validator(0), link.validator(1)
    batch = DistributeBatch((Reward(one, 50), Reward(other, 20)), juno.ctx.denom)
    before = [juno.balance(name) for name in ("val-0", "val-1", "val-2")]
    rows = (
        Reward(one, -5), Reward(one, 45), Reward(one, 2**200), Reward(link.validator(2), 9), Reward("x", 1),  # type: ignore[arg-type]
    )  # fmt: skip
    collect.on_answered(juno.ctx, link.link, batch, Credited((*rows, Reward(other, 15))))
    assert [juno.balance(name) for name in ("val-0", "val-1", "val-2")] == [before[0] + 50, before[1] + 15, before[2]]
    assert PAID_OUT.get(juno.state, link.link) == 65
    collect.on_answered(juno.ctx, link.link, batch, Credited((Reward(other, 20),)))
    assert PAID_OUT.get(juno.state, link.link) == 70  # no more than is held


@given(st.integers(0, 2**128), st.sampled_from(list(Split)), st.integers(0, ONE_BPS), st.booleans())
def test_a_division_loses_no_unit_and_never_takes_more_than_the_commission(
    reward: int, split: Split, commission_bps: int, larger: bool
) -> None:
    part = divide(reward, split, commission_bps, here_is_larger=larger)
    assert sum(part) == reward
    assert min(part) >= 0
    assert (part.here + part.there) * ONE_BPS <= reward * commission_bps
    if split is Split.SAME:
        assert part.there - part.here in (0, 1)


def test_a_division_rounds_for_the_lenders_and_then_for_the_node_that_has_earned_it() -> None:
    assert divide(1_999, Split.SAME, 500, here_is_larger=True) == Division(1_900, 49, 50)
    assert divide(19, Split.LARGER, 500, here_is_larger=False) == Division(19, 0, 0)
