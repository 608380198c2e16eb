"""What a provider knows of one validator of a consumer: a join of reports that may arrive late, twice and in any order.

A history is a set of changes; merging is set union, and the state at a height is what the changes up to it amount to, in
order of height. So every order of the same reports ends in the same history, unless a consumer reports more changes than
a history holds: then the oldest half becomes what it amounts to.

    absent -> Active by `added`; `updated`, `removed`, `jailed` and `unjailed` mean nothing before that
    Tombstoned is the end, from the height of the fault on, and may come before anything else

Source: mesh-security contracts/provider/external-staking/src/crdt.rs.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

MOST_ENTRIES = 128
"""Changes that one history holds. A consumer that reports more of them loses the oldest, not this chain its time."""


class State(StrEnum):
    """What a validator is at a height."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    UNBONDED = "unbonded"
    JAILED = "jailed"
    TOMBSTONED = "tombstoned"


class Change(IntEnum):
    """What a report says; changes of one height apply in this order."""

    UNJAILED = 0
    ADDED = 1
    UPDATED = 2
    REMOVED = 3
    JAILED = 4
    TOMBSTONED = 5


class Entry(msgspec.Struct, frozen=True, order=True):
    """One change."""

    height: int
    change: int
    time: int
    """Nanoseconds, on the consumer."""
    public_key: bytes = b""
    """Ed25519 consensus key, for `added` and `updated`."""


class Record(NamedTuple):
    """What a validator was from a height on."""

    state: State
    public_key: bytes
    height: int
    time: int


ABSENT = Record(State.UNKNOWN, b"", 0, 0)


class History(msgspec.Struct, frozen=True):
    """All changes of one validator that can still matter, ascending."""

    entries: tuple[Entry, ...] = ()

    def merge(self, entry: Entry) -> "History":
        """Add a change; adding it again changes nothing. The first tombstone that is learned stays."""
        if entry in self.entries or (entry.change == Change.TOMBSTONED and self.tombstone is not None):
            return self
        entries = sorted((*self.entries, entry))
        if len(entries) > MOST_ENTRIES:
            half = MOST_ENTRIES // 2
            entries = sorted((*_summary(entries[:half]), *entries[half:]))
        return History(tuple(entries[-MOST_ENTRIES:]))

    @property
    def tombstone(self) -> Entry | None:
        """The change that ended this validator."""
        return next((entry for entry in self.entries if entry.change == Change.TOMBSTONED), None)

    def at_height(self, height: int) -> Record:
        """Return what the validator was at a height."""
        record = ABSENT
        for entry in self.entries:
            if entry.height > height:
                break
            record = _next(record, entry)
        return record

    @property
    def latest(self) -> Record:
        """What the validator is now, as far as reports go."""
        return self.at_height(self.entries[-1].height) if self.entries else ABSENT

    def key_at(self, height: int) -> bytes:
        """Return the key in force at a height: a fault ends the validator, not the knowledge of its key."""
        key = b""
        for entry in self.entries:
            if entry.height > height and key:
                break
            key = entry.public_key or key
        return key

    @property
    def keys(self) -> frozenset[bytes]:
        """Every key that the validator has had."""
        return frozenset(entry.public_key for entry in self.entries if entry.public_key)

    def drain(self, older_than: int) -> "History":
        """Forget changes before a moment, except those that say what the validator was at that moment.

        Args:
            older_than: Start of the unbonding window, nanoseconds.
        """
        old = [entry for entry in self.entries if entry.time <= older_than]
        if len(old) <= 1:
            return self
        start = _summary(old)
        return History(tuple(sorted((*start, *(entry for entry in self.entries if entry.time > older_than)))))


def _next(record: Record, entry: Entry) -> Record:
    if record.state is State.TOMBSTONED:
        return record
    state: State = record.state
    key = record.public_key
    match Change(entry.change):
        case Change.TOMBSTONED:
            state, key = State.TOMBSTONED, b""
        case Change.ADDED:
            state, key = State.ACTIVE, entry.public_key
        case _ if state is State.UNKNOWN:
            return record
        case Change.UPDATED:
            key = entry.public_key
        case Change.REMOVED:
            state = State.UNBONDED
        case Change.JAILED:
            state = State.JAILED
        case Change.UNJAILED:
            if state is not State.JAILED:
                return record
            state = State.UNBONDED
    return Record(state, key, entry.height, entry.time)


def _summary(entries: list[Entry]) -> tuple[Entry, ...]:
    """Return the fewest changes that amount to the same at the end, and keep the last key."""
    final = History(tuple(entries)).latest
    key = final.public_key or next((entry.public_key for entry in reversed(entries) if entry.public_key), b"")
    last = entries[-1]
    base = (Entry(last.height, Change.ADDED, last.time, key),) if key else ()
    match final.state:
        case State.TOMBSTONED:
            at = History(tuple(entries)).tombstone
            kept = at if at is not None else last
            return (*(replace(entry, height=min(entry.height, kept.height)) for entry in base), kept)
        case State.JAILED:
            return (*base, Entry(last.height, Change.JAILED, last.time))
        case State.UNBONDED:
            return (*base, Entry(last.height, Change.REMOVED, last.time))
        case State.ACTIVE:
            return base
        case State.UNKNOWN:
            return tuple(entries)
