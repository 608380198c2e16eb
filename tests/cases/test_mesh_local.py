"""Local staking: collateral that secures its own chain from a sub-account of its user (case list, section D)."""

import pytest

from harness import Chain
from mesh_faults import double_sign, downtime
from mesh_rig import MeshRig, account, pair, refused
from meshsec_core.modules import bank
from meshsec_core.modules.gov.module import Submit, Vote
from meshsec_core.modules.gov.state import Option
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate, Redelegate
from meshsec_core.security.mesh.consumer.governance import SetLinkParams
from meshsec_core.security.mesh.provider import local_stake
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.local import (
    ReleaseLocal,
    Restake,
    RestakeLocal,
    StakeLocal,
    UnstakeLocal,
    VoteLocal,
    VoteLocalWeighted,
)
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
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


def test_e2e_imm_local_stake_leaves_a_tombstoned_validator_at_once_and_a_jailed_one_when_it_can_be_slashed_no_more(
    home: tuple[MeshRig, Chain],
) -> None:
    """Downtime takes 10 of alice's 100, and 40 begin to leave: one who is only jailed may still be proven guilty of something
    older. It is: 4 of the 40 go, and 100,006 of the validator's 900,050, so that 44 of her 50 are left, and free at once."""
    rig, osmo = home
    downtime(osmo, 1)
    osmo.end()
    rig.block()
    osmo.send("alice", UnstakeLocal(osmo.validator(1), 40), ReleaseLocal())
    assert account(osmo, "alice").liens["local"].range == Range.of(90)
    double_sign(osmo, 1)
    rig.block()
    osmo.send("alice", UnstakeLocal(osmo.validator(1), 44), ReleaseLocal())
    assert (staked(osmo, "alice", 1), account(osmo, "alice").liens["local"].range) == ((0,), Range.of(36))
    rig.advance(THREE_WEEKS)
    rig.block()
    osmo.send("alice", ReleaseLocal())
    assert (vault_coins(osmo), account(osmo, "alice").liens) == (180, {})


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


def test_restake_turns_a_delegation_into_collateral_without_moving_a_coin() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Delegate(osmo.validator(0), 200))
    tokens = staking.get_validator(osmo.state, osmo.validator(0)).tokens
    osmo.send("alice", Restake(osmo.validator(0), 150))
    assert (account(osmo, "alice").collateral, account(osmo, "alice").liens["local"].range) == (150, Range.of(150))
    own = staking.delegation_value(osmo.state, osmo.address("alice"), osmo.validator(0))
    assert (own, staked(osmo, "alice", 0), osmo.balance("alice")) == (50, (150,), 100)
    assert staking.get_validator(osmo.state, osmo.validator(0)).tokens == tokens
    downtime(osmo, 0)
    assert (account(osmo, "alice").collateral, staked(osmo, "alice", 0)) == (135, (135,))
    rig.settle()


def test_restake_is_refused_beyond_the_delegation_and_while_it_answers_for_another_validator() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Delegate(osmo.validator(0), 200))
    with refused(osmo, "staking/insufficient-delegation"):
        osmo.send("alice", Restake(osmo.validator(0), 201))
    osmo.send("alice", Redelegate(osmo.validator(0), osmo.validator(1), 100))
    with refused(osmo, "staking/transitive-redelegation"):
        osmo.send("alice", Restake(osmo.validator(1), 50))
    osmo.send("alice", Restake(osmo.validator(0), 100))
    rig.settle()


def test_locked_coins_that_were_restaked_come_back_locked() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    bank.lock(osmo.ctx, osmo.address("alice"), osmo.ctx.denom, 300)
    osmo.send("alice", Delegate(osmo.validator(0), 200), Restake(osmo.validator(0), 200))
    osmo.send("alice", UnstakeLocal(osmo.validator(0), 200))
    rig.advance(THREE_WEEKS)
    rig.block()
    osmo.send("alice", ReleaseLocal(), Unbond(200))
    assert osmo.balance("alice") == 300
    with refused(osmo, "bank/insufficient-funds"):
        osmo.send("alice", bank.Send(osmo.address("bob"), osmo.ctx.denom, 1))


def tally(osmo: Chain, number: int) -> tuple[int, int, int]:
    """Return yes, no, and all that has a voice."""
    found = osmo.query("gov/tally", proposal=number).tally  # type: ignore[arg-type]
    return found.yes, found.no, found.bonded


def test_local_stake_votes_for_itself_and_overrides_its_validator() -> None:
    rig, _ = pair(alice=300, validators=(1_000, 1_000), genesis={"gov": {"min_deposit": 1}})
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(200), StakeLocal(osmo.validator(1), 100), Submit("a proposal", (), 1))
    osmo.send("val-1", Vote(1, Option.NO))
    assert tally(osmo, 1) == (0, 1_100, 2_100)
    osmo.send("alice", VoteLocal(1, Option.YES))
    assert tally(osmo, 1) == (100, 1_000, 2_100)
    osmo.send("alice", VoteLocalWeighted(1, {Option.YES: 2_500, Option.NO: 7_500}))
    assert tally(osmo, 1) == (25, 1_075, 2_100)
    with refused(osmo, "gov/unknown-proposal"):
        osmo.send("alice", VoteLocal(2, Option.YES))


@pytest.mark.parametrize(("voice_bps", "voice"), [(0, 0), (5_000, 50), (10_000, 101)])
def test_virtual_stake_weighs_in_governance_what_its_link_says(voice_bps: int, voice: int) -> None:
    """101 are lent: half of it rounds down. It counts for power all the same."""
    rig, link = pair(alice=300, validators=(1_000, 1_000), genesis={"gov": {"min_deposit": 1}})
    juno = link.consumer
    link.provider.send("alice", Bond(101), StakeRemote(link.lent, link.validator(1), 101))
    rig.settle()
    juno.send(juno.ctx.module_account("gov"), SetLinkParams(link.link, voice_bps=voice_bps))
    juno.send("alice", Submit("a proposal", (), 1))
    juno.send("val-1", Vote(1, Option.YES))
    assert tally(juno, 1) == (1_000 + voice, 0, 2_000 + voice)
    assert staking.get_validator(juno.state, juno.validator(1)).tokens == 1_101


def test_a_voice_is_nothing_half_or_all() -> None:
    _, link = pair()
    juno = link.consumer
    with refused(juno, "mesh/bad-params"):
        juno.send(juno.ctx.module_account("gov"), SetLinkParams(link.link, voice_bps=2_500))
