"""Voters that have heard the same share a state; whoever comes back has one of its own."""

from collections.abc import Iterable

import msgspec
import pytest

from meshsec_core.consensus.step import Event, State, Transition, Voted, step_all
from meshsec_core.kernel.types import SECOND
from meshsec_core.replica import height
from meshsec_core.replica.events import Deliver, Tick
from meshsec_sdk.mesh_file import ValidatorSpec, topology
from one_chain import Rig


@pytest.mark.parametrize("count", [4, 10])
def test_a_height_without_trouble_counts_each_vote_once_however_many_hear_it(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = topology("pair").chains
    members = tuple(ValidatorSpec(f"val-{index}", 1_000_000) for index in range(count))
    first = msgspec.structs.replace(first, validators=members)
    rig = Rig(msgspec.structs.replace(topology("pair"), chains=(first, second)))
    counted: list[Event] = []

    def counting(state: State, events: Iterable[Event]) -> Transition:
        heard = list(events)
        counted.extend(event for event in heard if isinstance(event, Voted))
        return step_all(state, heard)

    monkeypatch.setattr(height, "step_all", counting)
    rig.blocks(3)
    assert len(counted) == len(set(counted)) == 2 * count * 3


def test_a_validator_that_takes_part_again_remembers_what_it_has_precommitted_and_nothing_that_others_have() -> None:
    """Given three of four have precommitted a block, and then everybody is alone
    When one of the three and the fourth, who was down, come back
    Then each hears nobody but itself: the one is locked on the block, the other is not
    """
    rig = Rig()
    rig.blocks(2)
    turn = rig.replica.tip.validators.proposer.address
    absent, back = [voter for voter in rig.replica.voters if voter.address != turn][:2]
    rig.replica.fault("down", absent.name)
    now = rig.now + SECOND
    waves = [effect for effect in rig.replica.handle(Tick(), now) if isinstance(effect, Deliver)]
    for _ in range(2):
        waves = [effect for wave in waves for effect in rig.replica.handle(wave, now) if isinstance(effect, Deliver)]
    block = waves[0].votes[0].block_id
    assert {vote.block_id for vote in waves[0].votes} == {block}
    rig.replica.partition([[voter.name] for voter in rig.replica.voters])
    for wave in waves:
        rig.replica.handle(wave, now)
    rig.replica.fault("down", back.name)
    for voter in (absent, back):
        rig.replica.heal(voter.name)
    states = [voter.state for voter in (absent, back) if voter.state is not None]
    assert [(state.locked_round, state.locked_block, state.valid_block) for state in states] == [
        (-1, None, None),
        (0, block, block),
    ]


def test_whoever_hears_less_than_the_others_takes_nothing_over_from_them() -> None:
    """Given everybody has prevoted one block, and the last validator is cut off
    Then the three others lock on it, and the last one knows of no vote but its own
    """
    rig = Rig()
    rig.blocks(2)
    now = rig.now + SECOND
    (proposal,) = [effect for effect in rig.replica.handle(Tick(), now) if isinstance(effect, Deliver)]
    (prevotes,) = [effect for effect in rig.replica.handle(proposal, now) if isinstance(effect, Deliver)]
    rig.replica.partition([["val-3"]])
    rig.replica.handle(prevotes, now)
    states = [voter.state for voter in rig.replica.voters if voter.state is not None]
    assert [(len(state.ballots[0].prevotes.votes), state.locked_round) for state in states] == [(3, 0), (3, 0), (3, 0), (1, -1)]
