"""How a round opens: who proposes, and what is prevoted (L11 to L33, L57)."""

from machines import NIL, A, B, Machine, prevote
from meshsec_core.consensus.step import Phase, Propose, Schedule, Start, Timer


def test_the_proposer_of_a_round_proposes_a_new_block_and_waits_for_nobody() -> None:
    machine = Machine(me=0, start=False)

    assert machine.feed(Start()) == (Propose(0, None, -1),)


def test_everybody_else_gives_the_proposer_some_time() -> None:
    machine = Machine(me=1, start=False)

    assert machine.feed(Start()) == (Schedule(Timer.PROPOSE, 0),)


def test_a_height_starts_once() -> None:
    machine = Machine(me=0)

    assert machine.feed(Start()) == ()


def test_a_valid_new_block_is_prevoted() -> None:
    machine = Machine()

    assert machine.proposal(0, A) == (prevote(0, A),)


def test_an_invalid_block_is_answered_with_nil() -> None:
    machine = Machine()

    assert machine.proposal(0, A, valid=False) == (prevote(0, NIL),)


def test_the_first_verdict_on_a_block_stands() -> None:
    machine = Machine()
    machine.proposal(1, A, valid=False)

    assert machine.proposal(0, A, valid=True) == (prevote(0, NIL),)


def test_without_a_proposal_in_time_nil_is_prevoted_and_a_late_one_changes_nothing() -> None:
    machine = Machine()

    assert machine.timeout(Timer.PROPOSE, 0) == (prevote(0, NIL),)
    assert machine.proposal(0, A) == ()


def test_patience_for_a_proposal_that_has_come_does_not_end() -> None:
    machine = Machine()
    machine.proposal(0, A)

    assert machine.timeout(Timer.PROPOSE, 0) == ()


def test_a_timer_of_an_earlier_or_a_later_round_means_nothing() -> None:
    machine = Machine()
    machine.go_to_round(1)
    before = machine.state

    for timer in Timer:
        assert machine.timeout(timer, 0) == ()
        assert machine.timeout(timer, 2) == ()
    assert machine.state == before


def test_a_second_proposal_in_a_round_earns_no_second_prevote() -> None:
    machine = Machine()

    assert machine.proposal(0, A) == (prevote(0, A),)
    assert machine.proposal(0, B) == ()


def test_a_repeated_proposal_changes_nothing() -> None:
    machine = Machine()
    machine.proposal(0, A)
    before = machine.state

    assert machine.proposal(0, A) == ()
    assert machine.state is before


def test_a_proposal_of_a_later_round_waits_for_its_round() -> None:
    machine = Machine()

    assert machine.proposal(1, A) == ()
    assert machine.go_to_round(1) == (Schedule(Timer.PROPOSE, 1), prevote(1, A))


def test_a_proposal_of_a_past_round_is_not_prevoted() -> None:
    machine = Machine()
    machine.go_to_round(1)

    assert machine.proposal(0, A) == ()
    assert machine.state.phase is Phase.PROPOSE


def test_a_proof_from_the_same_or_a_later_round_is_no_proof() -> None:
    machine = Machine()
    machine.go_to_round(1)
    before = machine.state

    assert machine.proposal(1, A, pol_round=1) == ()
    assert machine.proposal(1, A, pol_round=2) == ()
    assert machine.proposal(1, A, pol_round=-2) == ()
    assert machine.state == before


def test_a_proposal_with_a_proof_waits_until_the_polka_has_been_seen() -> None:
    machine = Machine()
    machine.go_to_round(1)

    assert machine.proposal(1, A, pol_round=0) == ()
    assert machine.prevotes(0, A, 0, 1) == ()
    assert machine.prevotes(0, A, 2) == (prevote(1, A),)


def test_a_proof_that_does_not_come_in_time_is_answered_with_nil() -> None:
    machine = Machine()
    machine.go_to_round(1)
    machine.proposal(1, A, pol_round=0)

    assert machine.timeout(Timer.PROPOSE, 1) == (prevote(1, NIL),)
    assert machine.prevotes(0, A, 0, 1, 2) == ()


def test_a_polka_for_another_block_proves_nothing() -> None:
    machine = Machine()
    machine.go_to_round(1)
    machine.proposal(1, A, pol_round=0)

    assert machine.prevotes(0, B, 0, 1, 2) == ()


def test_an_invalid_block_stays_invalid_with_a_proof() -> None:
    machine = Machine()
    machine.go_to_round(1)
    machine.prevotes(0, A, 0, 1, 2)

    assert machine.proposal(1, A, pol_round=0, valid=False) == (prevote(1, NIL),)


def test_the_turn_passes_from_round_to_round() -> None:
    machine = Machine(me=2)

    assert machine.go_to_round(1) == (Schedule(Timer.PROPOSE, 1),)
    assert machine.go_to_round(2) == (Propose(2, None, -1),)
    assert machine.go_to_round(3) == (Schedule(Timer.PROPOSE, 3),)
    assert machine.go_to_round(6) == (Propose(6, None, -1),)
