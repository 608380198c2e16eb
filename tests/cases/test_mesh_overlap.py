"""One operator on both chains: identities joined by two signatures, and a fault on one that costs the self-bond on the other."""

import pytest

from mesh_faults import double_vote, evidence_for, identity
from mesh_rig import SELF_BOND, Link, MeshRig, account, pair, refused
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate
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
