"""Slashing across chains: liens give way until every law holds again. Ids are those of the case list (sections B2, B3, C).

Unless said otherwise: ratios of 10 %, unbonding on the provider 100 s, prices 1. A slash is made by the consumer's own
staking and reported.
"""

import pytest
from msgspec.structs import replace

from harness import Chain
from mesh_faults import double_sign, double_vote, downtime, evidence_for
from mesh_rig import Link, MeshRig, account, star
from meshsec_core.kernel.errors import Rejected
from meshsec_core.modules import bank
from meshsec_core.security.mesh.account import Account, Cut, Lien
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import StakeLocal, UnstakeLocal
from meshsec_core.security.mesh.provider.state import GENESIS
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.stake import Stake, Unbond, cut_unbonds


def start(
    *stakes: dict[int, int], collateral: int = 200, local: int = 190, ratios: dict[str, int] | None = None
) -> tuple[MeshRig, tuple[Link, ...]]:
    """Let alice bond, stake locally, and lend to validators of one consumer per argument."""
    names = ("juno", "axelar", "akash")[: len(stakes)]
    rig, links = star(*names, ratios=ratios, alice=collateral, bob=1_000)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(collateral))
    if local:
        osmo.send("alice", StakeLocal(osmo.validator(0), local))
    for link, amounts in zip(links, stakes, strict=True):
        for index, amount in amounts.items():
            osmo.send("alice", StakeRemote(link.lent, link.validator(index), amount))
    rig.settle()
    return rig, links


def liens(osmo: Chain, user: str = "alice") -> tuple[int, ...]:
    """Return collateral, then the liens: links in order, local last."""
    held = account(osmo, user)
    return held.collateral, *(held.liens[key].range.value for key in sorted(held.liens))


def figures(osmo: Chain) -> tuple[int, int, int]:
    """Return max lien, slashable and free: single values."""
    held = account(osmo, "alice")
    return held.max_lien.value, held.slashable.value, held.free.value


def stakes(link: Link, *indexes: int) -> tuple[int, ...]:
    return tuple(link.range("alice", index).value for index in indexes)


def test_v_slash_1_free_collateral_suffices() -> None:
    rig, (x,) = start({0: 100, 1: 50})
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (190, 34, 10)
    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo), stakes(x, 0, 1), figures(osmo)) == ((190, 140, 190), (90, 50), (190, 33, 0))
    assert (x.virtual(0), x.virtual(1)) == (90, 50)


def test_v_slash_2_without_anything_free_local_stake_burns_as_much() -> None:
    rig, (x,) = start({0: 200}, local=200)
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (200, 40, 0)
    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo), stakes(x, 0), figures(osmo)) == ((180, 180, 180), (180,), (180, 36, 0))


def test_v_slash_7_a_fault_reaches_what_has_been_unbonding_since_by_its_part_and_not_what_is_released() -> None:
    """Of 150 on a validator 50 have begun to leave after its two votes: a tenth of 100 and a tenth of 50 are gone."""
    rig, (x,) = start({0: 150}, local=0)
    osmo = rig.chains["osmo"]
    proof = evidence_for(x, double_vote(x.consumer, 0))
    rig.block()
    osmo.send("alice", Unstake(x.lent, x.validator(0), 50))
    rig.settle()
    assert (x.range("alice", 0).value, x.stake("alice", 0).unbonding) == (100, 50)
    osmo.send("bob", proof)
    assert (x.range("alice", 0).value, x.stake("alice", 0).unbonding) == (90, 45)
    assert (liens(osmo), figures(osmo)) == ((185, 135), (135, 14, 50))
    rig.settle()


def test_v_slash_3_what_is_not_free_is_cut_from_local_stake() -> None:
    rig, (x,) = start({0: 150})
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (190, 34, 10)
    before = bank.supply(osmo.state, osmo.machine.denom)
    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo), stakes(x, 0), figures(osmo)) == ((185, 135, 185), (135,), (185, 32, 0))
    assert bank.supply(osmo.state, osmo.machine.denom) == before - 15


def test_v_slash_4_other_links_are_cut_in_equal_shares() -> None:
    rig, (x, y) = start({0: 140, 1: 40}, {2: 100, 3: 88})
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (190, 56, 10)
    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo), stakes(x, 0, 1), stakes(y, 2, 3)) == ((186, 166, 186, 186), (126, 40), (99, 87))
    assert figures(osmo) == (186, 54, 0)
    assert (y.virtual(2), y.virtual(3)) == (99, 87)


def test_v_slash_5_where_slashable_stake_dominates_all_liens_fall_by_the_same() -> None:
    rig, (x, y, z) = start({0: 180}, {1: 80}, {2: 100}, local=100, ratios={"juno": 5_000, "axelar": 5_000, "akash": 5_000})
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (180, 190, 10)
    downtime(x.consumer, 0, 5_000)
    rig.settle()
    assert (liens(osmo), figures(osmo)) == ((110, 68, 58, 78, 78), (78, 110, 0))
    assert (stakes(x, 0), stakes(y, 1), stakes(z, 2)) == ((68,), (58,), (78,))
    assert (x.virtual(), y.virtual(), z.virtual()) == (68, 58, 78)


def test_v_slash_6_without_local_stake() -> None:
    rig, (x, _) = start({0: 140, 1: 40}, {2: 100, 3: 88}, local=0)
    osmo = rig.chains["osmo"]
    assert figures(osmo) == (188, 37, 12)
    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo), figures(osmo)) == ((186, 166, 186), (186, 36, 0))


@pytest.mark.parametrize("fault", [double_sign, downtime])
def test_v_slash_8_v_slash_9_a_local_fault_leaves_cross_stake_that_is_still_covered(fault: object) -> None:
    rig, (x,) = start({0: 100, 1: 50})
    osmo = rig.chains["osmo"]
    fault(osmo, 0)  # type: ignore[operator]
    rig.settle()
    assert (liens(osmo), stakes(x, 0, 1), figures(osmo)) == ((181, 150, 171), (100, 50), (171, 33, 10))


def test_a_cut_on_the_slashed_link_takes_the_slashed_validator_s_stake_first() -> None:
    """45 of 90 are slashed; 155 of collateral cannot cover 167.5, so every lien falls by 8 more."""
    rig, (x, _, _) = start({0: 90, 1: 90}, {1: 80}, {2: 100}, local=100, ratios={"juno": 5_000, "axelar": 5_000, "akash": 5_000})
    downtime(x.consumer, 0, 5_000)
    rig.settle()
    assert (liens(rig.chains["osmo"]), stakes(x, 0, 1)) == ((155, 127, 72, 92, 92), (37, 90))
    assert (x.virtual(0), x.virtual(1)) == (37, 90)


def test_a_cut_reaches_local_stake_that_is_already_unbonding() -> None:
    rig, (x,) = start({0: 150})
    osmo = rig.chains["osmo"]
    osmo.send("alice", UnstakeLocal(osmo.validator(0), 190))
    downtime(x.consumer, 0)
    rig.settle()
    assert liens(osmo) == (185, 135, 185)
    local = osmo.query("mesh/provider/local", user=osmo.address("alice"))
    assert (local.staked, local.unbonding, local.unbonded) == (0, 185, 0)


def test_a_cut_takes_pending_unbonds_last_and_the_latest_maturing_first() -> None:
    rig, (x,) = start({0: 100, 1: 50})
    osmo = rig.chains["osmo"]
    for index, amount in ((0, 60), (1, 50), (0, 40)):
        osmo.send("alice", Unstake(x.lent, x.validator(index), amount))
        rig.settle()
    downtime(osmo, 0, 4_000)  # 76 of 190: collateral 124, so the lien of 150 must fall by 26
    assert liens(osmo)[:2] == (124, 124)
    assert [[entry.amount for entry in x.stake("alice", index).unbonds] for index in (0, 1)] == [[60, 14], [50]]
    rig.settle()


def test_a_lien_that_is_smaller_than_what_all_must_give_ends_at_nought() -> None:
    """Given liens of 100, 100, 100, 100 and 5 at 30 % of a collateral of 125
    When a loss of 30 leaves 95, and 360 × 30 % = 108 could be slashed
    Then all give 9 (13 over 1.5, rounded up) and then 1 more (0.7 over 1.2), or what they have
    """
    held = Account(125, {key: Lien(Range.of(5 if key == "c" else 100), 3_000) for key in "abcde"})

    left, cuts = held.slash("a", 30, 0)
    assert left == Account(95, {key: Lien(Range.of(60 if key == "a" else 85), 3_000) for key in "abde"})
    assert cuts == (Cut("a", 0, 10), Cut("b", 0, 15), Cut("c", 0, 5), Cut("d", 0, 15), Cut("e", 0, 15))


def test_no_more_of_a_lien_is_released_than_is_settled() -> None:
    held = Account(100, {"a": Lien(Range(50, 60), 1_000)})

    for link, amount in (("a", 51), ("b", 1)):
        with pytest.raises(Rejected) as refusal:
            held.release(link, amount)
        assert refusal.value.code == "mesh/insufficient-lien"
    assert held.release("a", 50) == Account(100, {"a": Lien(Range(0, 10), 1_000)})


def test_the_provider_tells_of_a_fault_of_what_it_cost_and_of_every_lien_that_gave_way() -> None:
    rig, (x,) = start({0: 150})
    osmo = rig.chains["osmo"]
    alice, height = osmo.address("alice"), x.consumer.ctx.height
    downtime(x.consumer, 0)
    rig.settle()

    told = {event.type: dict(event.attributes) for event in osmo.events}
    fault = {"consumer": x.lent, "validator": x.validator(0), "kind": "downtime", "height": str(height)}
    assert told["mesh/fault"] == fault
    assert told["mesh/fault-settled"] == fault | {"by": "packet", "amount": "15"}
    assert told["mesh/slash"] == {"user": alice, "link": x.lent, "amount": "15", "collateral": "185"}
    assert told["mesh/cut"] == {"user": alice, "link": "local", "amount": "5"}
    assert x.lent in told["mesh/valset-update"].values()


def test_what_a_link_slashes_goes_to_the_community_where_the_chain_says_so() -> None:
    rig, (x,) = start({0: 150})
    osmo = rig.chains["osmo"]
    GENESIS.put(osmo.state, replace(GENESIS.get(osmo.state), slashed_to_community=True))
    community = osmo.ctx.module_account("community")
    before = osmo.balance(community)

    downtime(x.consumer, 0)
    rig.settle()
    assert (liens(osmo)[0], osmo.balance(community) - before) == (185, 15)


def test_pending_unbonds_of_several_validators_are_cut_by_when_they_mature() -> None:
    held = {
        "a": Stake(unbonds=(Unbond(10, 0, 100), Unbond(10, 0, 300))),
        "b": Stake(unbonds=(Unbond(10, 0, 200),)),
    }
    changed, found = cut_unbonds(held, 15)
    assert (changed, found) == ({"a": Stake(unbonds=(Unbond(10, 0, 100),)), "b": Stake(unbonds=(Unbond(5, 0, 200),))}, 15)
    assert cut_unbonds(held, 99)[1] == 30


def test_d_1_propagation_restores_every_invariant() -> None:
    start_liens = {"a": Lien(Range.of(200), 1_000), "b": Lien(Range.of(150), 6_000), "c": Lien(Range.of(150), 6_000)}
    held = Account(200, start_liens)
    assert held.slashable == Range.of(200)
    after, cuts = held.slash("a", 20, 0)
    assert (after.collateral, after.slashable) == (180, Range.of(180))
    assert [after.liens[key].range for key in "abc"] == [Range.of(166), Range.of(136), Range.of(136)]
    assert cuts == (Cut("a", 0, 14), Cut("b", 0, 14), Cut("c", 0, 14))


@pytest.mark.parametrize(
    ("collateral", "given", "slash"),
    [
        (200, {"a": (200, 1_000), "b": (195, 5_000), "c": (158, 5_000)}, 20),
        (200, {"a": (190, 5_000), "b": (190, 5_000), "c": (10, 9_000)}, 95),
    ],
)
def test_no_branch_is_forgotten_by_propagation(collateral: int, given: dict[str, tuple[int, int]], slash: int) -> None:
    """Two counterexamples that break the reference: only one of its two branches runs."""
    held = Account(collateral, {key: Lien(Range.of(amount), ratio) for key, (amount, ratio) in given.items()})
    after, _ = held.slash("a", slash, 0)
    assert after.collateral == collateral - slash
    assert after.slashable.high <= after.collateral
    assert after.max_lien.high <= after.collateral


@pytest.mark.parametrize(("accepted", "left"), [(True, 140), (False, 100)])
def test_d_4_a_cut_takes_stake_in_flight_first_and_follows_its_answer(accepted: bool, left: int) -> None:
    rig, (x,) = start({0: 100}, local=150)
    osmo = rig.chains["osmo"]
    osmo.send("alice", StakeRemote(x.lent, x.validator(0), 100))
    flight = rig.flight("stake")
    downtime(osmo, 0, 4_000)  # 60 of 150
    assert (account(osmo, "alice").collateral, account(osmo, "alice").liens["local"].range) == (140, Range.of(90))
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range(100, 140), Range(100, 140))
    rig.check(settled=False)
    if accepted:
        rig.receive(flight)
        rig.block()
        assert x.virtual(0) == 200
    else:
        rig.advance(600)
    rig.settle()
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range.of(left), Range.of(left))
    assert x.virtual(0) == left


@pytest.mark.parametrize(("accepted", "left"), [(True, 90), (False, 0)])
def test_d_5_a_slash_of_stake_in_flight_is_charged_and_follows_its_answer(accepted: bool, left: int) -> None:
    rig, (x,) = start({}, local=0)
    osmo = rig.chains["osmo"]
    osmo.send("alice", StakeRemote(x.lent, x.validator(0), 100))
    flight = rig.flight("stake")
    if accepted:
        rig.receive(flight)
    osmo.send("bob", evidence_for(x, double_vote(x.consumer, 0)))
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range(0, 90), Range(0, 90))
    assert account(osmo, "alice").collateral == 190
    rig.check(settled=False)
    if not accepted:
        rig.advance(600)
    rig.settle()
    assert x.stake("alice", 0).range == Range.of(left)
    assert {key: lien.range for key, lien in account(osmo, "alice").liens.items()} == ({x.lent: Range.of(90)} if left else {})
    assert x.virtual(0) == left


def test_x_sl_pu_a_slash_of_what_is_leaving_takes_the_rest_first() -> None:
    rig, (x,) = start({0: 200, 1: 100}, collateral=300, local=0)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Unstake(x.lent, x.validator(0), 50))
    flight = rig.flight("unstake")
    assert (x.range("alice", 0), x.range("alice", 1)) == (Range(150, 200), Range.of(100))
    osmo.send("bob", evidence_for(x, double_vote(x.consumer, 0)))
    assert (account(osmo, "alice").liens[x.lent].range, x.range("alice", 0)) == (Range.of(280), Range(130, 180))
    rig.receive(flight)
    rig.acknowledge(flight)
    assert (account(osmo, "alice").liens[x.lent].range, x.stake("alice", 0).unbonding) == (Range.of(280), 50)
    rig.settle()
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(x.lent))
    assert account(osmo, "alice").liens[x.lent].range == Range.of(230)
    rig.settle()


@pytest.mark.parametrize("accepted", [True, False])
def test_x_sl_fu_x_sl_fur_a_slash_of_all_that_is_leaving_follows_its_answer(accepted: bool) -> None:
    rig, (x,) = start({0: 200}, local=0)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Unstake(x.lent, x.validator(0), 200))
    flight = rig.flight("unstake")
    osmo.send("bob", evidence_for(x, double_vote(x.consumer, 0)))
    assert (account(osmo, "alice").liens[x.lent].range, x.range("alice", 0)) == (Range.of(180), Range(0, 180))
    if accepted:
        rig.receive(flight)
    else:
        rig.advance(600)
        rig.block()
    rig.settle()
    stake = x.stake("alice", 0)
    assert (stake.range, stake.unbonding) == ((Range(), 180) if accepted else (Range.of(180), 0))
    assert account(osmo, "alice").liens[x.lent].range == Range.of(180)
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(x.lent))
    assert (x.lent in account(osmo, "alice").liens) is not accepted


def test_x_sl_br_a_slash_counts_stake_in_flight_and_takes_bonded_stake_first() -> None:
    rig, (x,) = start({0: 200, 1: 50}, collateral=300, local=0)
    osmo = rig.chains["osmo"]
    osmo.send("alice", StakeRemote(x.lent, x.validator(0), 50))
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range(200, 250), Range(250, 300))
    downtime(x.consumer, 0, 1_000)
    rig.block()
    rig.relay(lambda flight: flight.kind == "valset_update")
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range(180, 230), Range(230, 280))
    rig.check(settled=False)
    rig.advance(600)
    rig.settle()
    assert (x.range("alice", 0), account(osmo, "alice").liens[x.lent].range) == (Range.of(180), Range.of(230))
    assert (x.virtual(0), x.virtual(1)) == (180, 50)
