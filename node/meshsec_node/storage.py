"""The rows of a replica on disk: one SQLite file per chain, in write-ahead mode, durable at every `apply`, or once for several.

One process at a time: the file is locked while it is open, and the lock falls with its process.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.replica.storage import CORRUPT, Table, Write

OTHER_VERSION = "storage/version"
LOCKED = "storage/locked"
UNAVAILABLE = "storage/unavailable"

VERSION = "2"
"""Version of the layout. A file of another version is refused and left as it is."""

PAGE: Final = 1_000
"""Rows read at a time by a scan."""

_PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -4000",
    "PRAGMA wal_autocheckpoint = 2000",
)


class SqliteStorage:
    """Tables of one chain in one file; see `meshsec_core.replica.storage.Storage`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            Rejected: `storage/version` for a file of another layout, `storage/locked` while another process has it open,
                `storage/corrupt` for a file that is no database, `storage/unavailable` if it cannot be opened or created.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise Rejected(UNAVAILABLE, path=str(path), reason=str(error)) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._base.close()
            code = LOCKED if "locked" in str(error) else CORRUPT if type(error) is sqlite3.DatabaseError else UNAVAILABLE
            raise Rejected(code, path=str(path), reason=str(error)) from None
        except Rejected:
            self._base.close()
            raise

    def _prepare(self) -> None:
        self._base.execute(_PRAGMAS[0])
        known = {name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if known:
            row = self._base.execute("SELECT version FROM layout").fetchone() if "layout" in known else None
            found = row[0] if row else "none"
            if found != VERSION:
                raise Rejected(OTHER_VERSION, path=str(self.path), found=str(found)[:50], expected=VERSION)
        for pragma in _PRAGMAS[1:]:
            self._base.execute(pragma)
        self._base.execute("BEGIN EXCLUSIVE")
        for table in Table:
            self._base.execute(f"CREATE TABLE IF NOT EXISTS {table} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        if not known:
            self._base.execute("CREATE TABLE layout (version TEXT NOT NULL)")
            self._base.execute("INSERT INTO layout VALUES (?)", (VERSION,))
        self._base.execute("COMMIT")

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a row's value, or None."""
        row = self._base.execute(f"SELECT value FROM {table} WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending; rows written meanwhile may or may not be seen."""
        while True:
            page = self._base.execute(
                f"SELECT key, value FROM {table} WHERE key > ? ORDER BY key LIMIT {PAGE}", (after,)
            ).fetchall()
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all that is applied meanwhile durable at once, at the end; if it ends with an exception, nothing of it.

        Until then reads see what nobody outside of the process may hear of.

        Raises:
            InvariantViolated: the disk refuses, so the node must halt before it signs anything.
        """
        try:
            self._base.execute("BEGIN IMMEDIATE")
            yield
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            raise InvariantViolated(f"storage {self.path}: {error}") from error
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")

    def apply(self, writes: Sequence[Write]) -> None:
        """Make all writes durable in one transaction, or with what is made durable `together`; of two writes to a row the later
        one holds.

        Raises:
            InvariantViolated: the disk refuses, so the node must halt before it signs anything.
        """
        if self._base.in_transaction:
            self._write(writes)
            return
        with self.together():
            self._write(writes)

    def _write(self, writes: Sequence[Write]) -> None:
        puts: dict[Table, dict[bytes, bytes]] = {}
        drops: dict[Table, set[bytes]] = {}
        for write in writes:
            put, drop = puts.setdefault(write.table, {}), drops.setdefault(write.table, set())
            if write.value is None:
                put.pop(write.key, None)
                drop.add(write.key)
            else:
                put[write.key] = write.value
        for table, keys in drops.items():
            self._base.executemany(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in keys])
        for table, rows in puts.items():
            self._base.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", sorted(rows.items()))

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of the lock."""
        self._base.close()
