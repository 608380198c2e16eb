"""Proposer priority against published values (cometbft types/validator_set_test.go): sequences, means, and changes of the set."""

import msgspec
import pytest

from meshsec_core.consensus import proposer
from meshsec_core.consensus.validators import MAX_TOTAL_POWER, Roster, ValidatorSet
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import InvariantViolated, Rejected

NINETY_NINE = (
    "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar"
    " foo foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar"
    " foo baz foo foo bar foo baz foo foo bar foo baz foo foo foo baz bar foo foo foo baz"
    " foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo"
    " foo bar foo baz foo foo bar foo baz foo foo bar foo baz foo foo"
)
"""TestProposerSelection1: powers 1000, 300 and 330."""

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def named(**powers: int) -> ValidatorSet:
    """A set as CometBFT's tests make it: names are addresses, and one turn is taken."""
    rows = sorted(((name.encode(), power) for name, power in powers.items()), key=lambda row: (-row[1], row[0]))
    roster = Roster.of((name, name.ljust(32), power) for name, power in rows)
    return ValidatorSet(roster, (0,) * len(rows), 0).increment()


def turns(validators: ValidatorSet, count: int) -> list[str]:
    names = []
    for _ in range(count):
        names.append(validators.proposer.address.decode())
        validators = validators.increment()
    return names


def key(number: int) -> bytes:
    return bytes([number]) * 32


def priorities(validators: ValidatorSet) -> dict[bytes, int]:
    return {validator.public_key: validator.priority for validator in validators.validators}


def test_ninety_nine_proposers_come_in_the_published_order() -> None:
    assert " ".join(turns(named(foo=1000, bar=300, baz=330), 99)) == NINETY_NINE


def test_equals_take_turns_by_address() -> None:
    assert turns(named(a=100, b=100, c=100), 15) == ["a", "b", "c"] * 5


def test_four_times_the_power_of_the_others_is_not_enough_to_propose_twice_in_a_row() -> None:
    assert turns(named(a=100, b=100, c=400), 2) == ["c", "a"]


def test_a_little_more_is_enough() -> None:
    assert turns(named(a=100, b=100, c=401), 3) == ["c", "c", "a"]


def test_everybody_proposes_in_proportion_to_power() -> None:
    found = turns(named(a=4, b=5, c=3), 120)

    assert [found.count(name) for name in "abc"] == [40, 50, 30]


@pytest.mark.parametrize(
    ("times", "wanted", "winner"),
    [
        (1, (10 - 12, 1, 1), 0),
        (2, (2 * 10 - 2 * 12, 2, 2), 0),
        (3, (3 * 10 - 3 * 12, 3, 3), 0),
        (4, (4 * 10 - 4 * 12, 4, 4), 0),
        (5, (5 * 10 - 4 * 12, 5 - 12, 5), 1),
        (6, (6 * 10 - 5 * 12, 6 - 12, 6), 0),
        (7, (7 * 10 - 6 * 12, 7 - 12, 7), 0),
        (8, (8 * 10 - 7 * 12, 8 - 12, 8), 0),
        (9, (9 * 10 - 7 * 12, 9 - 12, 9 - 12), 2),
        (10, (10 * 10 - 8 * 12, 10 - 12, 10 - 12), 0),
        (11, (11 * 10 - 9 * 12, 11 - 12, 11 - 12), 0),
    ],
)
def test_priorities_after_some_turns_are_the_published_ones(times: int, wanted: tuple[int, ...], winner: int) -> None:
    roster = Roster.of(((bytes([index]), key(index), power) for index, power in enumerate((10, 1, 1))))

    validators = ValidatorSet(roster, (0, 0, 0), 0).increment(times)
    assert (validators.priorities, validators.proposer_index) == (wanted, winner)


@pytest.mark.parametrize(
    ("before", "mean"),
    [
        ((1, 2, 3), 2),
        ((10, -10, 1), 0),
        ((100, -10, 1), 30),
        ((INT64_MAX, 0, 0), INT64_MAX // 3),
        ((INT64_MAX, INT64_MAX), INT64_MAX),
        ((INT64_MIN, INT64_MIN), INT64_MIN),
        ((-1, 0, 0), -1),
    ],
)
def test_centring_takes_away_the_mean_rounded_down(before: tuple[int, ...], mean: int) -> None:
    assert proposer.centre(before) == [proposer.clip(priority - mean) for priority in before]


def test_scaling_truncates_towards_zero_where_centring_rounds_down() -> None:
    """The spread of 41 in a window of 20 gives the ratio 3: 20/3 is 6 and -21/3 is -7, but -20/3 is -6, not -7."""
    assert proposer.rescale((20, -21, -20, 1, -1), 10) == [6, -7, -6, 0, 0]


def test_priorities_within_the_window_are_not_scaled() -> None:
    assert proposer.rescale((10, -10), 10) == [10, -10]
    assert proposer.rescale((11, -10), 10) == [5, -5]


def test_priorities_saturate() -> None:
    assert [proposer.clip(value) for value in (INT64_MAX + 10, INT64_MIN - 10, 7)] == [INT64_MAX, INT64_MIN, 7]
    grown, winner = proposer.elect((INT64_MAX, INT64_MAX), (5, 5), (b"b", b"a"), 10)
    assert (grown, winner) == ([INT64_MAX, INT64_MAX - 10], 1)


def test_a_set_takes_at_least_one_turn() -> None:
    with pytest.raises(InvariantViolated):
        named(a=1).increment(0)


def test_a_newcomer_starts_behind_everybody_by_an_eighth_more_than_the_total_power() -> None:
    """Given two members of power 10 at -10 and 10, and a newcomer of power 20
    Then it starts at -(40 + 5), the spread of 55 fits the window of 80, and centring takes away floor(-45 / 3)
    """
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 10)])
    assert sorted(validators.priorities) == [-10, 10]

    changed = validators.update([(key(3), 20)])
    assert sorted(changed.priorities) == [-30, 5, 25]
    assert priorities(changed)[key(3)] == -30


def test_the_power_of_who_leaves_still_counts_for_who_comes() -> None:
    """Given members of power 10 and 90, and one change that removes the 90 and admits 30
    Then the newcomer starts at -(130 + 16) = -146; the spread of 156 in a window of 80 gives the ratio 2, and the mean is -34
    """
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 90)])
    assert priorities(validators) == {key(1): 10, key(2): -10}

    changed = validators.update([(key(2), 0), (key(3), 30)])
    assert priorities(changed) == {key(1): 39, key(3): -39}


def test_scaling_comes_before_centring() -> None:
    """The spread of 24 in a window of 20 gives the ratio 2: 11 and 0, and minus the mean of 5; the other way round: 6 and -6."""
    assert proposer.settle((23, -1), 10) == [6, -5]


def test_a_change_of_power_keeps_the_priority() -> None:
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 10)])

    changed = validators.update([(key(1), 11)])
    assert priorities(changed) == priorities(validators)
    assert changed.total_power == 21


def test_after_a_change_it_is_the_turn_of_whoever_has_the_highest_priority() -> None:
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 10), (key(3), 10)])

    for turns_taken in range(1, 4):
        changed = validators.increment(turns_taken).update([(key(4), 5)])
        assert changed.proposer.priority == max(changed.priorities) > min(changed.priorities)


def test_the_next_set_is_changed_first_and_takes_its_turn_afterwards() -> None:
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 10)])

    assert validators.next_set([(key(3), 20)]) == validators.update([(key(3), 20)]).increment()
    assert validators.next_set([]) == validators.increment()


def test_members_are_sorted_by_power_and_then_by_address() -> None:
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 30), (key(3), 10), (key(4), 20)])

    found = [(validator.power, validator.address) for validator in validators.validators]
    assert found == sorted(found, key=lambda row: (-row[0], row[1]))
    assert [power for power, _ in found] == [30, 20, 10, 10]


@pytest.mark.parametrize(
    ("updates", "code"),
    [
        ([(key(1), 11), (key(1), 22)], "validators/duplicate"),
        ([(key(1), 0), (key(2), 20), (key(1), 30)], "validators/duplicate"),
        ([(key(1), 0), (key(1), 0)], "validators/duplicate"),
        ([(key(1), -123)], "validators/bad-power"),
        ([(key(3), 0)], "validators/unknown"),
        ([(key(1), 0), (key(2), 0)], "validators/empty"),
        ([(b"short", 5)], "validators/bad-key"),
        ([(key(1), INT64_MAX)], "validators/total-power-too-high"),
        ([(key(3), MAX_TOTAL_POWER - 19)], "validators/total-power-too-high"),
    ],
)
def test_an_impossible_change_is_refused(updates: list[tuple[bytes, int]], code: str) -> None:
    validators = ValidatorSet.genesis([(key(1), 10), (key(2), 10)])

    with pytest.raises(Rejected) as refusal:
        validators.update(updates)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([], "validators/empty"),
        ([(key(1), 0), (key(2), 22)], "validators/bad-power"),
        ([(key(1), 10), (key(2), -20)], "validators/bad-power"),
        ([(key(1), 100), (key(1), 123)], "validators/duplicate"),
        ([(key(1), MAX_TOTAL_POWER), (key(2), 1)], "validators/total-power-too-high"),
    ],
)
def test_an_impossible_first_set_is_refused(members: list[tuple[bytes, int]], code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        ValidatorSet.genesis(members)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("before", "updates", "after"),
    [
        (
            {1: 1, 2: MAX_TOTAL_POWER - 1},
            {1: MAX_TOTAL_POWER - 1, 2: 1},
            {1: MAX_TOTAL_POWER - 1, 2: 1},
        ),
        (
            {1: MAX_TOTAL_POWER - 2, 2: 1, 3: 1},
            {1: 0, 4: MAX_TOTAL_POWER - 2},
            {2: 1, 3: 1, 4: MAX_TOTAL_POWER - 2},
        ),
    ],
)
def test_only_the_power_that_is_left_must_fit(before: dict[int, int], updates: dict[int, int], after: dict[int, int]) -> None:
    changed = ValidatorSet.genesis((key(number), power) for number, power in before.items()).update(
        (key(number), power) for number, power in updates.items()
    )

    assert {validator.public_key: validator.power for validator in changed.validators} == {
        key(number): power for number, power in after.items()
    }


def test_a_later_round_has_the_proposer_of_as_many_turns_more() -> None:
    validators = ValidatorSet.genesis([(key(1), 5), (key(2), 4), (key(3), 3)])

    assert validators.at_round(0) == validators
    assert validators.at_round(3) == validators.increment().increment().increment()
    assert validators.at_round(1) == validators.increment()


def test_a_set_travels_and_comes_back_the_same() -> None:
    validators = ValidatorSet.genesis([(key(1), 5), (key(2), 4), (key(3), 3)]).increment(4)

    again = ValidatorSet.from_wire(validators.to_wire())
    assert again == validators
    assert again.hash == validators.hash
    assert again.proposer == validators.proposer
    assert [again.index_of(validator.address) for validator in validators.validators] == [0, 1, 2]
    assert again.index_of(address_of(key(9))) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"address": address_of(key(9))}, "validators/wrong-address"),
        ({"public_key": b"short"}, "validators/bad-key"),
        ({"power": -1}, "validators/bad-power"),
        ({"power": MAX_TOTAL_POWER}, "validators/total-power-too-high"),
    ],
)
def test_a_set_from_a_stranger_with_an_impossible_member_is_refused(changes: dict[str, object], code: str) -> None:
    sent = ValidatorSet.genesis([(key(1), 5), (key(2), 4)]).to_wire()
    spoiled = msgspec.structs.replace(sent.validators[1], **changes)

    with pytest.raises(Rejected) as refusal:
        ValidatorSet.from_wire(msgspec.structs.replace(sent, validators=(sent.validators[0], spoiled)))
    assert refusal.value.code == code


def test_a_set_from_a_stranger_names_each_member_once_and_one_of_them_as_proposer() -> None:
    sent = ValidatorSet.genesis([(key(1), 5), (key(2), 4)]).to_wire()
    stranger = ValidatorSet.genesis([(key(3), 1)]).proposer
    nobody: dict[str, object] = {"validators": (), "proposer": None}
    twice = {"validators": (*sent.validators, sent.validators[0])}

    for changes, code in (
        (twice, "validators/duplicate"),
        ({"proposer": None}, "validators/wrong-proposer"),
        ({"proposer": stranger}, "validators/wrong-proposer"),
        (nobody, "validators/empty"),
    ):
        with pytest.raises(Rejected) as refusal:
            ValidatorSet.from_wire(msgspec.structs.replace(sent, **changes))
        assert refusal.value.code == code


def test_a_set_from_a_stranger_may_have_members_without_power_but_not_only_such() -> None:
    sent = ValidatorSet.genesis([(key(1), 5), (key(2), 4)]).to_wire()
    weak = [msgspec.structs.replace(member, power=0) for member in sent.validators]

    read = ValidatorSet.from_wire(msgspec.structs.replace(sent, validators=(sent.validators[0], weak[1])))
    assert (read.roster.powers, read.total_power) == ((5, 0), 5)
    with pytest.raises(Rejected) as refusal:
        ValidatorSet.from_wire(msgspec.structs.replace(sent, validators=tuple(weak)))
    assert refusal.value.code == "validators/bad-power"


def test_no_change_leaves_the_turn_where_it_is() -> None:
    validators = ValidatorSet.genesis([(key(1), 5), (key(2), 4)])

    assert validators.update([]) == validators


def test_a_priority_that_would_outgrow_the_numbers_is_clipped_before_its_owner_pays() -> None:
    assert proposer.elect([INT64_MAX, 0], [2, 1], [b"a", b"b"], 3) == ([INT64_MAX - 3, 1], 0)


def test_turns_do_not_change_the_hash_and_powers_do() -> None:
    validators = ValidatorSet.genesis([(key(1), 5), (key(2), 4)])

    assert validators.increment().hash == validators.hash
    assert validators.update([(key(1), 6)]).hash != validators.hash


def test_equal_members_give_one_roster_that_says_what_a_new_one_says() -> None:
    def rows(*powers: int) -> list[tuple[bytes, bytes, int]]:
        return [(address_of(bytes([at]) * 32), bytes([at]) * 32, power) for at, power in enumerate(powers)]

    for powers in ((5, 3), (3, 5), (5, 3), (5, 4)):
        found = Roster.of(rows(*powers))
        fresh = Roster(*zip(*rows(*powers), strict=True), sum(powers))
        assert found is Roster.of(rows(*powers))
        assert (found, found.hash, found.index) == (fresh, fresh.hash, fresh.index)
    with pytest.raises(Rejected):
        Roster.of(rows(5, -3))
    with pytest.raises(Rejected):
        Roster.of(rows(5, -3))


@pytest.mark.parametrize(("spread", "ratio"), [(2, 1), (3, 2), (4, 2), (5, 3), (6, 3)])
def test_priorities_shrink_by_how_often_the_window_fits_rounded_up(spread: int, ratio: int) -> None:
    """The window of a total power of 1 is 2; a quotient is truncated towards zero on both sides."""
    assert proposer.rescale([0, spread], 1) == [0, spread // ratio]
    assert proposer.rescale([-spread, 0], 1) == [-(spread // ratio), 0]


def test_a_priority_at_the_end_of_the_numbers_is_clipped_there() -> None:
    assert [proposer.clip(value) for value in (2**63 - 1, 2**63, -(2**63), -(2**63) - 1)] == [
        *(2**63 - 1, 2**63 - 1, -(2**63), -(2**63)),
    ]
