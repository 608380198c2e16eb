"""Canonical JSON: one value, one spelling.

Keys are sorted at every level, UTF-8, no spaces, every field present, every integer a decimal string, `bytes` in base64; no
JSON numbers at all. A text is canonical iff encoding what it decodes to gives the same bytes, which refuses duplicate keys,
other spellings of a number and missing or unknown fields in one rule.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from meshsec_core.kernel.errors import Rejected

T = TypeVar("T")

NOT_CANONICAL = "tx/not-canonical"
MALFORMED = "codec/malformed"

MAX_DEPTH = 64
"""Levels of nesting that have a canonical form; deeper ones could exhaust the stack on one machine and not on another."""

MAX_INTEGER = 2**512
"""Largest magnitude that has a canonical form: room for products of amounts and scales, and cheap to spell."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def _spell(value: Any, depth: int = 0) -> Any:
    """Replace every integer by its decimal text."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Rejected(MALFORMED, detail="an integer beyond 2^512")
        return str(value)
    if depth > MAX_DEPTH:
        raise Rejected(MALFORMED, detail=f"nested deeper than {MAX_DEPTH} levels")
    if kind is dict:
        # texts, which most values are by now, are not worth a call each
        return {key: item if type(item) is str else _spell(item, depth + 1) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_spell(item, depth + 1) for item in value]
    raise Rejected(MALFORMED, detail=f"{kind.__name__} has no canonical form")


def plain(value: Any) -> Any:
    """Turn a struct, container or scalar into what canonical JSON holds: dicts, lists, strings, booleans and None.

    Raises:
        Rejected: `codec/malformed` if it holds a float or a larger integer than any amount, or is nested too deeply.
    """
    return _spell(msgspec.to_builtins(value, str_keys=True))


_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def encode(value: Any) -> bytes:
    """Encode to canonical JSON.

    Raises:
        Rejected: `codec/malformed` if it holds a float or a larger integer than any amount, or is nested too deeply.
    """
    return _encode_sorted(_spell(msgspec.to_builtins(value, str_keys=True)))


def _make_decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind, strict=False).decode


_decoder: Callable[[Any], Callable[[bytes], Any]] = cache(_make_decoder)


def load(raw: bytes, kind: type[T]) -> T:
    """Decode bytes that this program has encoded itself; the spelling is not checked again."""
    decoded: T = _decoder(kind)(raw)
    return decoded


def decode(raw: bytes, kind: type[T]) -> T:
    """Decode canonical JSON into `kind`.

    Raises:
        Rejected: `codec/malformed` if it is not JSON of that shape; `tx/not-canonical` if its spelling is not the one.
    """
    try:
        value: T = _decoder(kind)(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(MALFORMED, detail=str(error)[:200]) from None
    if encode(value) != raw:
        raise Rejected(NOT_CANONICAL)
    return value


def read(raw: bytes, kind: type[T]) -> T:
    """Read JSON that a stranger's program wrote into `kind`: any spelling; unknown fields pass, but not any depth of them.

    Raises:
        Rejected: `codec/malformed`.
    """
    if _is_deep(raw):
        raise Rejected(MALFORMED, detail=f"nested deeper than {MAX_DEPTH} levels")
    try:
        value: T = _decoder(kind)(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected(MALFORMED, detail=str(error)[:200]) from None
    return value


def _is_deep(raw: bytes) -> bool:
    """Tell whether brackets nest deeper than what has a canonical form; brackets inside of texts do not count."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _BRACKETS.finditer(raw):
        mark = found[0]
        depth += (mark in b"[{") - (mark in b"]}")
        if depth > MAX_DEPTH:
            return True
    return False


def convert(value: Any, kind: type[T]) -> T:
    """Read already parsed JSON of any spelling (numbers or strings) into `kind`.

    Raises:
        Rejected: `codec/malformed` with what is wrong and where.
    """
    try:
        return msgspec.convert(value, kind, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Rejected(MALFORMED, detail=str(error)[:200]) from None
