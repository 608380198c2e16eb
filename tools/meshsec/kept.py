"""What a mesh keeps of its snapshots beside the rows of the chains: one file for each name, and one while a revert is under way.

A snapshot is there once its file is: the chains' own files are written before, under a name that nobody else uses. A revert is
decided once its file is there: whatever dies afterwards, it is finished when the mesh runs again.
"""

import re
from pathlib import Path

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node.storage import flush
from meshsec_relayer.engine.boundary import Image
from meshsec_sdk.problems import BAD_PARAMETER, UNKNOWN_SNAPSHOT

OTHER_SNAPSHOT = "snapshot/other-version"

VERSION = "1"
"""Version of what is kept; another one is refused."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Kept(msgspec.Struct, frozen=True):
    """A snapshot of a whole mesh."""

    name: str
    on_chains: str
    """The name under which every chain has saved its rows."""
    now: int
    """Logical time at which it was taken, nanoseconds."""
    heights: dict[str, int]
    """Of every chain."""
    relayers: dict[str, Image | None]
    """What each relayer must know; nothing of one that was away."""
    version: str = VERSION


class Revert(msgspec.Struct, frozen=True):
    """A revert that has been decided."""

    kept: Kept
    generation: int
    """That all chains start."""
    offset: int
    """Of all clocks, nanoseconds."""
    abandoned: tuple[bytes, ...]
    revived: tuple[bytes, ...]


class Shelf:
    """The files of one mesh.

    Args:
        folder: is made when something is put there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return all names in order."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def get(self, name: str) -> Kept:
        """Read a snapshot.

        Raises:
            Rejected: `snapshot/not-found`, `snapshot/other-version`.
        """
        try:
            raw = self._file(name).read_bytes()
        except FileNotFoundError:
            raise Rejected(UNKNOWN_SNAPSHOT, name=name, known=", ".join(self.names())) from None
        return read_kept(raw)

    def put(self, kept: Kept) -> None:
        """Keep a snapshot durably, in place of one of the same name."""
        _write(self._file(kept.name), codec.encode(kept))

    def drop(self, name: str) -> None:
        """Forget a snapshot."""
        self._file(name).unlink(missing_ok=True)
        flush(self.folder)

    @property
    def revert(self) -> Revert | None:
        """The revert that is under way, if there is one."""
        try:
            return codec.load(self._revert.read_bytes(), Revert)
        except FileNotFoundError:
            return None

    @revert.setter
    def revert(self, revert: Revert | None) -> None:
        if revert is not None:
            _write(self._revert, codec.encode(revert))
        elif self._revert.exists():
            self._revert.unlink()
            flush(self.folder)

    @property
    def _revert(self) -> Path:
        return self.folder / "revert"

    def _file(self, name: str) -> Path:
        return self.folder / f"{check_name(name)}.json"


def check_name(name: str) -> str:
    """Return what is a name.

    Raises:
        Rejected: `http/bad-parameter`.
    """
    if _NAME.fullmatch(name) is None:
        raise Rejected(BAD_PARAMETER, name="name", found=name[:100], expected="letters, digits, dots, dashes: at most 64")
    return name


def read_kept(raw: bytes) -> Kept:
    """Read what `Shelf.put` has written.

    Raises:
        Rejected: `snapshot/other-version`.
    """
    version = str(codec.load(raw, dict).get("version"))
    if version != VERSION:
        raise Rejected(OTHER_SNAPSHOT, found=version[:50], expected=VERSION)
    return codec.load(raw, Kept)


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(raw)
    flush(beside)
    beside.replace(path)
    flush(path.parent)
