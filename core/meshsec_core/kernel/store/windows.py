"""Typed windows on state: each names a path, says what lies there, and is declared at the top of its module.

A key part is text or a number; numbers are padded so that they sort. Only the last part may contain a slash.
"""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Reader, Store

T = TypeVar("T")
Part = str | int

NUMBER_WIDTH = 20
"""Digits of a number in a key: enough for any 64-bit value."""


class Codec(Protocol[T]):
    """How a window turns values into bytes."""

    def encode(self, value: T) -> bytes:
        """Return the stored bytes."""

    def decode(self, raw: bytes) -> T:
        """Read stored bytes."""


class Json(Generic[T]):
    """Canonical JSON of one type: the default of every window."""

    __slots__ = ("_kind",)

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def encode(self, value: T) -> bytes:
        """Return canonical JSON."""
        return codec.encode(value)

    def decode(self, raw: bytes) -> T:
        """Read what `encode` wrote."""
        return codec.load(raw, self._kind)


class Raw:
    """Bytes as they are."""

    def encode(self, value: bytes) -> bytes:
        """Return the value."""
        return value

    def decode(self, raw: bytes) -> bytes:
        """Return the value."""
        return raw


def spell(part: Part) -> str:
    """Spell one part of a key."""
    return part if isinstance(part, str) else f"{part:0{NUMBER_WIDTH}d}"


class Item(Generic[T]):
    """One value at a fixed path."""

    __slots__ = ("_codec", "_default", "path")

    def __init__(self, path: str, kind: type[T] | Codec[T], default: T | None = None) -> None:
        self.path = path
        self._codec: Codec[T] = Json(kind) if isinstance(kind, type) else kind
        self._default = default

    def get(self, store: Reader) -> T:
        """Return the value, or the default.

        Raises:
            InvariantViolated: neither exists.
        """
        raw = store.get(self.path)
        if raw is not None:
            return self._codec.decode(raw)
        if self._default is None:
            raise InvariantViolated(f"nothing at {self.path}")
        return self._default

    def put(self, store: Store, value: T) -> None:
        """Write the value."""
        store.set(self.path, self._codec.encode(value))


class Map(Generic[T]):
    """Values under a prefix, by a key of a fixed number of parts."""

    __slots__ = ("_codec", "_default", "parts", "path")

    def __init__(self, path: str, kind: type[T] | Codec[T], *, parts: int = 1, default: T | None = None) -> None:
        self.path = path
        self.parts = parts
        self._codec: Codec[T] = Json(kind) if isinstance(kind, type) else kind
        self._default = default

    def key(self, *parts: Part) -> str:
        """Return the full path of a key, or of a prefix of keys if parts are left out."""
        return "/".join((self.path, *map(spell, parts)))

    def find(self, store: Reader, *parts: Part) -> T | None:
        """Return the value, or None; the default is not consulted."""
        raw = store.get(self.key(*parts))
        return None if raw is None else self._codec.decode(raw)

    def get(self, store: Reader, *parts: Part) -> T:
        """Return the value, or the default.

        Raises:
            InvariantViolated: neither exists; use `find` where absence is a user's mistake.
        """
        value = self.find(store, *parts)
        if value is not None:
            return value
        if self._default is None:
            raise InvariantViolated(f"nothing at {self.key(*parts)}")
        return self._default

    def has(self, store: Reader, *parts: Part) -> bool:
        """Tell whether a value exists."""
        return store.get(self.key(*parts)) is not None

    def put(self, store: Store, *parts_then_value: Part | T) -> None:
        """Write a value: `put(store, part, …, value)`."""
        *parts, value = parts_then_value
        store.set(self.key(*parts), self._codec.encode(value))  # type: ignore[arg-type]

    def delete(self, store: Store, *parts: Part) -> None:
        """Remove a value."""
        store.delete(self.key(*parts))

    def items(self, store: Reader, *leading: Part, after: tuple[Part, ...] = ()) -> Iterator[tuple[tuple[str, ...], T]]:
        """Yield (remaining key parts, value) below the leading parts, ascending, beyond `after` (parts behind the leading ones).

        The list is taken before the first value is yielded, so the caller may write while it walks.
        """
        prefix = self.key(*leading) + "/"
        beyond = prefix + "/".join(map(spell, after)) if after else ""
        depth = self.parts - len(leading) - 1
        for key, raw in list(store.scan(prefix, beyond)):
            yield tuple(key[len(prefix) :].split("/", depth)), self._codec.decode(raw)
