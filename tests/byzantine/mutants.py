"""Parts of messages changed into something else that fits their place, through whatever encodings lie between."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, TypeVar

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    CONSENSUS_STATE_URL,
    HEADER_URL,
    MISBEHAVIOUR_URL,
    ClientHeader,
    ClientMisbehaviour,
    ClientState,
    ConsensusState,
    any_decode,
    any_encode,
)
from meshsec_core.kernel.wire.ics23 import MerkleProof
from meshsec_core.kernel.wire.proto import Message, decode, encode

T = TypeVar("T")

INSIDE: dict[str, type[Message]] = {
    HEADER_URL: ClientHeader,
    MISBEHAVIOUR_URL: ClientMisbehaviour,
    CLIENT_STATE_URL: ClientState,
    CONSENSUS_STATE_URL: ConsensusState,
}
NUMBERS = (0, 1, 2, -1, 2**31, 2**63 - 1, 2**63, 2**64 - 1)
ATTEMPTS = 50


def open_any(raw: bytes) -> tuple[Message, Callable[[Message], bytes]]:
    """Return the message inside of google.protobuf.Any, and how to put one back."""
    url, inner = any_decode(raw)
    return decode(INSIDE[url], inner), lambda value: any_encode(url, encode(value))


def open_proof(raw: bytes) -> tuple[Message, Callable[[Message], bytes]]:
    """Return a decoded proof, and how to put one back."""
    return decode(MerkleProof, raw), encode


def opener(name: str) -> Callable[[bytes], tuple[Message, Callable[[Message], bytes]]] | None:
    """Return how the bytes of a field are read, if they are a message of their own."""
    if name in ("client_message", "client_state", "consensus_state"):
        return open_any
    return open_proof if name.startswith("proof_") else None


class Mutants:
    """Makes messages that differ from real ones in one part.

    Args:
        chance: decides everything.
        kept: names of fields that are never changed.
    """

    def __init__(self, chance: Random, kept: Iterable[str] = ()) -> None:
        self.chance = chance
        self._kept = frozenset(kept)
        self._seen: dict[type, list[Any]] = defaultdict(list)

    def but(self, *names: str) -> "Mutants":
        """Return one that knows the same and leaves these fields alone."""
        other = Mutants(self.chance, names)
        other._seen = self._seen
        return other

    def learn(self, value: Any) -> None:
        """Remember the texts, numbers and bytes of a real message, which are worth using elsewhere."""
        for leaf in leaves(value):
            pool = self._seen[type(leaf)]
            if leaf not in pool[-200:]:
                pool.append(leaf)

    def of(self, value: T, name: str = "") -> T:
        """Return something of the same type in which one part is another."""
        for _ in range(ATTEMPTS):
            try:
                changed = self._changed(value, name)
            except Rejected:  # the change has no spelling
                continue
            if changed != value:
                return changed
        raise AssertionError(f"nothing in {value!r:.200} could be changed")

    def _changed(self, value: Any, name: str) -> Any:
        match value:
            case msgspec.Struct():
                names = [field for field in value.__struct_fields__ if field not in self._kept]
                field = self.chance.choice(names)
                return msgspec.structs.replace(value, **{field: self._changed(getattr(value, field), field)})
            case tuple():
                return self._tuple(value, name)
            case bytes():
                return self._bytes(value, name)
            case int():
                return self._number(value)
            case str():
                return self._text(value)
            case _:
                return value

    def _tuple(self, value: tuple[Any, ...], name: str) -> tuple[Any, ...]:
        if not value:
            return value
        at, other = self.chance.randrange(len(value)), self.chance.randrange(len(value))
        match self.chance.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return (*value[:at], value[at], *value[at:])
            case 2:
                mixed = list(value)
                mixed[at], mixed[other] = mixed[other], mixed[at]
                return tuple(mixed)
            case _:
                return (*value[:at], self._changed(value[at], name), *value[at + 1 :])

    def _bytes(self, value: bytes, name: str) -> bytes:
        read = opener(name)
        if read is not None and value and self.chance.random() < 0.8:
            inner, write = read(value)
            return write(self._changed(inner, ""))
        if self._seen[bytes] and self.chance.random() < 0.25:
            return bytes(self.chance.choice(self._seen[bytes]))
        return damaged(self.chance, value)

    def _number(self, value: int) -> int:
        known = self.chance.choice(self._seen[int] or NUMBERS)
        return int(self.chance.choice((value + 1, value - 1, 0, -value, value << 1, self.chance.choice(NUMBERS), known)))

    def _text(self, value: str) -> str:
        known = str(self.chance.choice(self._seen[str] or ("",)))
        at = self.chance.randrange(len(value) + 1)
        cut = value[:at] + value[at + 1 :]
        return self.chance.choice((known, known, known, cut, value + "0", value.upper(), "", value[:at] + "/" + value[at:]))


def damaged(chance: Random, raw: bytes) -> bytes:
    """Turn a bit, cut bytes off, leave some out, or put some in."""
    at = chance.randrange(len(raw) or 1)
    match chance.randrange(5):
        case 0 | 1 if raw:
            return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
        case 2:
            return raw[:at]
        case 3:
            return raw[:at] + raw[at + chance.randrange(1, 9) :]
        case _:
            return raw[:at] + chance.randbytes(chance.randrange(1, 5)) + raw[at:]


def leaves(value: Any, name: str = "") -> Iterator[Any]:
    """Yield the texts, numbers and bytes of a message, those inside of encoded parts too."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from leaves(getattr(value, field), field)
    elif isinstance(value, tuple):
        for item in value:
            yield from leaves(item, name)
    elif isinstance(value, bytes):
        yield value
        read = opener(name)
        if read is not None and value:
            yield from leaves(read(value)[0])
    elif value is not None:
        yield value
