"""How a round goes on and ends without a decision (L34, L44, L47, L55, L61, L65)."""

from machines import NIL, A, B, Machine, precommit, prevote
from meshsec_core.consensus.step import Phase, Propose, Schedule, Start, Timer, Voted
from meshsec_core.kernel.wire.tendermint import PREVOTE


def test_a_split_vote_is_given_some_time_once() -> None:
    machine = Machine()
    machine.proposal(0, A)

    assert machine.prevotes(0, A, 0, 1) == ()
    assert machine.prevotes(0, NIL, 2) == (Schedule(Timer.PREVOTE, 0),)
    assert machine.prevotes(0, NIL, 3) == ()
    assert machine.timeout(Timer.PREVOTE, 0) == (precommit(0, NIL),)
    assert machine.timeout(Timer.PREVOTE, 0) == ()


def test_a_polka_that_comes_in_time_beats_the_timer() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.prevotes(0, A, 0, 1)
    machine.prevotes(0, NIL, 2)

    assert machine.prevotes(0, A, 3) == (precommit(0, A),)
    assert machine.timeout(Timer.PREVOTE, 0) == ()


def test_votes_of_others_do_not_start_the_prevote_timer_before_the_own_prevote() -> None:
    machine = Machine()

    assert machine.prevotes(0, A, 0, 1) + machine.prevotes(0, NIL, 2) == ()
    assert machine.timeout(Timer.PROPOSE, 0) == (prevote(0, NIL), Schedule(Timer.PREVOTE, 0))


def test_a_quorum_for_nil_is_answered_with_nil_at_once() -> None:
    machine = Machine()
    machine.timeout(Timer.PROPOSE, 0)

    assert machine.prevotes(0, NIL, 0, 1, 2) == (precommit(0, NIL),)


def test_exactly_two_thirds_for_nil_are_no_quorum() -> None:
    machine = Machine(1, 1, 1, me=2)
    machine.timeout(Timer.PROPOSE, 0)

    assert machine.prevotes(0, NIL, 0, 1) == ()
    assert machine.prevotes(0, NIL, 2) == (precommit(0, NIL),)


def test_a_round_ends_some_time_after_a_quorum_precommitted_anything() -> None:
    machine = Machine()

    assert machine.precommits(0, NIL, 0, 1) == ()
    assert machine.precommits(0, A, 2) == (Schedule(Timer.PRECOMMIT, 0),)
    assert machine.precommits(0, NIL, 3) == ()
    assert machine.timeout(Timer.PRECOMMIT, 0) == (Schedule(Timer.PROPOSE, 1),)
    assert (machine.state.round, machine.state.phase) == (1, Phase.PROPOSE)


def test_exactly_two_thirds_of_precommits_end_no_round() -> None:
    machine = Machine(2, 2, 1, 1)

    assert machine.precommits(0, NIL, 0, 1) == ()
    assert machine.precommits(0, NIL, 2) == (Schedule(Timer.PRECOMMIT, 0),)


def test_more_than_a_third_in_a_later_round_pulls_a_validator_there() -> None:
    machine = Machine()

    assert machine.prevotes(4, A, 0) == ()
    assert machine.precommits(4, NIL, 1) == (Schedule(Timer.PROPOSE, 4),)
    assert (machine.state.round, machine.state.phase) == (4, Phase.PROPOSE)


def test_exactly_a_third_pulls_nobody() -> None:
    machine = Machine(2, 2, 1, 1, me=3)

    assert machine.prevotes(1, A, 0) == ()
    assert machine.state.round == 0
    assert machine.prevotes(1, A, 2) == (Schedule(Timer.PROPOSE, 1),)


def test_a_validator_that_says_much_pulls_no_more_than_its_own_power() -> None:
    machine = Machine()

    machine.prevotes(1, A, 0)
    machine.prevotes(1, B, 0)
    machine.precommits(1, A, 0)
    assert machine.state.round == 0


def test_votes_of_different_later_rounds_do_not_pull_together() -> None:
    machine = Machine()

    machine.prevotes(1, A, 0)
    machine.prevotes(2, A, 1)
    assert machine.state.round == 0


def test_the_round_that_is_skipped_to_takes_what_was_said_before() -> None:
    """Given the proposal and one prevote of round 2
    When two more prevotes pull the validator there
    Then it prevotes at once, and the third one locks
    """
    machine = Machine()
    machine.proposal(2, A)
    machine.prevotes(2, A, 0)

    assert machine.prevotes(2, A, 1) == (Schedule(Timer.PROPOSE, 2), prevote(2, A))
    assert machine.prevotes(2, A, 2) == (precommit(2, A),)


def test_a_locked_validator_that_skips_keeps_its_lock() -> None:
    machine = Machine()
    machine.lock(0, A)

    machine.prevotes(3, B, 0, 1)
    assert (machine.state.round, machine.state.locked_round, machine.state.locked_block) == (3, 0, A)


def test_the_proposer_of_a_round_that_is_skipped_to_proposes() -> None:
    machine = Machine(me=2)

    assert machine.prevotes(2, NIL, 0, 1) == (Propose(2, None, -1),)


def test_what_came_before_the_start_is_not_lost() -> None:
    machine = Machine(start=False)
    assert machine.proposal(2, A) + machine.prevotes(2, A, 0, 1) == ()

    assert machine.feed(Start()) == (Schedule(Timer.PROPOSE, 2), prevote(2, A))


def test_a_height_starts_in_the_latest_round_that_more_than_a_third_speak_of() -> None:
    """Given one vote of round 7, too little to follow, and enough of rounds 1 and 3."""
    machine = Machine(start=False)
    machine.prevotes(7, A, 0)
    machine.prevotes(1, A, 0, 1)
    machine.prevotes(3, A, 0, 1)
    machine.prevotes(2, A, 0, 1)

    assert machine.feed(Start()) == (Propose(3, None, -1),)


def test_votes_from_nowhere_change_nothing() -> None:
    machine = Machine()
    before = machine.state

    for index, number in ((4, 0), (-1, 0), (0, -1)):
        assert machine.feed(Voted(PREVOTE, number, index, A)) == ()
    assert machine.state is before


def test_a_repeated_vote_changes_nothing() -> None:
    machine = Machine()
    machine.prevotes(0, A, 0)
    before = machine.state

    assert machine.prevotes(0, A, 0) == ()
    assert machine.state is before
