"""Snapshots of one chain: all its rows under a name, double-sign guards included, in files beside the database.

A file is whole or not there, and never changes. To go to a snapshot replaces all rows in one transaction, together with what the
chain must remember of the branch that it leaves: whenever the process is killed, it comes back before the revert or after it.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.generations import Fork, compare, cross_over
from meshsec_core.replica.history import BASE
from meshsec_core.replica.replica import OTHER_GENESIS
from meshsec_core.replica.storage import CORRUPT, Table, Write
from meshsec_node.storage import SqliteStorage, flush
from meshsec_sdk.problems import BAD_PARAMETER, UNKNOWN_SNAPSHOT

SAVED = b"shell/saved"
"""Row in META that only a snapshot has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Saved(msgspec.Struct, frozen=True):
    """What a snapshot says of itself."""

    name: str
    height: int
    generation: int
    now: int
    """Logical time at which it was taken, nanoseconds."""
    waiting: tuple[bytes, ...] = ()
    """Transactions that waited for a block."""


class Snapshots:
    """The snapshots of one chain.

    Args:
        storage: what is saved and replaced.
        folder: of the files.
        chain_id: of the chain.
    """

    def __init__(self, storage: SqliteStorage, folder: Path, chain_id: str) -> None:
        self._storage = storage
        self._folder = folder
        self._chain_id = chain_id
        self._heights: dict[str, int] = {}
        """Of files that have been looked into; a file never changes but by `save`."""

    def save(self, saved: Saved) -> None:
        """Save the rows as they are; a snapshot of the same name is replaced.

        Raises:
            Rejected: `http/bad-parameter` for what is no name, `storage/unavailable`.
        """
        self._storage.save(self._file(saved.name), [Write(Table.META, SAVED, codec.encode(saved))])
        self._heights[saved.name] = saved.height

    def names(self) -> list[str]:
        """Return all names in order."""
        return sorted(path.stem for path in self._folder.glob("*.db"))

    def lowest(self) -> int | None:
        """Return the lowest height of which there is a snapshot, or None; what cannot be read counts for 0."""
        names = self.names()
        for name in names:
            if name not in self._heights:
                raw = SqliteStorage.peek(self._file(name), Table.META, SAVED)
                self._heights[name] = 0 if raw is None else codec.load(raw, Saved).height
        return min((self._heights[name] for name in names), default=None)

    def read(self, name: str) -> tuple[Saved, SqliteStorage]:
        """Return what a snapshot says of itself, and its rows in memory.

        Raises:
            Rejected: `snapshot/not-found`, `storage/version`, `storage/corrupt`, `storage/other-genesis`.
        """
        path = self._file(name)
        if not path.exists():
            raise Rejected(UNKNOWN_SNAPSHOT, name=name, known=", ".join(self.names()))
        image = SqliteStorage.image(path)
        raw = image.get(Table.META, SAVED)
        if raw is None:
            raise Rejected(CORRUPT, path=str(path))
        if image.get(Table.META, BASE) != self._storage.get(Table.META, BASE):
            raise Rejected(OTHER_GENESIS, chain_id=self._chain_id)
        return msgspec.structs.replace(codec.load(raw, Saved), name=name), image

    def fork(self, name: str) -> Fork:
        """Return what the chain would give up and take up again; raises as `read`."""
        return compare(self._chain_id, self._storage, self.read(name)[1])

    def go(
        self, image: SqliteStorage, generation: int, marks: tuple[Iterable[bytes], Iterable[bytes]], rows: Iterable[Write]
    ) -> None:
        """Put a snapshot in the place of all rows.

        Args:
            image: what `read` has returned; it is of no more use.
            generation: the new one.
            marks: what the other chains abandon, and what they take up again.
            rows: are written with it.
        """
        fork = compare(self._chain_id, self._storage, image)
        abandoned, revived = marks
        both = ([*abandoned, *fork.abandoned], [*revived, *fork.revived])
        cross_over(self._storage, image, generation, fork.height, both)
        image.apply([Write(Table.META, SAVED, None), *rows])
        self._storage.become(image)
        image.close()

    def delete(self, name: str) -> None:
        """Forget a snapshot.

        Raises:
            Rejected: `snapshot/not-found`.
        """
        try:
            self._file(name).unlink()
            self._heights.pop(name, None)
        except FileNotFoundError:
            raise Rejected(UNKNOWN_SNAPSHOT, name=name, known=", ".join(self.names())) from None
        flush(self._folder)

    def _file(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise Rejected(BAD_PARAMETER, name="name", found=name[:100], expected="letters, digits, dots, dashes: at most 100")
        return self._folder / f"{name}.db"
