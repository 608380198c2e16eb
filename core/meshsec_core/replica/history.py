"""What a chain remembers of its blocks: rows written with each commit, read back for views, evidence and restarts.

Our own rows that nobody else verifies are MessagePack; blocks and commits are protobuf as on the wire.
"""

from collections.abc import Callable

import msgspec

from meshsec_core.app import Executed, Receipt, Results
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.wire import tendermint as wire
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.replica.chain import Tip
from meshsec_core.replica.events import Deliver, Fire, Proposed, Timer
from meshsec_core.replica.storage import Storage, Table, Write, height_key

TIP = b"tip"
BASE = b"genesis"
"""Key of the genesis document that the rows belong to."""

Undo = tuple[tuple[str, bytes | None], ...]


class TipRow(msgspec.Struct, frozen=True):
    """The part of a tip that no other table holds."""

    height: int
    time: int
    block_id: wire.BlockId
    app_hash: bytes
    results_hash: bytes


def commit_rows(tip: Tip, block: wire.Block, raw: bytes, executed: Executed, undo: Undo) -> list[Write]:
    """Return the rows that make a block (and its bytes, `raw`) and its outcome durable."""
    height = tip.height
    key = height_key(height)
    rows = [
        Write(Table.BLOCKS, key, raw),
        Write(Table.COMMITS, key, encode(tip.commit)),
        Write(Table.RESULTS, key, msgspec.msgpack.encode(executed.results)),
        *tip_rows(tip),
        Write(Table.UNDO, key, msgspec.msgpack.encode(undo)),
    ]
    rows += [Write(Table.STATE, path.encode(), value) for path, value in executed.changes.items()]
    for index, tx in enumerate(block.txs):
        rows.append(Write(Table.TXS, sha256(tx), msgspec.msgpack.encode((height, index))))
    return rows


def tip_rows(tip: Tip) -> list[Write]:
    """Return the rows from which a tip is read back."""
    row = TipRow(tip.height, tip.time, tip.block_id, tip.app_hash, tip.results_hash)
    sets = [Write(Table.SETS, height_key(tip.height + 2), msgspec.msgpack.encode(tip.next_validators.to_wire()))]
    if tip.height == 0:
        sets.append(Write(Table.SETS, height_key(1), msgspec.msgpack.encode(tip.validators.to_wire())))
    return [Write(Table.META, TIP, msgspec.msgpack.encode(row)), *sets]


class LoggedProposal(msgspec.Struct, frozen=True):
    """A proposal in the log; the block is protobuf, whose times reach further than our own encoding's."""

    proposal: wire.Proposal
    block: bytes
    proposer: bytes


class LogRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input of the height in progress: a wave or a timeout."""

    proposals: tuple[LoggedProposal, ...] = ()
    votes: tuple[wire.Vote, ...] = ()
    fired: Timer | None = None


def log_row(entry: Fire | Deliver, seal: Callable[[wire.Block], tuple[wire.BlockId, bytes]]) -> bytes:
    """Spell an input of the height in progress; `seal` knows the bytes of its blocks."""
    if isinstance(entry, Fire):
        row = LogRow(fired=entry.timer)
    else:
        said = tuple(LoggedProposal(item.proposal, seal(item.block)[1], item.proposer) for item in entry.proposals)
        row = LogRow(said, entry.votes)
    return msgspec.msgpack.encode(row)


def read_log(raw: bytes) -> Fire | Deliver:
    """Read what `log_row` spelled."""
    row = msgspec.msgpack.decode(raw, type=LogRow)
    if row.fired is not None:
        return Fire(row.fired)
    said = tuple(Proposed(item.proposal, decode(wire.Block, item.block), item.proposer) for item in row.proposals)
    return Deliver(said, row.votes)


RECENT = 4
"""Blocks of which results are at hand without reading them back."""


class History:
    """Reads of committed rows."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._recent: dict[int, Results] = {}
        """What the last blocks did, as it was before it was written down."""

    def tip(self, chain_id: str) -> Tip | None:
        """Read the tip back, or None before genesis has been written."""
        raw = self._storage.get(Table.META, TIP)
        if raw is None:
            return None
        row = msgspec.msgpack.decode(raw, type=TipRow)
        now, following = self.validators(row.height + 1), self.validators(row.height + 2)
        last = self.validators(row.height) if row.height else now
        commit = self.commit(row.height) if row.height else wire.Commit()
        if now is None or following is None or last is None or commit is None:
            raise LookupError("validator sets or commit of the tip are missing")
        return Tip(chain_id, row.height, row.time, row.block_id, commit, last, now, following, row.app_hash, row.results_hash)  # type: ignore[arg-type]

    def tip_height(self) -> int:
        """Return the height of the last block; 0 before the first."""
        raw = self._storage.get(Table.META, TIP)
        return 0 if raw is None else msgspec.msgpack.decode(raw, type=TipRow).height

    def block(self, height: int) -> wire.Block | None:
        """Return the block of a height, or None."""
        raw = self._get(Table.BLOCKS, height)
        return None if raw is None else decode(wire.Block, raw)

    def commit(self, height: int) -> wire.Commit | None:
        """Return the commit seen for a height, or None."""
        raw = self._get(Table.COMMITS, height)
        return None if raw is None else decode(wire.Commit, raw)

    def signed_header(self, height: int) -> wire.SignedHeader | None:
        """Return a header with the commit seen for it, or None."""
        block, commit = self.block(height), self.commit(height)
        return None if block is None or commit is None else wire.SignedHeader(block.header, commit)

    def validators(self, height: int) -> ValidatorSet | None:
        """Return the set that votes on a height (known up to two heights above the tip), or None."""
        raw = self._get(Table.SETS, height)
        return None if raw is None else ValidatorSet.from_wire(msgspec.msgpack.decode(raw, type=wire.ValidatorSet))

    def results(self, height: int) -> Results | None:
        """Return receipts and events of a height, or None."""
        if height in self._recent:
            return self._recent[height]
        raw = self._get(Table.RESULTS, height)
        return None if raw is None else msgspec.msgpack.decode(raw, type=Results)

    def remember(self, height: int, results: Results) -> None:
        """Have what a new block did at hand: whoever asks for one receipt of a large block soon asks for the others."""
        self._recent[height] = results
        self._recent.pop(height - RECENT, None)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return the receipt of a committed transaction, or None."""
        raw = self._storage.get(Table.TXS, tx_hash)
        if raw is None:
            return None
        height, index = msgspec.msgpack.decode(raw, type=tuple[int, int])
        results = self.results(height)
        return None if results is None else results.receipts[index]

    def undos(self) -> list[tuple[int, Undo]]:
        """Return (height, replaced values) of all kept heights, newest first."""
        rows = [
            (int.from_bytes(key, "big"), msgspec.msgpack.decode(raw, type=Undo)) for key, raw in self._storage.scan(Table.UNDO)
        ]
        return rows[::-1]

    def _get(self, table: Table, height: int) -> bytes | None:
        return self._storage.get(table, height_key(height)) if height >= 0 else None
