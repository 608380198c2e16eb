"""ICS-24: where IBC keeps what it proves, and which names may stand in a path.

Everything lies in the store `ibc`, whose name is also the commitment prefix that counterparties know. A slot's `path` is
what a proof speaks of (below the store); the state key is `ibc/` in front of it.

Source: cosmos/ibc spec/core/ics-024-host-requirements; ibc-go modules/core/24-host.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader, Store
from meshsec_core.kernel.wire.proto import M, decode, encode

STORE = "ibc"
"""Name of the store, and the commitment prefix that counterparties use in proofs."""

BAD_IDENTIFIER = "ibc/bad-identifier"

MAX_UINT64 = 2**64 - 1
REMEMBERED = 4_096
"""Decoded values kept per kind; most packets meet the same few channels, connections and clients."""

T = TypeVar("T")

_ALLOWED = re.compile(r"[a-zA-Z0-9._+\-#\[\]<>]+")


def check_identifier(kind: str, text: str, shortest: int, longest: int) -> None:
    """Refuse a name that may not stand in a path.

    Raises:
        Rejected: `ibc/bad-identifier`.
    """
    if not shortest <= len(text) <= longest or _ALLOWED.fullmatch(text) is None:
        raise Rejected(BAD_IDENTIFIER, kind=kind, identifier=text[:100], shortest=shortest, longest=longest)


def check_client_id(text: str) -> None:
    """Refuse what cannot name a client: `ibc/bad-identifier`."""
    check_identifier("client", text, 4, 64)


def check_connection_id(text: str) -> None:
    """Refuse what cannot name a connection: `ibc/bad-identifier`."""
    check_identifier("connection", text, 10, 64)


def check_channel_id(text: str) -> None:
    """Refuse what cannot name a channel: `ibc/bad-identifier`."""
    check_identifier("channel", text, 8, 64)


def check_port_id(text: str) -> None:
    """Refuse what cannot name a port: `ibc/bad-identifier`."""
    check_identifier("port", text, 2, 128)


class Slot(Generic[T]):
    """Values of one kind under an ICS-24 path; `{}` in the pattern stands for an identifier or number."""

    __slots__ = ("_decode", "_encode", "_key", "pattern")

    def __init__(self, pattern: str, encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        self.pattern = pattern
        self._key = f"{STORE}/{pattern}"
        self._encode = encode
        self._decode = decode

    def path(self, *parts: object) -> bytes:
        """Return the path below the store, as proofs name it."""
        return self.pattern.format(*parts).encode()

    def key(self, *parts: object) -> str:
        """Return the full state key."""
        return self._key.format(*parts)

    def encode(self, value: T) -> bytes:
        """Return the bytes that are stored and proven for a value."""
        return self._encode(value)

    def find(self, store: Reader, *parts: object) -> T | None:
        """Return the value, or None."""
        raw = store.get(self._key.format(*parts))
        return None if raw is None else self._decode(raw)

    def get(self, store: Reader, *parts: object) -> T:
        """Return a value that must exist.

        Raises:
            InvariantViolated: it does not.
        """
        value = self.find(store, *parts)
        if value is None:
            raise InvariantViolated(f"nothing at {self.key(*parts)}")
        return value

    def has(self, store: Reader, *parts: object) -> bool:
        """Tell whether a value exists."""
        return store.get(self._key.format(*parts)) is not None

    def put(self, store: Store, *parts_then_value: object) -> None:
        """Write a value: `put(store, part, …, value)`."""
        *parts, value = parts_then_value
        store.set(self._key.format(*parts), self._encode(value))  # type: ignore[arg-type]

    def delete(self, store: Store, *parts: object) -> None:
        """Remove a value."""
        store.delete(self._key.format(*parts))


def remembered(read: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Keep what the same bytes decode to: the values are frozen."""
    return lru_cache(REMEMBERED)(read)


def be64(value: int) -> bytes:
    """Spell a number from 0 to 2**64 - 1 in eight bytes, most significant first."""
    return value.to_bytes(8, "big")


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _same(raw: bytes) -> bytes:
    return raw


def message_slot(pattern: str, kind: type[M]) -> Slot[M]:
    """Declare a slot of protobuf messages."""
    return Slot(pattern, encode, remembered(lambda raw: decode(kind, raw)))


def number_slot(pattern: str) -> Slot[int]:
    """Declare a slot of 64-bit numbers."""
    return Slot(pattern, be64, _number)


def raw_slot(pattern: str) -> Slot[bytes]:
    """Declare a slot of bytes that are stored as they are."""
    return Slot(pattern, _same, _same)


def take_number(counter: Slot[int], store: Store) -> int:
    """Return the next unused number of a counter that starts at 0."""
    number = counter.find(store) or 0
    counter.put(store, number + 1)
    return number
