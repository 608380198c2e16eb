"""What a chain forgets: of states always all but the last ones, of blocks only if it is told to.

A forgotten block takes its commit, its validator set, its receipts and events with it. Evidence that rests on it proves nothing
any more. A pinned height stays, with all above it: who goes back to an earlier image must know what is given up.

Source: cometbft v0.38 state/pruner.go (retain height); cosmos-sdk baseapp `min-retain-blocks`.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import NamedTuple

from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.store import state
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import Block
from meshsec_core.replica.storage import Storage, Table, Write, height_key

EARLIEST = b"earliest"
"""Key in META of the first block that is kept; it is absent while all are."""

AT_ONCE = 20
"""Blocks forgotten with one new one at most, so that a pin that is taken away holds no block up."""

OF_A_HEIGHT = (Table.BLOCKS, Table.COMMITS, Table.RESULTS, Table.SETS)


class Keep(NamedTuple):
    """How much of its past a chain keeps."""

    states: int = state.KEEP
    """How many states answer reads and proofs."""
    blocks: int = 0
    """How many blocks stay, at least as many as states, whose proofs need their headers; 0 keeps all."""


KEEP = Keep()


def earliest_of(storage: Storage) -> int:
    """Return the first height whose block is kept."""
    raw = storage.get(Table.META, EARLIEST)
    return 1 if raw is None else int.from_bytes(raw)


class Pruning:
    """Forgets blocks as new ones are made.

    Args:
        storage: whose rows are forgotten.
        keep: how much stays.
    """

    def __init__(self, storage: Storage, keep: Keep) -> None:
        self.keep = keep
        self.earliest = earliest_of(storage)
        self.pinned: Callable[[], int | None] = lambda: None
        """Tells the lowest height that must stay whatever happens."""
        self._storage = storage

    def rows(self, height: int) -> list[Write]:
        """Return the rows that forget what is too old behind a new block."""
        rows = [Write(Table.UNDO, height_key(height - self.keep.states), None)] if height > self.keep.states else []
        first, self.earliest = self.earliest, max(self.earliest, min(self._due(height), self.earliest + AT_ONCE))
        if first == self.earliest:
            return rows
        for old in range(first, self.earliest):
            rows += self._block(old)
        strays = takewhile(lambda row: row[0] < height_key(self.earliest), self._storage.scan(Table.STRAYS))
        rows += [Write(Table.STRAYS, key, None) for key, _ in strays]
        return [*rows, Write(Table.META, EARLIEST, height_key(self.earliest))]

    def _due(self, height: int) -> int:
        """Return the first height that must stay behind a new block."""
        if not self.keep.blocks:
            return 0
        due, pinned = height - self.keep.blocks + 1, self.pinned()
        return due if pinned is None else min(due, pinned)

    def _block(self, height: int) -> list[Write]:
        """Return the rows that forget a block and all that is told of it."""
        key = height_key(height)
        raw = self._storage.get(Table.BLOCKS, key)
        txs = () if raw is None else decode(Block, raw).txs
        return [Write(table, key, None) for table in OF_A_HEIGHT] + [Write(Table.TXS, sha256(tx), None) for tx in txs]
