"""One user's stake on one validator, number by number: what is in flight, what leaves, and from where a loss is taken."""

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.stake import MOST_UNBONDS, Stake, Taken, Unbond, cut_unbonds

BUSY = Stake(bonded=100, adding=40, leaving=30)
"""Of 100 that the consumer counts 30 are asked back, and 40 more are on their way."""


def test_a_stake_in_flight_ranges_over_both_outcomes() -> None:
    assert BUSY.range == Range(70, 140)


@pytest.mark.parametrize(
    ("amount", "taken"),
    [
        (0, Taken(0, 0, 0)),
        (70, Taken(70, 0, 0)),
        (71, Taken(70, 1, 0)),
        (100, Taken(70, 30, 0)),
        (101, Taken(70, 30, 1)),
        (140, Taken(70, 30, 40)),
        (999, Taken(70, 30, 40)),
    ],
)
def test_a_loss_takes_what_is_free_then_what_is_leaving_then_what_is_on_its_way(amount: int, taken: Taken) -> None:
    left, found = BUSY.take(amount)

    assert found == taken
    assert left == Stake(100 - taken.free - taken.leaving, 40 - taken.adding, 30 - taken.leaving)


@pytest.mark.parametrize(("amount", "taken"), [(70, Taken(70, 0)), (80, Taken(70, 10)), (999, Taken(70, 30))])
def test_a_cut_of_bonded_stake_leaves_what_is_on_its_way_alone(amount: int, taken: Taken) -> None:
    assert BUSY.take_bonded(amount) == (Stake(100 - sum(taken), 40, 30 - taken.leaving), taken)


@pytest.mark.parametrize(("amount", "taken"), [(39, 39), (40, 40), (999, 40)])
def test_a_cut_of_stake_in_flight_leaves_bonded_stake_alone(amount: int, taken: int) -> None:
    assert BUSY.take_adding(amount) == (Stake(100, 40 - taken, 30), Taken(adding=taken))


def test_an_answer_moves_no_more_than_a_cut_has_left_in_flight() -> None:
    assert BUSY.commit_lend(15) == Stake(115, 25, 30)
    assert BUSY.commit_lend(60) == Stake(140, 0, 30)
    assert BUSY.rollback_lend(15) == Stake(100, 25, 30)
    assert BUSY.rollback_lend(60) == Stake(100, 0, 30)
    assert BUSY.commit_leave(20, now=5, release_at=9) == Stake(80, 40, 10, (Unbond(20, 5, 9),))
    assert BUSY.commit_leave(60, now=5, release_at=9) == Stake(70, 40, 0, (Unbond(30, 5, 9),))
    assert BUSY.rollback_leave(20) == Stake(100, 40, 10)
    assert BUSY.rollback_leave(60) == Stake(100, 40, 0)


def test_no_more_is_asked_back_than_every_outcome_leaves() -> None:
    assert BUSY.leave(70) == Stake(100, 40, 100)
    with pytest.raises(Rejected) as refusal:
        BUSY.leave(71)
    assert refusal.value.code == "mesh/not-enough-stake"


@pytest.mark.parametrize(("amount", "out"), [(50, 50), (70, 70), (999, 70)])
def test_what_is_sent_away_spares_what_is_leaving_already_and_is_released_at_once(amount: int, out: int) -> None:
    assert BUSY.force_out(amount, now=5) == (Stake(100 - out, 40, 30, (Unbond(out, 5, 5),)), out)


def test_nothing_sent_away_makes_no_entry() -> None:
    assert Stake(30, 0, 30).force_out(10, now=5) == (Stake(30, 0, 30), 0)


@pytest.mark.parametrize(("release_at", "joined"), [(900, 900), (10, 563)])
def test_beyond_the_most_entries_the_youngest_is_joined_and_released_with_whichever_is_later(
    release_at: int, joined: int
) -> None:
    full = tuple(Unbond(1 + at, at, 500 + at) for at in range(MOST_UNBONDS))
    stake = Stake(bonded=100, leaving=7, unbonds=full).commit_leave(7, now=99, release_at=release_at)

    assert stake == Stake(93, unbonds=(*full[:-1], Unbond(64 + 7, 99, joined)))
    one_less = Stake(bonded=100, leaving=7, unbonds=full[1:]).commit_leave(7, now=99, release_at=release_at)
    assert one_less.unbonds == (*full[1:], Unbond(7, 99, release_at))


def test_a_fault_reaches_what_left_since_then_and_is_not_released_yet() -> None:
    """A tenth of 19 is 1: rounded down, for the user; an entry of which all is lost is gone."""
    entries = (Unbond(19, 9, 50), Unbond(19, 10, 20), Unbond(19, 10, 21), Unbond(19, 11, 50))
    stake = Stake(5, unbonds=entries)

    slashed, lost = stake.slash_unbonds(10, now=20, ratio_e18=ONE_E18 // 10)
    assert (slashed, lost) == (Stake(5, unbonds=(entries[0], entries[1], Unbond(18, 10, 21), Unbond(18, 11, 50))), 2)
    assert stake.slash_unbonds(10, now=20, ratio_e18=ONE_E18) == (Stake(5, unbonds=entries[:2]), 38)


def test_each_entry_is_released_at_its_own_time_to_the_nanosecond() -> None:
    stake = Stake(5, unbonds=(Unbond(1, 0, 30), Unbond(2, 0, 10), Unbond(4, 0, 20)))

    assert [stake.release(now)[1] for now in (9, 10, 19, 20, 29, 30)] == [0, 2, 2, 6, 6, 7]
    assert stake.release(20)[0] == Stake(5, unbonds=(Unbond(1, 0, 30),))


def test_a_cut_of_unbonds_takes_the_last_to_mature_first_and_no_more_than_asked() -> None:
    stakes = {"a": Stake(unbonds=(Unbond(10, 0, 1), Unbond(10, 0, 3))), "b": Stake(unbonds=(Unbond(10, 0, 2),))}

    assert cut_unbonds(stakes, 0) == ({}, 0)
    assert cut_unbonds(stakes, 1) == ({"a": Stake(unbonds=(Unbond(10, 0, 1), Unbond(9, 0, 3)))}, 1)
    assert cut_unbonds(stakes, 10) == ({"a": Stake(unbonds=(Unbond(10, 0, 1),))}, 10)
    assert cut_unbonds(stakes, 11) == ({"a": Stake(unbonds=(Unbond(10, 0, 1),)), "b": Stake(unbonds=(Unbond(9, 0, 2),))}, 11)
    assert cut_unbonds(stakes, 99) == ({"a": Stake(), "b": Stake()}, 30)


def test_rewards_accrue_on_what_is_bonded_and_whole_tokens_alone_are_claimed() -> None:
    settled = Stake(bonded=3, adding=9, points_e18=ONE_E18).settle(ONE_E18 * 3 // 2)
    assert (settled.accrued_e18, settled.points_e18) == (ONE_E18 * 3 // 2, ONE_E18 * 3 // 2)
    claimed, amount = settled.claim()
    assert (amount, claimed.accrued_e18) == (1, ONE_E18 // 2)
    assert claimed.credit(1) == settled
    with pytest.raises(Rejected) as refusal:
        claimed.claim()
    assert refusal.value.code == "mesh/no-rewards"


@pytest.mark.parametrize(
    ("stake", "empty"),
    [
        (Stake(), True),
        (Stake(accrued_e18=ONE_E18 - 1, points_e18=5, faults=2), True),
        (Stake(accrued_e18=ONE_E18), False),
        (Stake(bonded=1), False),
        (Stake(adding=1), False),
        (Stake(leaving=1), False),
        (Stake(unbonds=(Unbond(1, 0, 0),)), False),
    ],
)
def test_a_record_is_kept_while_anything_but_a_fraction_of_a_reward_depends_on_it(stake: Stake, empty: bool) -> None:
    assert stake.is_empty is empty
