"""What a provider knows of a consumer's validators: the reference's CRDT cases, and the orders that it gets wrong."""

from itertools import permutations

from meshsec_core.security.mesh.history import MOST_ENTRIES, Change, Entry, History, Record, State

KEY = b"k" * 32


def history(*entries: Entry) -> History:
    found = History()
    for entry in entries:
        found = found.merge(entry)
    return found


def added(height: int, key: bytes = KEY) -> Entry:
    return Entry(height, Change.ADDED, height * 10, key)


def entry(change: Change, height: int, key: bytes = b"") -> Entry:
    return Entry(height, change, height * 10, key)


def test_crdt_1_who_was_added_is_active_and_who_was_tombstoned_after_is_not() -> None:
    assert history(added(123)).latest == Record(State.ACTIVE, KEY, 123, 1_230)
    assert history(added(200), entry(Change.TOMBSTONED, 201)).latest.state is State.TOMBSTONED


def test_crdt_2_crdt_9_a_tombstone_below_an_addition_wins_in_either_order() -> None:
    for order in permutations((added(200), entry(Change.TOMBSTONED, 199))):
        found = history(*order)
        assert found.at_height(500) == Record(State.TOMBSTONED, b"", 199, 1_990)
        assert found.at_height(198).state is State.UNKNOWN


def test_crdt_4_keys_rotate_and_heights_remember_them() -> None:
    found = history(added(123, b"1" * 32), added(202, b"2" * 32), entry(Change.UPDATED, 203, b"3" * 32))
    assert found.at_height(200) == Record(State.ACTIVE, b"1" * 32, 123, 1_230)
    assert found.at_height(202) == Record(State.ACTIVE, b"2" * 32, 202, 2_020)
    assert found.at_height(500) == Record(State.ACTIVE, b"3" * 32, 203, 2_030)
    assert found.keys == {b"1" * 32, b"2" * 32, b"3" * 32}


def test_crdt_5_removal_keeps_the_key_and_an_addition_brings_the_validator_back() -> None:
    found = history(added(123), entry(Change.REMOVED, 202), added(300, b"2" * 32))
    assert found.at_height(200) == Record(State.ACTIVE, KEY, 123, 1_230)
    assert found.at_height(202) == Record(State.UNBONDED, KEY, 202, 2_020)
    assert found.at_height(500) == Record(State.ACTIVE, b"2" * 32, 300, 3_000)


def test_crdt_6_crdt_7_jail_and_what_follows() -> None:
    assert history(added(123), entry(Change.JAILED, 200)).latest == Record(State.JAILED, KEY, 200, 2_000)
    assert history(added(123), entry(Change.JAILED, 200), added(300)).latest.state is State.ACTIVE
    assert history(added(123), entry(Change.JAILED, 200), entry(Change.REMOVED, 300)).latest.state is State.UNBONDED


def test_jail_and_removal_in_one_report_end_jailed() -> None:
    assert history(added(1), entry(Change.REMOVED, 5), entry(Change.JAILED, 5)).latest.state is State.JAILED


def test_xv_7_unjailing_makes_unbonded_unless_the_same_report_adds() -> None:
    jailed = history(added(1), entry(Change.JAILED, 5))
    assert jailed.merge(entry(Change.UNJAILED, 9)).latest.state is State.UNBONDED
    assert jailed.merge(entry(Change.UNJAILED, 9)).merge(added(9)).latest.state is State.ACTIVE
    assert history(added(1)).merge(entry(Change.UNJAILED, 9)).latest.state is State.ACTIVE


def test_xv_10_an_update_keeps_the_state() -> None:
    assert history(added(1), entry(Change.REMOVED, 200), entry(Change.UPDATED, 300, b"2" * 32)).latest == Record(
        State.UNBONDED, b"2" * 32, 300, 3_000
    )


def test_every_order_of_the_same_reports_ends_in_the_same_history() -> None:
    said = (added(1), entry(Change.REMOVED, 3), entry(Change.JAILED, 2), entry(Change.UPDATED, 2, b"2" * 32), added(4))
    assert len({history(*order) for order in permutations(said)}) == 1
    said = (*said[:2], entry(Change.TOMBSTONED, 2), entry(Change.JAILED, 5))
    assert {history(*order).latest.state for order in permutations(said)} == {State.TOMBSTONED}


def test_a_removal_that_overtakes_the_addition_is_not_lost() -> None:
    assert history(entry(Change.REMOVED, 9), added(1)).latest == Record(State.UNBONDED, KEY, 9, 90)


def test_the_first_tombstone_stays_and_repeating_a_report_changes_nothing() -> None:
    found = history(added(1), entry(Change.TOMBSTONED, 5))
    assert found.merge(entry(Change.TOMBSTONED, 3)) == found
    assert found.merge(added(1)) == found


def test_draining_keeps_what_was_in_force_at_the_start_of_the_window() -> None:
    """The reference may drop the record that covers the start of the window."""
    found = history(added(1), entry(Change.JAILED, 2), added(3, b"3" * 32), entry(Change.REMOVED, 8)).drain(older_than=50)
    assert found == history(added(3, b"3" * 32), entry(Change.REMOVED, 8))
    assert found.at_height(5) == Record(State.ACTIVE, b"3" * 32, 3, 30)


def test_draining_changes_no_state_inside_the_window() -> None:
    entries = (added(1), entry(Change.JAILED, 2), entry(Change.REMOVED, 4), added(6), entry(Change.TOMBSTONED, 7))
    for count in range(1, len(entries) + 1):
        for start in range(9):
            full = history(*entries[:count])
            drained = full.drain(start * 10)
            for height in range(start, 10):
                assert drained.at_height(height).state is full.at_height(height).state, (count, start, height)


def test_draining_leaves_a_tombstone_terminal() -> None:
    found = history(added(1), entry(Change.TOMBSTONED, 2), entry(Change.JAILED, 3)).drain(older_than=100)
    assert found.merge(added(9)).latest.state is State.TOMBSTONED


def test_crdt_8_a_tombstone_before_everything_else_ends_the_validator_before_it_began() -> None:
    found = history(entry(Change.TOMBSTONED, 199), added(200), entry(Change.JAILED, 250), entry(Change.UPDATED, 260, b"2" * 32))
    assert (found.latest.state, found.at_height(198).state) == (State.TOMBSTONED, State.UNKNOWN)


def test_a_history_that_is_flooded_folds_its_oldest_half_and_still_knows_the_present_and_the_end() -> None:
    flood = [Entry(height, Change.UPDATED, 0, height.to_bytes(32, "big")) for height in range(2, MOST_ENTRIES + 1)]
    full = history(added(1), *flood)
    assert (len(full.entries), full.at_height(1).state) == (MOST_ENTRIES, State.ACTIVE)
    last = Entry(MOST_ENTRIES + 1, Change.UPDATED, 0, b"z" * 32)
    folded = full.merge(last)
    assert len(folded.entries) == MOST_ENTRIES // 2 + 2
    assert folded.latest == Record(State.ACTIVE, b"z" * 32, MOST_ENTRIES + 1, 0)
    assert folded.at_height(MOST_ENTRIES // 2).state is State.ACTIVE
    assert folded.at_height(MOST_ENTRIES // 2 - 1).state is State.UNKNOWN
    ended = history(entry(Change.TOMBSTONED, 1), *flood, last)
    assert ended.latest.state is State.TOMBSTONED


def test_changes_that_mean_nothing_do_not_fill_a_history() -> None:
    found = history(*(entry(Change.JAILED, height) for height in range(3 * MOST_ENTRIES)), added(10**6))
    assert (len(found.entries), found.latest.state) == (MOST_ENTRIES, State.ACTIVE)
