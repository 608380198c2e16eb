"""Layers of uncommitted writes. A layer that is dropped leaves no trace; a layer that is merged becomes part of its parent."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol

from meshsec_core.kernel.errors import InvariantViolated, Rejected

BAD_PATH = "state/bad-path"


class Reader(Protocol):
    """Ordered read access to paths."""

    def get(self, key: str) -> bytes | None:
        """Return the value under a full path, or None."""

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield (path, value) of all paths that start with `prefix` and are greater than `after`, in ascending order."""


class Store(Reader, Protocol):
    """What a handler sees: reads and writes."""

    def set(self, key: str, value: bytes) -> None:
        """Write a non-empty value."""

    def delete(self, key: str) -> None:
        """Remove a path; absent paths may be removed too."""


class Overlay:
    """Writes on top of a reader. `changes` maps each touched path to its new value, or None where it is deleted.

    `operations` counts reads and writes, which is what gas measures.
    """

    __slots__ = ("_sorted", "changes", "operations", "parent")

    def __init__(self, parent: Reader) -> None:
        self.parent = parent
        self.changes: dict[str, bytes | None] = {}
        self.operations = 0
        self._sorted: list[str] | None = None

    def get(self, key: str) -> bytes | None:
        """Return the newest value under a path, or None."""
        self.operations += 1
        if key in self.changes:
            return self.changes[key]
        return self.parent.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Write a value.

        Raises:
            InvariantViolated: the value is empty, which ICS-23 could not prove.
        """
        if not value:
            raise InvariantViolated(f"empty value under {key}")
        self._touch(key, value)

    def delete(self, key: str) -> None:
        """Remove a path."""
        self._touch(key, None)

    def _touch(self, key: str, value: bytes | None) -> None:
        self.operations += 1
        if self._sorted is not None and key not in self.changes:
            insort(self._sorted, key)
        self.changes[key] = value

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Merge this layer's writes with the parent's paths, in order. What is written during the scan may or may not be seen."""
        if self._sorted is None:
            self._sorted = sorted(self.changes)
        start = bisect_left(self._sorted, max(prefix, after))
        own = []
        for key in self._sorted[start:]:
            if not key.startswith(prefix):
                break
            if key > after:
                own.append(key)
        return self._merge(own, self.parent.scan(prefix, after))

    def _merge(self, own: list[str], below: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        position = 0
        for key, value in below:
            while position < len(own) and own[position] < key:
                yield from self._present(own[position])
                position += 1
            if position < len(own) and own[position] == key:
                yield from self._present(key)
                position += 1
            else:
                self.operations += 1
                yield key, value
        for key in own[position:]:
            yield from self._present(key)

    def _present(self, key: str) -> Iterator[tuple[str, bytes]]:
        value = self.changes.get(key)
        self.operations += 1
        if value is not None:
            yield key, value

    def merge(self) -> None:
        """Move all writes into the parent, which must be an overlay too.

        A path that a state cannot hold is refused here, so that whoever got a text of his into one harms only himself.

        Raises:
            Rejected: `state/bad-path` for a path that is not printable ASCII; nothing is moved.
            InvariantViolated: the parent cannot be written.
        """
        if not isinstance(self.parent, Overlay):
            raise InvariantViolated("only an overlay on an overlay can be merged")
        for key in self.changes:
            if not (key.isascii() and key.isprintable()):
                raise Rejected(BAD_PATH, path=key[:100])
        for key, value in self.changes.items():
            self.parent._touch(key, value)
        self.parent.operations += self.operations


class Empty:
    """A reader without any path: the state before genesis."""

    def get(self, key: str) -> bytes | None:  # noqa: ARG002
        """Return None."""
        return None

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())
