"""When a block is decided (L49), and what equivocation does and does not do."""

import pytest

from machines import NIL, A, B, Machine, precommit, prevote
from meshsec_core.consensus.step import Conflict, Decide, Phase, Proposed, Schedule, Start, TimedOut, Timer, Voted
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE


def test_a_height_of_four_takes_one_prevote_one_precommit_and_one_decision() -> None:
    machine = Machine()

    assert machine.proposal(0, A) == (prevote(0, A),)
    assert machine.prevotes(0, A, 0, 1, 2) == (precommit(0, A),)
    assert machine.precommits(0, A, 0, 1) == ()
    assert machine.precommits(0, A, 2) == (Decide(0, A),)
    assert machine.state.phase is Phase.DECIDED


@pytest.mark.parametrize(
    ("powers", "voters"),
    [((1, 1, 1), (0, 1)), ((2, 2, 1, 1), (0, 1)), ((3, 1, 1, 1), (0, 1)), ((40, 30, 20, 10), (2, 1, 3))],
)
def test_two_thirds_or_less_decide_nothing(powers: tuple[int, ...], voters: tuple[int, ...]) -> None:
    machine = Machine(*powers, me=0)
    machine.proposal(0, A)

    assert Decide(0, A) not in machine.precommits(0, A, *voters)
    assert machine.state.phase is not Phase.DECIDED


def test_one_more_unit_of_power_than_two_thirds_decides() -> None:
    machine = Machine(41, 39, 20, 20)
    machine.proposal(0, A)

    assert machine.precommits(0, A, 0, 1) == ()
    machine = Machine(41, 40, 20, 19)
    machine.proposal(0, A)
    assert machine.precommits(0, A, 0, 1) == (Decide(0, A),)


def test_a_block_of_an_earlier_round_is_decided_in_any_later_one() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.precommits(0, A, 0, 1)
    machine.go_to_round(3)

    assert machine.precommits(0, A, 2) == (Decide(0, A),)


def test_a_block_of_a_later_round_is_decided_without_going_there_first() -> None:
    machine = Machine(10, 1, 1, 1)
    machine.proposal(5, A)

    assert machine.precommits(5, A, 0) == (Decide(5, A),)


def test_a_quorum_before_the_block_decides_when_the_block_arrives() -> None:
    machine = Machine()
    assert machine.precommits(0, A, 0, 1, 2) == (Schedule(Timer.PRECOMMIT, 0),)

    assert machine.proposal(0, A) == (Decide(0, A),)


def test_a_block_known_from_another_round_is_decided() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.go_to_round(1)

    assert Decide(1, A) in machine.precommits(1, A, 0, 1, 2)


def test_an_invalid_block_is_never_decided() -> None:
    machine = Machine()
    machine.proposal(0, A, valid=False)

    assert machine.precommits(0, A, 0, 1, 2, 3) == (Schedule(Timer.PRECOMMIT, 0),)


def test_a_quorum_for_nil_decides_nothing() -> None:
    machine = Machine()
    machine.proposal(0, A)

    assert machine.precommits(0, NIL, 0, 1, 2, 3) == (Schedule(Timer.PRECOMMIT, 0),)


def test_prevotes_decide_nothing() -> None:
    machine = Machine()
    machine.proposal(0, A)

    assert machine.prevotes(0, A, 0, 1, 2, 3) == (precommit(0, A),)


def test_precommits_of_different_rounds_or_blocks_do_not_add_up() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.proposal(1, B)
    machine.precommits(0, A, 0, 1)
    machine.precommits(1, A, 2, 3)
    machine.precommits(0, B, 3)

    assert machine.state.phase is not Phase.DECIDED


def test_nothing_follows_a_decision() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.precommits(0, A, 0, 1, 2)
    decided = machine.state

    for event in (
        Start(),
        Proposed(1, B, -1, True),
        Voted(PREVOTE, 0, 3, B),
        Voted(PRECOMMIT, 7, 3, B),
        TimedOut(Timer.PRECOMMIT, 0),
    ):
        assert machine.feed(event) == ()
    assert machine.state is decided


def test_a_second_different_vote_is_reported_once_and_repetitions_are_not() -> None:
    machine = Machine()

    assert machine.precommits(0, A, 1) == ()
    assert machine.precommits(0, A, 1) == ()
    assert machine.precommits(0, B, 1) == (Conflict(PRECOMMIT, 0, 1, A, B),)
    assert machine.precommits(0, B, 1) == ()
    assert machine.precommits(0, NIL, 1) == ()


def test_a_vote_for_nil_and_one_for_a_block_conflict() -> None:
    machine = Machine()
    machine.prevotes(0, NIL, 2)

    assert machine.prevotes(0, A, 2) == (Conflict(PREVOTE, 0, 2, None, A),)


def test_votes_in_different_steps_do_not_conflict() -> None:
    machine = Machine()

    effects = machine.prevotes(0, A, 0) + machine.precommits(0, B, 0) + machine.prevotes(1, B, 0)
    assert not any(isinstance(effect, Conflict) for effect in effects)


def test_an_equivocator_counts_towards_each_block_but_once_towards_anything() -> None:
    """Given validator 0 precommits both blocks
    Then two honest precommits for A decide A with it, and the round's timer needs three voters, not three votes
    """
    machine = Machine()
    machine.proposal(0, A)
    machine.precommits(0, B, 0)
    machine.precommits(0, A, 0)

    assert machine.precommits(0, A, 1) == ()
    assert machine.precommits(0, A, 2) == (Decide(0, A),)


def test_a_conflict_and_the_decision_it_completes_are_both_reported() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.precommits(0, A, 0, 1)
    machine.precommits(0, B, 2)

    assert machine.precommits(0, A, 2) == (Conflict(PRECOMMIT, 0, 2, B, A), Decide(0, A))


def test_a_lone_validator_decides_by_itself() -> None:
    machine = Machine(7, me=0)

    assert machine.proposal(0, A) == (prevote(0, A),)
    assert machine.prevotes(0, A, 0) == (precommit(0, A),)
    assert machine.precommits(0, A, 0) == (Decide(0, A),)
