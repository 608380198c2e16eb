"""What a loss takes from several packets in flight, from stake that is leaving, and from local stake, entry by entry."""

import pytest

from mesh_faults import double_vote, downtime, evidence_for
from mesh_rig import Link, MeshRig, account, pair, star
from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.packets import Released, read_answer
from meshsec_core.security.mesh.provider import local_stake
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import RestakeLocal, StakeLocal, UnstakeLocal
from meshsec_core.security.mesh.provider.state import LENT, LOCAL_STAKERS, POOLS, STAKES
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range


def start(*stakes: int, local: int = 0, collateral: int = 200) -> tuple[MeshRig, list[Link]]:
    """Let alice bond, stake at home, and lend to the first validator of one chain per argument."""
    rig, links = star(*("juno", "axelar")[: len(stakes)], alice=collateral, bob=1_000)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(collateral))
    if local:
        osmo.send("alice", StakeLocal(osmo.validator(0), local))
    for link, amount in zip(links, stakes, strict=True):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, list(links)


@pytest.mark.parametrize(("accepted", "left"), [(True, 109), (False, 100)])
def test_cuts_of_stake_in_flight_go_from_packet_to_packet_newest_first(accepted: bool, left: int) -> None:
    """Given 100 lent, 40 more on their way to the same validator, then 60 to another, and 10 of the 100 asked back
    When local stake of 100 loses 50, 30 and 1, and the collateral of 200 with it
    Then the 60 go first, then 21 of the 40; the unstake is untouched; what arrives or not is the 19 that are left
    """
    rig, (x,) = start(100, local=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", StakeRemote(x.lent, x.validator(0), 40), StakeRemote(x.lent, x.validator(1), 60))
    osmo.send("alice", Unstake(x.lent, x.validator(0), 10))
    for fraction_bps, collateral, first, second in (
        (5_000, 150, Range(90, 140), Range(0, 10)),
        (6_000, 120, Range(90, 120), Range(0, 0)),
        (500, 119, Range(90, 119), Range(0, 0)),
    ):
        downtime(osmo, 0, fraction_bps)
        assert account(osmo, "alice").collateral == collateral
        assert (x.range("alice", 0), x.range("alice", 1)) == (first, second)
        rig.check(settled=False)
    if not accepted:
        rig.advance(600)
    rig.settle()
    assert (x.range("alice", 0), x.range("alice", 1)) == (Range.of(left), Range())
    assert (x.virtual(0), x.virtual(1)) == (left, 0)
    assert x.stake("alice", 0).unbonding == (10 if accepted else 0)
    answers = ("mesh/stake-committed", "mesh/stake-rolled-back")
    told = [dict(event.attributes)["amount"] for event in osmo.events if event.type in answers]
    assert told[-2:] == ["19", "0"]


def test_a_loss_of_what_is_leaving_goes_from_packet_to_packet_newest_first() -> None:
    """Of 95 and 5 that leave, a loss of 10 takes the 5 whole and 5 more, the next one 9: 81 wait out the unbonding."""
    rig, (x,) = start(100)
    osmo = rig.chains["osmo"]
    proof = evidence_for(x, double_vote(x.consumer, 0))
    osmo.send("alice", Unstake(x.lent, x.validator(0), 95), Unstake(x.lent, x.validator(0), 5))
    held = rig.collect()[:]
    downtime(x.consumer, 0)
    rig.block()
    rig.relay(lambda flight: flight.kind == "valset_update")
    osmo.send("bob", proof)
    assert (account(osmo, "alice").collateral, x.range("alice", 0)) == (181, Range(0, 81))
    for flight in held:
        rig.receive(flight)
        rig.acknowledge(flight)
    assert [entry.amount for entry in x.stake("alice", 0).unbonds] == [81]
    rig.settle()
    assert x.virtual(0) == 0


def test_stake_sent_home_counts_what_a_loss_has_noted_on_its_way() -> None:
    """Of 100 are 95 leaving when a loss of 10 comes: 5 are burned at once, 5 noted, so the consumer still counts 95."""
    rig, (x,) = start(100)
    osmo, juno = rig.chains["osmo"], x.consumer
    osmo.send("alice", Unstake(x.lent, x.validator(0), 95))
    leaving = rig.flight("unstake")
    osmo.send("bob", evidence_for(x, double_vote(juno, 0)))
    rig.relay(lambda flight: flight.kind == "burn")
    juno.send(juno.ctx.module_account("gov"), SetMaxCap(x.link, 0))
    juno.block()
    home = rig.flight("internal_unstake")
    assert read_answer(rig.receive(home), Released) == Released(0, 95)
    rig.receive(leaving)
    rig.settle()
    assert (x.stake("alice", 0).unbonding, x.virtual(0)) == (90, 0)
    assert juno.query("mesh/consumer/delegations", link=x.link) == ()


def test_a_cut_takes_what_is_bonded_and_only_the_rest_from_what_is_unbonding() -> None:
    """Of 100 lent elsewhere are 95 unbonding: a cut of 10 takes the 5 that are not, and 5 of the 95."""
    rig, (x, y) = start(100, 100, collateral=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Unstake(y.lent, y.validator(0), 95))
    rig.settle()
    downtime(x.consumer, 0)
    rig.settle()
    assert (account(osmo, "alice").collateral, x.range("alice", 0)) == (90, Range.of(90))
    assert (y.range("alice", 0), y.stake("alice", 0).unbonding, y.virtual(0)) == (Range(), 90, 0)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_cut_of_what_is_leaving_elsewhere_is_noted_on_its_packet(accepted: bool) -> None:
    """Of 100 are 95 leaving when a cut of 10 comes: 5 are burned at once, and the other 5 once it is known that they stay."""
    rig, (x, y) = start(100, 100, collateral=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Unstake(y.lent, y.validator(0), 95))
    leaving = rig.flight("unstake")
    downtime(x.consumer, 0)
    x.consumer.block()
    rig.relay(lambda flight: flight.kind == "valset_update")
    assert y.range("alice", 0) == Range(0, 90)
    if accepted:
        rig.receive(leaving)
        rig.acknowledge(leaving)
        assert (y.range("alice", 0), y.stake("alice", 0).unbonding) == (Range(), 90)
    else:
        rig.advance(600)
    rig.settle()
    assert (y.stake("alice", 0).bonded, y.virtual(0)) == ((0, 0) if accepted else (90, 90))
    answers = ("mesh/unstake-committed", "mesh/unstake-rolled-back")
    assert [dict(event.attributes)["amount"] for event in osmo.events if event.type in answers] == ["90"]


def test_a_record_that_is_empty_goes_and_leaves_the_fraction_of_its_reward_to_the_others() -> None:
    """Alice has a third of a reward of 1, bob two thirds; when she is gone the next reward of 1 is 1 and a third for him."""
    rig, (x,) = start(1)
    osmo = rig.chains["osmo"]
    osmo.send("bob", Bond(2), StakeRemote(x.lent, x.validator(0), 2))
    osmo.send("alice", StakeRemote(x.lent, x.validator(1), 5))
    rig.settle()
    key = (x.lent, x.validator(0), osmo.address("alice"))

    def earn() -> None:
        x.earn(1)
        rig.advance(10)
        rig.settle()

    earn()
    osmo.send("alice", Unstake(x.lent, x.validator(0), 1))
    rig.settle()
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(x.lent))
    assert STAKES.find(osmo.state, *key) is None
    assert LENT.get(osmo.state, osmo.address("alice"), x.lent).validators == (x.validator(1),)
    assert POOLS.get(osmo.state, x.lent, x.validator(0)).leftover_e18 == ONE_E18 // 3 + 1
    earn()
    assert x.rewards("bob", 0) == 2
    assert STAKES.get(osmo.state, x.lent, x.validator(0), osmo.address("bob")).bonded == 2
    osmo.send("alice", Unstake(x.lent, x.validator(1), 5))
    rig.settle()
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(x.lent))
    assert LENT.find(osmo.state, osmo.address("alice"), x.lent) is None


# local stake


def test_a_local_fault_reaches_what_has_left_by_unbonding_and_by_moving_since() -> None:
    """Of 100 are 40 unbonding and 30 moved when a fault of before comes to light: a tenth of each of 30, 40 and 30."""
    rig, _ = start(local=100)
    osmo = rig.chains["osmo"]
    before = osmo.ctx.height
    osmo.block()
    osmo.send("alice", UnstakeLocal(osmo.validator(0), 40), RestakeLocal(osmo.validator(0), osmo.validator(1), 30))
    downtime(osmo, 0, 1_000, before)
    held = account(osmo, "alice")
    assert (held.collateral, held.liens["local"].range) == (190, Range.of(90))
    assert local_stake.holdings(osmo.state, osmo.prefix, osmo.ctx.denom, osmo.address("alice")) == (54, 36, 0)
    rig.settle()


def test_stake_that_moved_answers_for_the_validator_it_went_to_and_no_more_for_the_one_it_left() -> None:
    rig, _ = start(local=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", RestakeLocal(osmo.validator(0), osmo.validator(1), 100))
    osmo.blocks(2)
    downtime(osmo, 0, 1_000)
    assert account(osmo, "alice").collateral == 200
    assert not LOCAL_STAKERS.has(osmo.state, osmo.validator(0), osmo.address("alice"))
    downtime(osmo, 1, 1_000)
    assert account(osmo, "alice").collateral == 190
    rig.settle()


def test_a_local_fault_reaches_who_has_left_altogether_since() -> None:
    rig, _ = start(local=100)
    osmo = rig.chains["osmo"]
    before = osmo.ctx.height
    osmo.block()
    osmo.send("alice", UnstakeLocal(osmo.validator(0), 100))
    downtime(osmo, 0, 1_000, before)
    assert account(osmo, "alice").collateral == 190
    rig.settle()


def test_a_local_fault_that_costs_nothing_is_told_to_nobody() -> None:
    rig, _ = start(local=100)
    osmo = rig.chains["osmo"]
    heard = len(osmo.events)
    downtime(osmo, 0, 0)
    assert not [event for event in osmo.events[heard:] if event.type == "mesh/slash"]
    rig.settle()


def test_a_local_fault_cuts_what_is_lent_and_the_consumer_hears_of_it() -> None:
    rig, (x,) = start(100, local=100, collateral=100)
    downtime(rig.chains["osmo"], 0, 1_000)
    rig.settle()
    assert (x.range("alice", 0), x.virtual(0)) == (Range.of(90), 90)


def test_a_cut_of_local_stake_takes_what_is_delegated_and_only_the_rest_from_what_is_unbonding() -> None:
    rig, (x,) = start(100, local=100, collateral=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", UnstakeLocal(osmo.validator(0), 95))
    downtime(x.consumer, 0)
    rig.settle()
    assert local_stake.holdings(osmo.state, osmo.prefix, osmo.ctx.denom, osmo.address("alice")) == (0, 90, 0)


@pytest.mark.parametrize(("double_sign", "downtime_bps"), [(700, 300), (300, 700)])
def test_a_local_lien_covers_the_harshest_fault_unless_the_chain_names_a_ratio(double_sign: int, downtime_bps: int) -> None:
    rules = {"double_sign_slash_bps": double_sign, "downtime_slash_bps": downtime_bps}
    rig, _ = pair(local_slash_bps=0, genesis={"slashing": rules}, alice=200)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(200), StakeLocal(osmo.validator(0), 100))
    assert account(osmo, "alice").liens["local"].ratio_bps == 700


def test_a_sub_account_is_named_after_its_user() -> None:
    rig, _ = start(local=100)
    osmo = rig.chains["osmo"]
    expected = module_account(osmo.prefix, f"mesh/local/{osmo.address('alice')}")
    assert osmo.query("staking/delegations", delegator=expected) == {osmo.validator(0): 100}
