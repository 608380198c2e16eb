"""Validator sets after any changes and turns: total order, centred and bounded priorities, fair turns."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.consensus.proposer import INT64_MAX, INT64_MIN, WINDOW_FACTOR
from meshsec_core.consensus.validators import MAX_TOTAL_POWER, ValidatorSet
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import ValidatorSet as WireValidatorSet

KEYS = [bytes([number]) * 32 for number in range(12)]
small = st.integers(1, 1000)
large = st.integers(1, MAX_TOTAL_POWER // 12)
powers = st.one_of(small, large)
members = st.dictionaries(st.sampled_from(KEYS), powers, min_size=1)
updates = st.dictionaries(st.sampled_from(KEYS), st.one_of(st.just(0), powers), max_size=6)


def applied(validators: ValidatorSet, wanted: dict[bytes, int]) -> ValidatorSet:
    """The next set after the part of a change that is possible."""
    present = {one.public_key for one in validators.validators}
    possible = {key: power for key, power in wanted.items() if power or key in present}
    if present and all(possible.get(key) == 0 for key in present) and not any(possible.values()):
        possible = {}
    return validators.next_set(possible.items())


def check(validators: ValidatorSet) -> None:
    found = [(one.power, one.address) for one in validators.validators]
    assert found == sorted(found, key=lambda row: (-row[0], row[1]))
    assert all(address_of(one.public_key) == one.address for one in validators.validators)
    assert validators.total_power == sum(power for power, _ in found)
    # an election takes nothing away from the sum, and centring leaves less than one for each member
    assert 0 <= sum(validators.priorities) < len(found)
    # the window, which one election may overstep by the total power
    assert max(validators.priorities) - min(validators.priorities) <= (WINDOW_FACTOR + 1) * validators.total_power
    assert all(INT64_MIN <= priority <= INT64_MAX for priority in validators.priorities)


@settings(max_examples=80, deadline=None)
@given(members, st.lists(updates, max_size=8))
def test_every_history_of_changes_keeps_the_laws(first: dict[bytes, int], changes: list[dict[bytes, int]]) -> None:
    validators = ValidatorSet.genesis(first.items())
    check(validators)
    wanted = dict(first)

    for change in changes:
        validators = applied(validators, change)
        check(validators)
        wanted = {one.public_key: one.power for one in validators.validators}
    again = ValidatorSet.genesis(wanted.items())
    assert again.hash == validators.hash


@settings(max_examples=60, deadline=None)
@given(members, updates.filter(bool), st.randoms(use_true_random=False))
def test_the_order_within_a_change_does_not_matter(first: dict[bytes, int], change: dict[bytes, int], random: object) -> None:
    validators = ValidatorSet.genesis(first.items())
    shuffled = dict(sorted(change.items(), key=lambda _: random.random()))  # type: ignore[attr-defined]
    shuffled_first = dict(sorted(first.items(), key=lambda _: random.random()))  # type: ignore[attr-defined]

    assert ValidatorSet.genesis(shuffled_first.items()) == validators
    assert applied(validators, shuffled) == applied(validators, change)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 12), min_size=1, max_size=6))
def test_in_as_many_turns_as_the_total_power_everybody_proposes_as_often_as_its_power(first: dict[bytes, int]) -> None:
    validators = ValidatorSet.genesis(first.items())
    counted = dict.fromkeys(first, 0)

    for _ in range(validators.total_power):
        counted[validators.proposer.public_key] += 1
        validators = validators.increment()
    assert counted == first


@settings(max_examples=60, deadline=None)
@given(members, st.integers(1, 20))
def test_turns_taken_at_once_are_turns_taken_one_by_one_while_the_window_holds(first: dict[bytes, int], times: int) -> None:
    validators = ValidatorSet.genesis(first.items())

    one_by_one = validators
    for _ in range(times):
        one_by_one = one_by_one.increment()
    assert one_by_one == validators.at_round(times)
    assert validators.increment(times).roster is one_by_one.roster


@settings(max_examples=60, deadline=None)
@given(members, st.integers(1, 9))
def test_a_newcomer_is_last_in_line(first: dict[bytes, int], turns: int) -> None:
    stranger = b"\xff" * 32
    validators = ValidatorSet.genesis(first.items()).increment(turns)

    changed = validators.update([(stranger, 1)])
    priority = {one.public_key: one.priority for one in changed.validators}
    assert priority[stranger] == min(priority.values())


@settings(max_examples=60, deadline=None)
@given(members, st.integers(1, 9))
def test_a_set_survives_the_wire(first: dict[bytes, int], turns: int) -> None:
    validators = ValidatorSet.genesis(first.items()).increment(turns)

    again = ValidatorSet.from_wire(decode(WireValidatorSet, encode(validators.to_wire())))
    assert again == validators
    assert again.increment() == validators.increment()
