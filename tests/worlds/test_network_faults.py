"""A network between validators that is late, loses, repeats and turns around: what it costs, and that it decides nothing."""

import pytest

from meshsec import SimWorld
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, FLAG_COMMIT
from meshsec_core.replica.drive import drive
from meshsec_core.replica.events import Tick
from meshsec_core.replica.faults import Conduct
from one_chain import Rig

KINDS: dict[str, dict[str, str]] = {
    "slow": {"delay": "500ms"},
    "drop": {"percent": "40"},
    "duplicate": {},
    "reorder": {"within": "300ms"},
    "clock-skew": {"shift": "5m"},
}


def reach(rig: Rig, height: int) -> None:
    """Go on, also with a height for which one attempt is too short."""
    for _ in range(400):
        rig.now += SECOND
        rig.chain.make_block(rig.now)
        if rig.replica.height >= height:
            return
    raise AssertionError(rig.chain.reasons())


def hashes(rig: Rig) -> list[bytes]:
    return [block.commit.block_id.hash for height in range(1, rig.replica.height + 1) if (block := rig.replica.commit(height))]


def test_a_network_that_repeats_everything_changes_no_block() -> None:
    plain, doubled = Rig(), Rig()
    doubled.replica.fault("duplicate", None)
    for rig in (plain, doubled):
        rig.blocks(6)
    assert hashes(doubled) == hashes(plain)
    assert doubled.replica.network.faults == ["duplicate: val-0, val-1, val-2, val-3"]


def test_a_network_that_loses_half_of_everything_still_decides_and_says_again_what_was_lost() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("drop", None, {"percent": 50, "seed": 1})
    reach(rig, 12)
    assert any(FLAG_ABSENT in rig.signed(height).values() for height in range(3, 13))
    rig.chain.heal()
    rig.now += 60 * SECOND
    rig.blocks(2)
    assert set(rig.signed(rig.replica.height).values()) == {FLAG_COMMIT}


def test_what_is_lost_for_all_comes_with_the_second_try() -> None:
    """Given everything that anybody says is lost at first
    Then a height takes a second try each for the proposal, the prevotes and the precommits, and is decided without heal
    """
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("drop", None, {"percent": 100})
    reach(rig, 3)
    assert rig.chain.reasons() == []


def test_each_hearer_misses_messages_of_its_own() -> None:
    rig = Rig()
    rig.replica.fault("drop", None, {"percent": 50, "seed": 3})
    drive(rig.replica, rig.chain.storage, Tick(), rig.now + SECOND)
    missed = {frozenset(voter.missed) for voter in rig.replica.voters}
    assert len(missed) > 2


def test_losses_repeat_with_the_seed_and_concern_some_blocks_only() -> None:
    """Given one validator's words are lost for half of the others
    Then it signs some commits and misses others, as the seed decides
    """
    seen = {}
    for seed in (1, 1, 2):
        rig = Rig()
        rig.replica.fault("drop", "val-2", {"percent": 50, "seed": seed})
        reach(rig, 16)
        flags = [rig.signed(height)["val-2"] for height in range(1, 17)]
        assert set(flags) == {FLAG_ABSENT, FLAG_COMMIT}
        assert seen.setdefault(seed, flags) == flags
    assert seen[1] != seen[2]


def test_messages_that_overtake_each_other_split_no_height() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("reorder", None, {"within": 3 * SECOND // 10, "seed": 5})
    reach(rig, 10)
    rig.chain.heal()
    rig.now += 60 * SECOND
    rig.blocks(2)
    assert rig.committed(rig.replica.height).round == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_a_whole_chain_is_shown_and_ends_with_heal_and_every_law_holds(kind: str) -> None:
    with SimWorld("pair") as world:
        world.fault(kind, "juno", **KINDS[kind])
        assert world.juno.get("/v1/status")["faults"] == [f"{kind}: val-0, val-1, val-2, val-3"]
        assert world.osmosis.get("/v1/status")["faults"] == []
        world.mine(6)
        world.heal("juno")
        assert world.juno.get("/v1/status")["faults"] == []
        assert {voter.conduct for voter in world.nodes["juno"].replica.voters} == {Conduct()}
        world.settle()


def test_a_world_draws_what_is_lost_from_its_seed() -> None:
    def lost(seed: int) -> str:
        with SimWorld("pair", connect=False, seed=seed) as world:
            world.fault("drop", "juno", percent=50)
            world.mine(8)
            return world.digest()

    assert lost(1) == lost(1)
    assert lost(1) != lost(2)
