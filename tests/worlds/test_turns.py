"""Whose turn it is, how long others wait for it, and what one height leaves to the next, on a whole chain."""

import msgspec

from meshsec import SimWorld
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import PRECOMMIT
from meshsec_core.replica.drive import drive
from meshsec_core.replica.events import Fire, SetTimer, Tick, Timer
from meshsec_sdk.mesh_file import MeshSpec, ValidatorSpec, topology
from one_chain import Rig

MILLISECOND = SECOND // 1_000
NAMES = ("val-0", "val-1", "val-2", "val-3")


def unequal() -> MeshSpec:
    """Four validators with 4, 3, 2 and 1 million."""
    first, second = topology("pair").chains
    members = tuple(ValidatorSpec(f"val-{index}", (4 - index) * 1_000_000) for index in range(4))
    return msgspec.structs.replace(topology("pair"), chains=(msgspec.structs.replace(first, validators=members), second))


def test_priorities_are_served_for_every_height_as_the_reference_computes_them() -> None:
    """Powers 4, 3, 2, 1; each turn everybody gains its power and the greatest pays 10, by hand:

    0 0 0 0 → 4 3 2 1 → -6 3 2 1 → -2 6 4 2 → -2 -4 4 2 → 2 -1 6 3 → 2 -1 -4 3 → 6 2 -2 4 → -4 2 -2 4
    """
    with SimWorld(unequal(), connect=False) as world:
        world.mine(3)
        served = {}
        for height in range(1, 5):
            found = world.osmosis.get(f"/v1/validators?height={height}")["validators"]
            served[height] = {item["name"]: int(item["priority"]) // 1_000_000 for item in found}
        assert [tuple(served[height][name] for name in NAMES) for height in range(1, 5)] == [
            (-6, 3, 2, 1),
            (-2, -4, 4, 2),
            (2, -1, -4, 3),
            (-4, 2, -2, 4),
        ]


def proposers(rig: Rig, *heights: int) -> list[str]:
    names_of = {voter.address: voter.name for voter in rig.replica.voters}
    found = [rig.replica.block(height) for height in heights]
    return [names_of[block.header.proposer_address] for block in found if block is not None]


def test_who_proposes_is_who_has_the_highest_priority() -> None:
    rig = Rig(unequal())
    rig.blocks(4)
    assert proposers(rig, 1, 2, 3, 4) == ["val-0", "val-1", "val-2", "val-0"]


def test_a_round_that_fails_passes_the_turn_on_and_leaves_the_next_height_its_own() -> None:
    """Given whose turn it is at height 3 is down
    Then the block of height 3 comes from who would have had the turn after it, in round 1, and height 4 is proposed as ever
    """
    straight, broken = Rig(unequal()), Rig(unequal())
    for rig in (straight, broken):
        rig.blocks(2)
    broken.replica.fault("down", "val-2")
    for rig in (straight, broken):
        rig.blocks(2)
    assert proposers(straight, 3, 4) == ["val-2", "val-0"]
    assert proposers(broken, 3, 4) == ["val-0", "val-0"]
    assert [broken.committed(height).round for height in (3, 4)] == [1, 0]


def test_timers_grow_from_round_to_round_on_a_chain_that_cannot_decide() -> None:
    """Given a chain on which every proposal is a lie
    Then validators wait 40 ms, 41 ms, 42 ms… for a proposal and 10 ms, 11 ms, 12 ms… after the precommits
    """
    rig = Rig()
    rig.blocks(2)
    for name in NAMES:
        rig.replica.fault("bad-app-hash", name)
    waits: dict[tuple[str, int], set[int]] = {}
    now = rig.now + SECOND
    left = drive(rig.replica, rig.chain.storage, Tick(), now)
    while left:
        timers = [effect for effect in left if isinstance(effect, SetTimer) and effect.timer.round < 5]
        for effect in timers:
            waits.setdefault((effect.timer.kind, effect.timer.round), set()).add(effect.after // MILLISECOND)
        ending: list[Timer] = [effect.timer for effect in timers if effect.timer.kind == "precommit"]
        left = [found for timer in ending for found in drive(rig.replica, rig.chain.storage, Fire(timer), now)]
    assert {number: waits["propose", number] for number in range(5)} == {number: {40 + number} for number in range(5)}
    assert {number: waits["precommit", number] for number in range(5)} == {number: {10 + number} for number in range(5)}


def test_a_height_begins_without_the_locks_of_the_one_before() -> None:
    """L52 to L54: locked and valid values are gone, and so are the votes."""
    rig = Rig()
    rig.blocks(2)
    assert {voter.state.locked_round for voter in rig.replica.voters if voter.state is not None} == {0}
    rig.replica.handle(Tick(), rig.now + SECOND)
    states = [voter.state for voter in rig.replica.voters if voter.state is not None]
    assert [(state.round, state.locked_round, state.locked_block, state.valid_round, state.valid_block) for state in states] == [
        (0, -1, None, -1, None)
    ] * 4
    assert not any(vote.kind == PRECOMMIT for vote in rig.votes_logged())
