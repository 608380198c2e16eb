"""Locks and valid values (L22 to L43): what makes two decisions impossible, and a decision possible after a failed round."""

from machines import NIL, A, B, Machine, precommit, prevote
from meshsec_core.consensus.step import Phase, Propose, Reminded, Schedule, Timer


def test_a_polka_for_a_valid_block_locks_it_and_is_answered_with_a_precommit() -> None:
    machine = Machine()
    machine.proposal(0, A)

    assert machine.prevotes(0, A, 0, 1) == ()
    assert machine.prevotes(0, A, 2) == (precommit(0, A),)
    state = machine.state
    assert (state.locked_round, state.locked_block, state.valid_round, state.valid_block) == (0, A, 0, A)


def test_a_polka_before_its_block_locks_when_the_block_arrives() -> None:
    machine = Machine()
    machine.timeout(Timer.PROPOSE, 0)

    assert machine.prevotes(0, A, 0, 1, 2) == (Schedule(Timer.PREVOTE, 0),)
    assert machine.proposal(0, A) == (precommit(0, A),)
    assert (machine.state.locked_round, machine.state.locked_block) == (0, A)


def test_a_polka_for_an_invalid_block_locks_nothing() -> None:
    machine = Machine()
    machine.proposal(0, A, valid=False)

    assert machine.prevotes(0, A, 0, 1, 2) == (Schedule(Timer.PREVOTE, 0),)
    assert (machine.state.locked_round, machine.state.valid_round) == (-1, -1)


def test_a_polka_does_not_lock_before_the_own_prevote() -> None:
    """Given a polka, but neither a proposal with proof nor the end of patience (step is propose)
    Then nothing is precommitted until the machine has prevoted
    """
    machine = Machine()
    machine.proposal(2, A)
    machine.go_to_round(1)

    assert machine.prevotes(1, A, 0, 1, 2) == ()
    assert machine.timeout(Timer.PROPOSE, 1) == (prevote(1, NIL), precommit(1, A))


def test_a_locked_validator_answers_another_new_block_with_nil() -> None:
    machine = Machine()
    machine.lock(0, A)
    machine.go_to_round(1)

    assert machine.proposal(1, B) == (prevote(1, NIL),)


def test_a_locked_validator_prevotes_its_block_again() -> None:
    machine = Machine()
    machine.lock(0, A)
    machine.go_to_round(1)

    assert machine.proposal(1, A) == (prevote(1, A),)


def test_a_later_polka_unlocks() -> None:
    """Given a lock on A in round 0 and a polka for B in round 1
    When round 2 proposes B with that polka as proof
    Then B is prevoted; the lock moves only with a polka of round 2
    """
    machine = Machine()
    machine.lock(0, A)
    machine.go_to_round(1)
    machine.timeout(Timer.PROPOSE, 1)
    machine.prevotes(1, B, 0, 1, 2)
    machine.go_to_round(2)

    assert machine.proposal(2, B, pol_round=1) == (prevote(2, B),)
    assert (machine.state.locked_round, machine.state.locked_block) == (0, A)
    assert machine.prevotes(2, B, 0, 1, 2) == (precommit(2, B),)
    assert (machine.state.locked_round, machine.state.locked_block) == (2, B)


def test_a_polka_of_the_round_of_the_lock_for_another_block_unlocks() -> None:
    """L29 asks for lockedRound <= vr. Two polkas in one round need a third of liars, yet the rule is the rule."""
    machine = Machine()
    machine.lock(0, A)
    machine.prevotes(0, B, 0, 1, 2)
    machine.go_to_round(1)

    assert machine.proposal(1, B, pol_round=0) == (prevote(1, B),)


def test_a_polka_earlier_than_the_lock_does_not_unlock() -> None:
    machine = Machine()
    machine.prevotes(0, B, 0, 1, 2)
    machine.go_to_round(1)
    machine.lock(1, A)
    machine.go_to_round(2)

    assert machine.proposal(2, B, pol_round=0) == (prevote(2, NIL),)


def test_an_earlier_polka_for_the_locked_block_is_prevoted() -> None:
    machine = Machine()
    machine.prevotes(0, A, 0, 1, 2)
    machine.go_to_round(1)
    machine.lock(1, A)
    machine.go_to_round(2)

    assert machine.proposal(2, A, pol_round=0) == (prevote(2, A),)


def test_a_quorum_for_nil_does_not_unlock() -> None:
    machine = Machine()
    machine.lock(0, A)
    machine.go_to_round(1)
    machine.timeout(Timer.PROPOSE, 1)

    assert machine.prevotes(1, NIL, 0, 1, 2) == (precommit(1, NIL),)
    assert (machine.state.locked_round, machine.state.locked_block) == (0, A)
    machine.go_to_round(2)
    assert machine.proposal(2, B) == (prevote(2, NIL),)


def test_a_polka_seen_after_precommitting_nil_makes_the_block_valid_but_locks_nothing() -> None:
    machine = Machine()
    machine.timeout(Timer.PROPOSE, 0)
    machine.prevotes(0, NIL, 0, 1)
    machine.prevotes(0, A, 3)
    assert machine.timeout(Timer.PREVOTE, 0) == (precommit(0, NIL),)

    machine.prevotes(0, A, 0, 1)
    assert machine.proposal(0, A) == ()
    state = machine.state
    assert (state.valid_round, state.valid_block, state.locked_round, state.locked_block) == (0, A, -1, None)


def test_a_proposer_proposes_its_valid_block_again_with_the_round_of_the_polka() -> None:
    machine = Machine(me=2)
    machine.lock(0, A)

    assert machine.go_to_round(2) == (Propose(2, A, 0),)


def test_the_valid_block_is_the_one_of_the_latest_polka_even_if_another_is_locked() -> None:
    """Given a lock on A in round 0, and in round 1 a nil precommit followed by a late polka for B
    When it is this validator's turn in round 2
    Then it proposes B with round 1 as proof, and still holds its lock on A
    """
    machine = Machine(me=2)
    machine.lock(0, A)
    machine.go_to_round(1)
    machine.timeout(Timer.PROPOSE, 1)
    machine.prevotes(1, NIL, 1, 2)
    machine.prevotes(1, B, 3)
    machine.timeout(Timer.PREVOTE, 1)
    machine.proposal(1, B)
    machine.prevotes(1, B, 1, 2)

    assert machine.go_to_round(2) == (Propose(2, B, 1),)
    assert (machine.state.locked_round, machine.state.locked_block) == (0, A)


def test_a_polka_of_a_past_round_locks_nothing_and_changes_no_valid_block() -> None:
    machine = Machine()
    machine.proposal(0, A)
    machine.go_to_round(1)

    assert machine.prevotes(0, A, 0, 1, 2) == ()
    assert (machine.state.valid_round, machine.state.locked_round) == (-1, -1)


def test_a_polka_counts_once() -> None:
    machine = Machine()
    machine.lock(0, A)

    assert machine.prevotes(0, A, 3) == ()
    assert machine.state.phase is Phase.PRECOMMIT


def test_of_two_polkas_in_a_round_the_first_one_counts() -> None:
    """Liars with more than a third can make both; the valid block does not swing with what they say last."""
    machine = Machine()
    machine.proposal(0, A)
    machine.proposal(0, B)
    assert machine.prevotes(0, B, 0, 1, 2) == (precommit(0, B),)

    machine.prevotes(0, A, 0, 1, 2)
    state = machine.state
    assert (state.locked_block, state.valid_round, state.valid_block) == (B, 0, B)


def test_a_machine_that_starts_again_holds_the_lock_that_its_own_precommits_speak_of() -> None:
    """Given all that is left is a guard and what the validator precommitted in rounds 0 and 1, told in any order
    Then it is locked on the later block, proposes that one again, and does not vote for another without a later polka
    """
    machine = Machine(me=2)

    assert machine.feed(Reminded(1, B), Reminded(0, A)) == ()
    state = machine.state
    assert (state.locked_round, state.locked_block, state.valid_round, state.valid_block) == (1, B, 1, B)
    assert machine.go_to_round(2) == (Propose(2, B, 1),)
    assert machine.proposal(2, A, pol_round=-1) == (prevote(2, NIL),)


def test_of_two_own_precommits_in_a_round_the_first_one_is_held() -> None:
    machine = Machine(me=2)
    machine.feed(Reminded(1, A), Reminded(1, B))

    state = machine.state
    assert (state.locked_round, state.locked_block, state.valid_round, state.valid_block) == (1, A, 1, A)


def test_precommits_that_are_heard_lock_nobody() -> None:
    machine = Machine(me=2)
    machine.precommits(0, A, 0, 2)
    machine.precommits(0, NIL, 1)

    assert (machine.state.locked_round, machine.state.valid_round) == (-1, -1)


def test_a_valid_block_of_a_later_round_survives_the_replay_of_an_earlier_precommit() -> None:
    machine = Machine()
    machine.lock(0, A)
    machine.go_to_round(1)
    machine.timeout(Timer.PROPOSE, 1)
    machine.prevotes(1, NIL, 0, 1, 2)
    machine.proposal(1, B)
    machine.prevotes(1, B, 0, 1, 2)
    assert (machine.state.locked_round, machine.state.valid_round) == (0, 1)

    machine.feed(Reminded(0, A))
    assert (machine.state.locked_block, machine.state.valid_block) == (A, B)
