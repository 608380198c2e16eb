"""Local staking: collateral that secures its own chain from a sub-account of its user (case list, section D)."""

import pytest

from harness import Chain
from mesh_rig import MeshRig, account, pair, refused
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.security.mesh.provider import local_stake
from meshsec_core.security.mesh.provider.local import ReleaseLocal, RestakeLocal, StakeLocal, UnstakeLocal
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range

THREE_WEEKS = 1_814_400


def vault_coins(chain: Chain) -> int:
    return chain.balance(chain.ctx.module_account("mesh/vault"))


def staked(chain: Chain, user: str, *indexes: int) -> tuple[int, ...]:
    """Return what a user's sub-account delegates to validators."""
    held = local_stake.sub_account(chain.prefix, chain.address(user))
    return tuple(staking.delegation_value(chain.state, held, chain.validator(index)) for index in indexes)


@pytest.fixture
def home() -> tuple[MeshRig, Chain]:
    """Alice has bonded 200 and staked 100 of it with validator 1."""
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(200), StakeLocal(osmo.validator(1), 100))
    return rig, osmo


def test_n_rel_what_is_released_goes_back_into_the_vault(home: tuple[MeshRig, Chain]) -> None:
    rig, osmo = home
    assert (vault_coins(osmo), account(osmo, "alice").liens["local"].range) == (100, Range.of(100))
    osmo.send("alice", UnstakeLocal(osmo.validator(1), 100))
    rig.advance(THREE_WEEKS)
    rig.block()
    osmo.send("alice", ReleaseLocal())
    assert (vault_coins(osmo), account(osmo, "alice").liens) == (200, {})
    rig.settle()


def test_p_stake_more_stake_joins_the_same_delegation(home: tuple[MeshRig, Chain]) -> None:
    _, osmo = home
    osmo.send("alice", StakeLocal(osmo.validator(1), 20))
    assert (staked(osmo, "alice", 1), account(osmo, "alice").liens["local"].range) == ((120,), Range.of(120))


def test_p_restake_local_stake_moves_to_another_validator_at_once(home: tuple[MeshRig, Chain]) -> None:
    rig, osmo = home
    osmo.send("alice", RestakeLocal(osmo.validator(1), osmo.validator(2), 30))
    assert (staked(osmo, "alice", 1, 2), account(osmo, "alice").liens["local"].range) == ((70, 30), Range.of(100))
    rig.settle()


def test_p_unstake_coins_wait_for_the_unbonding_time_of_the_chain(home: tuple[MeshRig, Chain]) -> None:
    rig, osmo = home
    osmo.send("alice", UnstakeLocal(osmo.validator(1), 50))
    proxy = local_stake.sub_account(osmo.prefix, osmo.address("alice"))
    assert (staked(osmo, "alice", 1), osmo.balance(proxy)) == ((50,), 0)
    rig.advance(THREE_WEEKS)
    rig.block()
    assert osmo.balance(proxy) == 50
    rig.settle()


def test_p_burn_local_stake_that_is_cut_is_undelegated_and_destroyed_at_once(home: tuple[MeshRig, Chain]) -> None:
    """The reference keeps burned coins in the sub-account for ever; here its balance ends with nothing."""
    _, osmo = home
    alice, supply = osmo.address("alice"), bank.supply(osmo.state, osmo.ctx.denom)
    local_stake.cut(osmo.ctx, alice, 10)
    bank.burn(osmo.ctx, osmo.ctx.module_account("mesh/vault"), osmo.ctx.denom, 10)
    assert (staked(osmo, "alice", 1), osmo.balance(local_stake.sub_account(osmo.prefix, alice))) == ((90,), 0)
    assert supply - bank.supply(osmo.state, osmo.ctx.denom) == 10


def test_p_burn_several_delegations_share_a_cut_equally() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300), *(StakeLocal(osmo.validator(index), 100) for index in (0, 1, 2)))
    local_stake.cut(osmo.ctx, osmo.address("alice"), 100)
    assert sorted(staked(osmo, "alice", 0, 1, 2)) == [66, 67, 67]


def test_p_rel_releasing_before_anything_is_unbonded_changes_nothing(home: tuple[MeshRig, Chain]) -> None:
    rig, osmo = home
    osmo.send("alice", UnstakeLocal(osmo.validator(1), 100))
    osmo.send("alice", ReleaseLocal())
    assert (vault_coins(osmo), account(osmo, "alice").liens["local"].range) == (100, Range.of(100))
    rig.advance(THREE_WEEKS)
    rig.block()
    osmo.send("alice", ReleaseLocal())
    assert (vault_coins(osmo), staked(osmo, "alice", 1), account(osmo, "alice").free) == (200, (0,), Range.of(200))


def test_nobody_can_unstake_what_another_user_has_staked(home: tuple[MeshRig, Chain]) -> None:
    """The reference lets any contract do it."""
    _, osmo = home
    with refused(osmo, "staking/insufficient-delegation"):
        osmo.send("bob", UnstakeLocal(osmo.validator(1), 1))
