"""What survives a crash: tables of bytes, written in atomic batches.

Shells bring the disk, the simulation keeps an image in memory.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Protocol

import msgspec

CORRUPT = "storage/corrupt"

HEIGHT_BYTES = 8


class Table(StrEnum):
    """The tables. Heights as keys are 8 bytes, big endian."""

    META = "meta"
    """`tip`: the consensus state behind the last block."""
    BLOCKS = "blocks"
    """Height to block, protobuf."""
    COMMITS = "commits"
    """Height to the commit seen for it, protobuf."""
    RESULTS = "results"
    """Height to receipts and events, canonical JSON."""
    SETS = "sets"
    """Height to the validator set that votes on it, with priorities."""
    STATE = "state"
    """Path to value, as of the last block."""
    UNDO = "undo"
    """Height to the values that the block replaced."""
    TXS = "txs"
    """Transaction hash to height and index."""
    EVIDENCE = "evidence"
    """Hash of committed evidence to the height that carries it."""
    GUARDS = "guards"
    """Consensus address to the last thing it signed."""
    WAL = "wal"
    """Inputs of the height in progress, in order."""
    STRAYS = "strays"
    """Height, then the mark of a vote there for anything but the block that was decided."""
    ABANDONED = "abandoned"
    """Marks of what was signed on branches that a revert gave up, on any chain of the mesh."""


class Write(msgspec.Struct, frozen=True):
    """One row to put, or to delete where the value is None."""

    table: Table
    key: bytes
    value: bytes | None


class Storage(Protocol):
    """A durable place for rows."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a row's value, or None."""

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending."""

    def apply(self, writes: Sequence[Write]) -> None:
        """Make all writes durable, or none."""


class Batching(Storage, Protocol):
    """A durable place that can take several batches of rows as one."""

    def together(self) -> AbstractContextManager[None]:
        """Make all that is applied within durable at its end; reads see it before."""


class PowerCut:
    """Decides before which batch of rows the power of a chain fails.

    Args:
        batch: the how manyeth from now, 1 the next.
        commit: count those alone that make a block durable.
    """

    def __init__(self, batch: int, *, commit: bool = False) -> None:
        self._left = batch
        self._commit = commit

    def strikes(self, writes: Sequence[Write]) -> bool:
        """Tell whether the power fails before a batch, and count it."""
        if not self._commit or any(write.table is Table.BLOCKS and write.value is not None for write in writes):
            self._left -= 1
        return self._left <= 0


class MemoryStorage:
    """An image in memory: what a simulated chain reopens from after a crash."""

    def __init__(self) -> None:
        self._tables: dict[Table, dict[bytes, bytes]] = {table: {} for table in Table}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a row's value, or None."""
        return self._tables[table].get(key)

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending."""
        rows = self._tables[table]
        keys = sorted(rows)
        for key in keys[bisect_right(keys, after) :]:
            yield key, rows[key]

    def apply(self, writes: Sequence[Write]) -> None:
        """Write all rows."""
        for write in writes:
            if write.value is None:
                self._tables[write.table].pop(write.key, None)
            else:
                self._tables[write.table][write.key] = write.value

    def together(self) -> AbstractContextManager[None]:
        """Do nothing: a power cut takes all of it anyway."""
        return nullcontext()

    def become(self, image: "MemoryStorage") -> None:
        """Take over all rows of an image, which must not be written to any more."""
        self._tables = image._tables

    def copy(self) -> "MemoryStorage":
        """Return an image that later writes do not touch: rows are immutable bytes."""
        image = MemoryStorage()
        image._tables = {table: dict(rows) for table, rows in self._tables.items()}
        return image


def height_key(height: int) -> bytes:
    """Spell a height as a key."""
    return height.to_bytes(HEIGHT_BYTES, "big")
