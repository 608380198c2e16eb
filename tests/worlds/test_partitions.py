"""The network between a chain's validators, cut: who is left goes on or says why not, and heal brings everybody back."""

from random import Random

import pytest
from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, FLAG_COMMIT
from meshsec_sdk.mesh_file import ValidatorSpec, topology
from one_chain import Rig

NAMES = ("val-0", "val-1", "val-2", "val-3")


def test_a_minority_that_is_cut_off_misses_blocks_and_signs_again_after_heal() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.chain.partition([["val-3"]])
    rig.blocks(4)
    assert [rig.signed(height)["val-3"] for height in range(3, 7)] == [FLAG_ABSENT] * 4
    assert rig.chain.reasons() == []
    rig.chain.heal()
    rig.blocks(2)
    assert rig.signed(8) == dict.fromkeys(NAMES, FLAG_COMMIT)


@pytest.mark.parametrize("groups", [[["val-0", "val-1"], ["val-2", "val-3"]], [["val-0", "val-2"]], [["val-0"], ["val-1"]]])
def test_a_chain_without_a_group_of_more_than_two_thirds_halts_says_why_and_goes_on_after_heal(groups: list[list[str]]) -> None:
    rig = Rig()
    rig.blocks(2)
    rig.chain.partition(groups)
    for _ in range(3):
        rig.now += SECOND
        assert not rig.chain.make_block(rig.now)
    (reason,) = rig.chain.reasons()
    assert reason.startswith("only 2000000000 of 4000000000 power can vote together, more than two thirds are needed; cut off: v")
    rig.chain.heal()
    rig.now += 10 * SECOND
    rig.blocks(2)
    assert rig.chain.reasons() == []
    assert rig.signed(rig.replica.height) == dict.fromkeys(NAMES, FLAG_COMMIT)


def test_a_chain_is_ready_exactly_if_it_makes_a_block_and_after_heal_it_always_does() -> None:
    """Given seven unequal validators, some of them down and the others cut into groups by chance, a hundred times"""
    first, second = topology("pair").chains
    members = tuple(ValidatorSpec(f"val-{index}", power) for index, power in enumerate((40, 30, 25, 20, 15, 10, 10)))
    rig = Rig(replace(topology("pair"), chains=(replace(first, validators=members), second)))
    rig.blocks(1)
    random, halts = Random(5), 0
    for _ in range(100):
        for voter in rig.replica.voters:
            if random.random() < 0.1:
                rig.replica.fault("down", voter.name)
        sides = {voter.name: random.choice((0, 0, 0, 0, 0, 1, 2)) for voter in rig.replica.voters}
        rig.chain.partition([[name for name, side in sides.items() if side == number] for number in range(3)])
        ready = rig.chain.reasons() == []
        rig.now += SECOND
        assert rig.chain.make_block(rig.now) == ready
        halts += not ready
        rig.chain.heal()
        rig.now += 20 * SECOND
        rig.blocks(1)
        assert rig.chain.reasons() == []
    assert 20 < halts < 80


def test_healing_one_validator_leaves_the_network_cut() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.chain.partition([["val-0", "val-1"]])
    rig.chain.heal("val-0")
    assert not rig.chain.make_block(rig.now + SECOND)
    rig.chain.partition([])
    assert rig.replica.height >= 3 or rig.chain.make_block(rig.now + 2 * SECOND)


def test_a_partition_of_nobody_known_or_with_somebody_twice_is_refused() -> None:
    rig = Rig()
    for groups, code in (([["val-9"]], "dev/unknown-validator"), ([["val-0"], ["val-0", "val-1"]], "dev/bad-partition")):
        with pytest.raises(Rejected) as refusal:
            rig.chain.partition(groups)
        assert refusal.value.code == code
    rig.blocks(2)
