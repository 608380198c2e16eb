"""One operator on both chains: identities joined by two signatures, and a fault on one that costs the self-bond on the other."""

import pytest

from mesh_faults import double_vote, evidence_for, identity
from mesh_rig import SELF_BOND, Link, MeshRig, account, pair, refused
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate, Redelegate, Undelegate
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond


def start(*, correlated: bool) -> tuple[MeshRig, Link]:
    rig, link = pair(alice=1_000, bob=1_000, provider_terms={"correlated": correlated})
    link.provider.send("bob", Delegate(link.provider.validator(2), 1_000))
    return rig, link


@pytest.mark.parametrize(("correlated", "left"), [(True, SELF_BOND * 9 // 10), (False, SELF_BOND)])
def test_a_proven_fault_over_there_costs_the_same_operator_s_self_bond_here_if_the_link_says_so(
    correlated: bool, left: int
) -> None:
    rig, link = start(correlated=correlated)
    osmo = link.provider
    osmo.send("val-2", identity(link, 2, 0))
    osmo.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    supply = bank.supply(osmo.state, osmo.ctx.denom)
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    own = staking.delegation_value(osmo.state, osmo.address("val-2"), osmo.validator(2))
    delegated = staking.delegation_value(osmo.state, osmo.address("bob"), osmo.validator(2))
    assert (own, delegated, account(osmo, "alice").collateral) == (left, 1_000, 990)
    assert supply - bank.supply(osmo.state, osmo.ctx.denom) == SELF_BOND - left + 10
    rig.settle()


def test_only_the_two_keys_together_join_two_identities() -> None:
    _, link = start(correlated=True)
    osmo = link.provider
    with refused(osmo, "mesh/not-the-same-operator"):
        osmo.send("val-2", identity(link, 2, 0, key=1))
    with refused(osmo, "mesh/not-the-same-operator"):
        osmo.send("val-1", identity(link, 2, 0))
    with refused(osmo, "staking/unknown-validator"):
        osmo.send("alice", identity(link, 2, 0))
    osmo.send("val-2", identity(link, 2, 0))
    with refused(osmo, "mesh/already-overlaps"):
        osmo.send("val-2", identity(link, 2, 0))


def test_another_operator_s_fault_costs_nothing_here() -> None:
    rig, link = start(correlated=True)
    osmo = link.provider
    osmo.send("val-2", identity(link, 2, 0))
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 1)))
    assert staking.delegation_value(osmo.state, osmo.address("val-2"), osmo.validator(2)) == SELF_BOND
    rig.settle()


def test_what_an_operator_loses_here_rounds_down() -> None:
    rig, link = pair(provider_terms={"correlated": True}, **{"bob": 1_000, "val-2": 9})
    osmo = link.provider
    osmo.send("val-2", Delegate(osmo.validator(2), 9), identity(link, 2, 0))
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    own = staking.delegation_value(osmo.state, osmo.address("val-2"), osmo.validator(2))
    assert own == SELF_BOND + 9 - 100_000  # a tenth of 1,000,009 is 100,000.9
    rig.settle()


def test_what_has_left_the_operator_s_self_bond_since_the_fault_pays_and_what_left_before_does_not() -> None:
    """Of 1,000,000 the operator takes back 1,005 before the fault, then 2,005, and moves 3,005: a tenth of 993,985 rounds down,
    the others round up. Bob, who does the same, loses nothing."""
    rig, link = start(correlated=True)
    osmo, juno = link.provider, link.consumer
    here, elsewhere = osmo.validator(2), osmo.validator(3)
    osmo.send("val-2", identity(link, 2, 0), Undelegate(here, 1_005))
    rig.advance(10)
    proof = evidence_for(link, double_vote(juno, 0))
    rig.advance(10)
    osmo.send("val-2", Undelegate(here, 2_005), Redelegate(here, elsewhere, 3_005))
    osmo.send("bob", Undelegate(here, 100))
    supply = bank.supply(osmo.state, osmo.ctx.denom)
    osmo.send("bob", proof)

    operator = osmo.address("val-2")
    held = staking.delegations_of(osmo.state, operator)
    assert held == {here: 993_985 - 99_398, elsewhere: 3_005 - 301}
    assert [entry.balance for _, _, entry in staking.unbondings_of(osmo.state, operator)] == [1_005, 2_005 - 201]
    assert [entry.balance for _, _, entry in staking.unbondings_of(osmo.state, osmo.address("bob"))] == [100]
    assert staking.delegation_value(osmo.state, osmo.address("bob"), here) == 900
    assert supply - bank.supply(osmo.state, osmo.ctx.denom) == 99_398 + 201 + 301
    rig.settle()
    osmo.check_laws()


def test_an_operator_s_lost_self_bond_goes_where_the_chain_sends_what_it_slashes() -> None:
    rig, link = pair(
        bob=1_000, provider_terms={"correlated": True}, genesis={"staking": {"slashed_to_community": True, "power_reduction": 1}}
    )
    osmo = link.provider
    osmo.send("val-2", identity(link, 2, 0))
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    assert osmo.query("distribution/community-pool") == {osmo.ctx.denom: SELF_BOND // 10}
    rig.settle()
