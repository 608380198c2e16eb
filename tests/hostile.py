"""Values that a hostile user would put into a message: for every field what is valid elsewhere, at the edge, or absurd.

`Hostile(seen, texts).of(kind)` makes messages of a kind out of its type hints, and of real messages with some fields replaced.
"""

import types
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from meshsec_core.runtime.module import Msg

NUMBERS = (0, 1, -1, 10**4, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**128 - 1, 2**128, 2**256, 10**40, -(2**63), -(2**128))
TEXTS = (
    *("", "/", "..", "../x", "a/b", "_", " ", "\x00", "a\x00b", "\n", "\x7f", "é", "\u202e", "\U0001f600", "%2f", "null", "{}"),
    *("a" * 65, "a" * 129, "a" * 50_000, "1e5", "-0", "\u0663", "osmo1", "transfer/channel-0/uosmo", "ibc/" + "A" * 64, "ibc/"),
    *("channel-", "channel--1", "channel-00", "channel-18446744073709551616", "connection-0/x", "clients/07-tendermint-0"),
    *("ORDER_ORDERED", "ORDER_UNORDERED", "transfer", "mesh-provider", "mesh-consumer", "ics20-1", "osmosis-1"),
)
BLOBS = (b"", b"\x00", b"{}", b"\xff" * 10, b"\n\x00", b"a" * 64)


class Hostile:
    """Makes messages and their parts.

    Args:
        seen: real messages, whose parts are worth using elsewhere.
        texts: identifiers that exist.
    """

    def __init__(self, seen: Iterable[Msg], texts: Iterable[str]) -> None:
        self._seen: dict[type[Msg], list[Msg]] = defaultdict(list)
        blobs = dict.fromkeys(BLOBS)
        for msg in seen:
            self._seen[type(msg)].append(msg)
            blobs.update(dict.fromkeys(_blobs(msg)))
        self.texts = st.sampled_from((*texts, *TEXTS)) | st.text(max_size=12)
        self.numbers = st.sampled_from(NUMBERS) | st.integers(-10, 2_000_000)
        real = st.sampled_from(tuple(blobs))
        self.blobs = real | damaged(real) | st.binary(max_size=40)
        self.json: SearchStrategy[Any] = st.recursive(
            st.none() | st.booleans() | self.texts | self.numbers.map(str),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(self.texts, inner, max_size=3),
            max_leaves=5,
        )
        self._plain: dict[Any, SearchStrategy[Any]] = {
            int: self.numbers,
            str: self.texts,
            bytes: self.blobs,
            bool: st.booleans(),
            Any: self.json,
            type(None): st.none(),
            msgspec.UnsetType: st.just(msgspec.UNSET),
        }

    def of(self, kind: type[Msg]) -> SearchStrategy[Msg]:
        """Make messages of one kind."""
        made: SearchStrategy[Msg] = self.values(kind)
        return made | mixed(st.sampled_from(self._seen[kind]), made) if self._seen[kind] else made

    def values(self, hint: Any) -> SearchStrategy[Any]:
        """Make values of a type."""
        hint = getattr(hint, "__supertype__", hint)
        origin, inner = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return st.one_of(*map(self.values, inner))
        if origin is tuple:
            return st.lists(self.values(inner[0]), max_size=3).map(tuple)
        if origin is dict:
            return st.dictionaries(self.values(inner[0]), self.values(inner[1]), max_size=3)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            hints = get_type_hints(hint)
            return st.builds(hint, **{name: self.values(hints[name]) for name in hint.__struct_fields__})
        if isinstance(hint, type) and issubclass(hint, Enum):
            return st.sampled_from(tuple(hint))
        simple = {
            int: self.numbers,
            str: self.texts,
            bytes: self.blobs,
            bool: st.booleans(),
            type(None): st.none(),
            Any: self.json,
        }
        return st.just(msgspec.UNSET) if hint is msgspec.UnsetType else simple[hint]


@st.composite
def mixed(draw: DrawFn, real: SearchStrategy[Msg], made: SearchStrategy[Msg]) -> Msg:
    """Replace some fields of a real message."""
    base, other = draw(real), draw(made)
    changed = draw(st.lists(st.sampled_from(base.__struct_fields__ or ("",)), max_size=3))
    return msgspec.structs.replace(base, **{name: getattr(other, name) for name in changed if name})


@st.composite
def damaged(draw: DrawFn, real: SearchStrategy[bytes]) -> bytes:
    """Change, insert or cut bytes of something real."""
    raw = draw(real)
    at, to = sorted(draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    return raw[:at] + draw(st.binary(max_size=3)) + raw[to if draw(st.booleans()) else at + 1 :]


def _blobs(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _blobs(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _blobs(item)
