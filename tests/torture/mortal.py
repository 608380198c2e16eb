"""The supervisor of a mesh whose chains and relayers die by SIGKILL at a point of a write that a file beside their own names.

`python -m torture.mortal` is `python -m meshsec.supervisor` otherwise. A fuse reads `point` and how often it is passed before.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import meshsec_node.main
import meshsec_relayer.main
from meshsec import supervisor
from meshsec_core.kernel import codec
from meshsec_core.replica.storage import Table, Write
from meshsec_node.storage import SqliteStorage
from meshsec_relayer.engine.boundary import Image
from meshsec_relayer.store import FileStore

BEFORE, VOTED, WRITTEN, DURABLE, TORN = "before", "voted", "written", "durable", "torn"
OF_A_CHAIN = (BEFORE, VOTED, WRITTEN, DURABLE)
"""Before a write; once a voter has signed and nothing is durable; before the commit of the write; behind it, unheard of."""
OF_A_RELAYER = (BEFORE, TORN, DURABLE)
"""Before a write; with half of it on disk; behind it."""


def fuse_of(file: Path) -> Path:
    """The file that names the point at which the owner of another file dies."""
    return file.with_suffix(".fuse")


def burns(file: Path, point: str) -> bool:
    """Tell whether the process is to die here, once."""
    try:
        wanted, _, left = fuse_of(file).read_text().partition(" ")
    except FileNotFoundError:
        return False
    if wanted != point:
        return False
    if int(left):
        fuse_of(file).write_text(f"{wanted} {int(left) - 1}")
        return False
    fuse_of(file).unlink()
    return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalStorage(SqliteStorage):
    """Rows of a chain that dies at a point of a write."""

    @contextmanager
    def together(self) -> Iterator[None]:
        if burns(self.path, BEFORE):
            die()
        with super().together():
            yield
            if burns(self.path, WRITTEN):
                die()
        if burns(self.path, DURABLE):
            die()

    def _write(self, writes: Sequence[Write]) -> None:
        super()._write(writes)
        if any(write.table is Table.GUARDS for write in writes) and burns(self.path, VOTED):
            die()


class MortalStore(FileStore):
    """The image of a relayer that dies at a point of a write."""

    def save(self, image: Image) -> None:
        if burns(self._path, BEFORE):
            die()
        if burns(self._path, TORN):
            raw = codec.encode(image)
            self._path.with_suffix(".new").write_bytes(raw[: len(raw) // 2])
            die()
        super().save(image)
        if burns(self._path, DURABLE):
            die()


if __name__ == "__main__":
    meshsec_node.main.SqliteStorage = MortalStorage  # type: ignore[misc]
    meshsec_relayer.main.FileStore = MortalStore  # type: ignore[misc]
    sys.exit(supervisor.main())
