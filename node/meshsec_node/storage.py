"""The rows of a replica on disk: one SQLite file per chain, in write-ahead mode, durable at every `apply`, or once for several.

One process at a time: the file is locked while it is open, and the lock falls with its process.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Never, Self

from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.storage import CORRUPT, PowerCut, Table, Write

OTHER_VERSION = "storage/version"
LOCKED = "storage/locked"
UNAVAILABLE = "storage/unavailable"
FULL = "storage/full"

_CODES = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_CORRUPT: CORRUPT,
    sqlite3.SQLITE_NOTADB: CORRUPT,
    sqlite3.SQLITE_FULL: FULL,
}
"""SQLite's primary result codes to ours; any other is `storage/unavailable`."""

VERSION = "3"
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


class DiskFailed(Exception):
    """The disk refuses in the middle of the work. Memory may be ahead of it, so the node must end and sign nothing more.

    Neither input nor a bug of ours is to blame, and nothing in the core may take it for a refusal of what it looks at.
    """

    def __init__(self, refusal: Rejected) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        """What to tell whoever runs the machine: `storage/full`, `storage/corrupt` or `storage/unavailable`."""


class SqliteStorage:
    """Tables of one chain in one file; see `meshsec_core.replica.storage.Storage`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            Rejected: `storage/version` for a file of another layout, `storage/locked` while another process has it open,
                `storage/corrupt` for a file that is no database, `storage/unavailable` if it cannot be opened or created.
        """
        self.path = path
        self.cut: PowerCut | None = None
        """When this process is to die by its own hand, as if the power failed."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise Rejected(UNAVAILABLE, path=str(path), reason=str(error)) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._base.close()
            raise _refusal(path, error) from None
        except Rejected:
            self._base.close()
            raise

    @classmethod
    def image(cls, path: Path) -> Self:
        """Load a file that `save` wrote; what is written to it afterwards stays in memory.

        Raises:
            Rejected: `storage/version`, `storage/corrupt`, `storage/unavailable`.
        """
        found = cls._in_memory(path)
        try:
            with closing(_saved(path)) as file:
                file.backup(found._base)
            found._check_version()
        except sqlite3.Error as error:
            raise _refusal(path, error) from None
        return found

    @staticmethod
    def peek(path: Path, table: Table, key: bytes) -> bytes | None:
        """Return one row's value of a file that `save` wrote, or None if it is not there or cannot be read."""
        try:
            with closing(_saved(path)) as file:
                row = file.execute(f"SELECT value FROM {table} WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error:
            return None
        return row[0] if row else None

    def _check_version(self) -> bool:
        """Tell whether there is anything in the file.

        Raises:
            Rejected: `storage/version`.
        """
        known = {name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if known:
            row = self._base.execute("SELECT version FROM layout").fetchone() if "layout" in known else None
            found = row[0] if row else "none"
            if found != VERSION:
                raise Rejected(OTHER_VERSION, path=str(self.path), found=str(found)[:50], expected=VERSION)
        return bool(known)

    def _prepare(self) -> None:
        self._base.execute(_PRAGMAS[0])
        known = self._check_version()
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
        """Return a row's value, or None; raises `DiskFailed`."""
        try:
            row = self._base.execute(f"SELECT value FROM {table} WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._fail(error)
        return row[0] if row else None

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending; rows written meanwhile may or may not be seen.

        Raises:
            DiskFailed: as `apply`.
        """
        while True:
            try:
                page = self._base.execute(
                    f"SELECT key, value FROM {table} WHERE key > ? ORDER BY key LIMIT {PAGE}", (after,)
                ).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all that is applied meanwhile durable at once, at the end; if it ends with an exception, nothing of it.

        Until then reads see what nobody outside of the process may hear of.

        Raises:
            DiskFailed: as `apply`.
        """
        try:
            self._base.execute("BEGIN IMMEDIATE")
            yield
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(error)
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")

    def apply(self, writes: Sequence[Write]) -> None:
        """Make all writes durable in one transaction, or with what is made durable `together`; of two writes to a row the later
        one holds.

        Raises:
            DiskFailed: the disk refuses; nothing of it is durable.
        """
        if self.cut is not None and self.cut.strikes(writes):
            os.kill(os.getpid(), signal.SIGKILL)
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

    def save(self, path: Path, writes: Sequence[Write] = ()) -> None:
        """Copy all rows into a file, which is durable and whole under its name, or is not there.

        Args:
            path: of the file.
            writes: change the copy alone.

        Raises:
            Rejected: `storage/unavailable`.
        """
        beside = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            with closing(self.copy()) as image:
                image.apply(writes)
                with closing(sqlite3.connect(beside)) as file:
                    file.execute("PRAGMA journal_mode = OFF")
                    file.execute("PRAGMA synchronous = OFF")
                    image._base.backup(file)
            flush(beside)
            beside.replace(path)
            flush(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise Rejected(UNAVAILABLE, path=str(path), reason=str(error)) from None

    def copy(self) -> Self:
        """Return an image in memory that later writes do not touch."""
        found = self._in_memory(self.path)
        self._base.backup(found._base)
        return found

    @classmethod
    def _in_memory(cls, path: Path) -> Self:
        found = cls.__new__(cls)
        found.path, found.cut = path, None
        found._base = sqlite3.connect(":memory:", isolation_level=None)
        return found

    def become(self, image: "SqliteStorage") -> None:
        """Take over all rows of an image, in one transaction: whenever the power fails, all are the old ones or the new ones.

        Raises:
            DiskFailed: the disk refuses.
        """
        try:
            image._base.backup(self._base)
        except sqlite3.Error as error:
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> Never:
        raise DiskFailed(_refusal(self.path, error)) from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of the lock."""
        self._base.close()


def _saved(path: Path) -> sqlite3.Connection:
    """Open a file that `save` wrote, and that nothing changes."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _refusal(path: Path, error: sqlite3.Error) -> Rejected:
    code = _CODES.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF, UNAVAILABLE)
    return Rejected(code, path=str(path), reason=str(error))


def flush(path: Path) -> None:
    """Make a file's bytes, or a directory's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
