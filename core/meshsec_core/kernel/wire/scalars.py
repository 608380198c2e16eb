"""Protobuf scalars, each with one spelling: varints without padding, text in UTF-8, times as nanoseconds.

A `Kind` says how the value of one field is spelled behind its tag; `proto` builds messages from kinds.

Source: protobuf.dev/programming-guides/encoding; gogoproto's `stdtime` and `stdduration`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND

TRUNCATED = "wire/truncated"
PADDED_VARINT = "wire/padded-varint"
OUT_OF_RANGE = "wire/out-of-range"
EXPLICIT_DEFAULT = "wire/explicit-default"
BAD_TEXT = "wire/bad-text"
BAD_KEY = "wire/bad-key"
BAD_TIME = "wire/bad-time"

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

ZERO_TIME: Final = -62_135_596_800 * SECOND
"""Go's zero time, 1 January of year 1, in nanoseconds since the epoch: how CometBFT spells "no time"."""
END_OF_TIME: Final = 253_402_300_800 * SECOND
"""The first nanosecond after year 9999, which a protobuf timestamp cannot hold."""
PUBLIC_KEY_BYTES = 32
TIMES_REMEMBERED = 1_024

_MASK: Final = (1 << 64) - 1
_SMALL: Final = tuple(bytes((value,)) for value in range(128))
ALWAYS: Final = object()
"""The default of kinds that are written whatever their value."""


def varint(value: int) -> bytes:
    """Spell an integer from 0 to 2**64 - 1 in base 128, least significant digits first."""
    if value < 128:
        return _SMALL[value]
    if value < 1 << 14:
        return bytes((value & 127 | 128, value >> 7))
    if 1 << 28 <= value < 1 << 35:  # seconds and most nanoseconds of a time
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21 & 127 | 128, value >> 28))
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def sized(payload: bytes) -> bytes:
    """Put its length in front of a payload."""
    size = len(payload)
    return (_SMALL[size] if size < 128 else varint(size)) + payload


def read_varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the integer that starts at a position, and the position behind it.

    Raises:
        Rejected: `wire/truncated`, `wire/padded-varint`, `wire/out-of-range` above 64 bits.
    """
    if at < end and (digit := raw[at]) < 128:
        return digit, at + 1
    if at + 1 < end and 0 < (second := raw[at + 1]) < 128:
        return digit & 127 | second << 7, at + 2
    if at + 4 < end and 0 < (fifth := raw[at + 4]) < 128 and min(digits := raw[at : at + 4]) > 127:  # as `varint`, for times
        first, second, third, fourth = digits
        return first & 127 | (second & 127) << 7 | (third & 127) << 14 | (fourth & 127) << 21 | fifth << 28, at + 5
    value = shift = 0
    while at < end:
        digit = raw[at]
        at += 1
        value |= (digit & 127) << shift
        if digit < 128:
            if digit == 0 and shift:
                raise Rejected(PADDED_VARINT, at=at)
            if value >> 64:
                raise Rejected(OUT_OF_RANGE, at=at)
            return value, at
        shift += 7
        if shift > 63:
            break
    raise Rejected(OUT_OF_RANGE if shift > 63 else TRUNCATED, at=at)


def span(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """Return where the payload begins and ends whose length is spelled at a position.

    Raises:
        Rejected: `wire/truncated` if it reaches beyond the end.
    """
    if at < end and (size := raw[at]) < 128:
        start = at + 1
    else:
        size, start = read_varint(raw, at, end)
    stop = start + size
    if stop > end:
        raise Rejected(TRUNCATED, at=start)
    return start, stop


Read = Callable[[bytes, int, int], tuple[Any, int]]
"""(bytes, where the value starts, where the message ends) -> value and the position behind it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the value of one field is spelled behind its tag."""

    name: str
    wire: int
    emit: Callable[[Any], bytes]
    read: Read
    default: Any = ALWAYS
    """The value that is omitted; kinds without one are always written."""


def _integer(name: str, low: int, high: int) -> Kind:
    def emit(value: int) -> bytes:
        if not low <= value <= high:
            raise Rejected(OUT_OF_RANGE, kind=name, value=value)
        return varint(value & _MASK)

    def read(raw: bytes, at: int, end: int) -> tuple[int, int]:
        value, at = read_varint(raw, at, end)
        if value >> 63 and low < 0:
            value -= 1 << 64
        if not low <= value <= high:
            raise Rejected(OUT_OF_RANGE, kind=name, value=value)
        return value, at

    return Kind(name, VARINT, emit, read, 0)


UINT64 = _integer("uint64", 0, 2**64 - 1)
UINT32 = _integer("uint32", 0, 2**32 - 1)
INT64 = _integer("int64", -(2**63), 2**63 - 1)
INT32 = _integer("int32", -(2**31), 2**31 - 1)
ENUM = _integer("enum", 0, 2**31 - 1)


def _emit_bool(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _read_bool(raw: bytes, at: int, end: int) -> tuple[bool, int]:
    value, at = read_varint(raw, at, end)
    if value > 1:
        raise Rejected(OUT_OF_RANGE, kind="bool", value=value)
    return value == 1, at


BOOL = Kind("bool", VARINT, _emit_bool, _read_bool, False)


def _read_bytes(raw: bytes, at: int, end: int) -> tuple[bytes, int]:
    if at < end and (size := raw[at]) < 128 and (stop := at + 1 + size) <= end:  # as `span`, for what most fields are
        return raw[at + 1 : stop], stop
    start, stop = span(raw, at, end)
    return raw[start:stop], stop


BYTES = Kind("bytes", LENGTH, sized, _read_bytes, b"")


def _emit_text(value: str) -> bytes:
    return sized(value.encode())


def _read_text(raw: bytes, at: int, end: int) -> tuple[str, int]:
    start, stop = span(raw, at, end)
    try:
        return raw[start:stop].decode(), stop
    except UnicodeDecodeError:
        raise Rejected(BAD_TEXT, at=start) from None


TEXT = Kind("text", LENGTH, _emit_text, _read_text, "")


def _emit_key(value: bytes) -> bytes:
    if len(value) != PUBLIC_KEY_BYTES:
        raise Rejected(BAD_KEY, bytes=len(value))
    return sized(value)


def _read_key(raw: bytes, at: int, end: int) -> tuple[bytes, int]:
    value, at = _read_bytes(raw, at, end)
    if len(value) != PUBLIC_KEY_BYTES:
        raise Rejected(BAD_KEY, bytes=len(value))
    return value, at


KEY = Kind("key", LENGTH, _emit_key, _read_key)
"""An Ed25519 public key, the member of a oneof and so always written."""


def _emit_packed(values: tuple[int, ...]) -> bytes:
    return sized(b"".join(map(INT32.emit, values)))


def _read_packed(raw: bytes, at: int, end: int) -> tuple[tuple[int, ...], int]:
    start, stop = span(raw, at, end)
    values = []
    while start < stop:
        value, start = INT32.read(raw, start, stop)
        values.append(value)
    return tuple(values), stop


PACKED_INT32 = Kind("packed int32", LENGTH, _emit_packed, _read_packed, ())


def _emit_parts(seconds: int, nanos: int) -> bytes:
    return (b"\x08" + INT64.emit(seconds) if seconds else b"") + (b"\x10" + INT32.emit(nanos) if nanos else b"")


def _read_parts(raw: bytes, at: int, stop: int) -> tuple[int, int]:
    seconds = nanos = 0
    if at < stop and raw[at] == 0x08:
        seconds, at = read_varint(raw, at + 1, stop)
        if not seconds:
            raise Rejected(EXPLICIT_DEFAULT, at=at)
        if seconds >> 63:
            seconds -= 1 << 64
    if at < stop and raw[at] == 0x10:
        nanos, at = INT32.read(raw, at + 1, stop)
        if not nanos:
            raise Rejected(EXPLICIT_DEFAULT, at=at)
    if at != stop:
        raise Rejected(BAD_TIME, at=at)
    return seconds, nanos


@lru_cache(TIMES_REMEMBERED)
def timestamp(time: int) -> bytes:
    """Spell a time as google.protobuf.Timestamp, without a length in front. A height spells its few times again and again.

    Raises:
        Rejected: `wire/bad-time` outside of the years 1 to 9999.
    """
    if not ZERO_TIME <= time < END_OF_TIME:
        raise Rejected(BAD_TIME, time=time)
    seconds, nanos = divmod(time, SECOND)  # floor: nanos are never negative
    return (b"\x08" + varint(seconds & _MASK) if seconds else b"") + (b"\x10" + varint(nanos) if nanos else b"")


def _read_time(raw: bytes, at: int, end: int) -> tuple[int, int]:
    start, stop = span(raw, at, end)
    seconds, nanos = _read_parts(raw, start, stop)
    time = seconds * SECOND + nanos
    if not (0 <= nanos < SECOND and ZERO_TIME <= time < END_OF_TIME):
        raise Rejected(BAD_TIME, seconds=seconds, nanos=nanos)
    return time, stop


TIME = Kind("time", LENGTH, lambda time: sized(timestamp(time)), _read_time)
"""Nanoseconds since the epoch, written as google.protobuf.Timestamp."""


def _emit_duration(duration: int) -> bytes:
    if not -(2**63) <= duration < 2**63:
        raise Rejected(BAD_TIME, duration=duration)
    seconds, nanos = divmod(abs(duration), SECOND)  # towards zero: both parts carry the sign
    return sized(_emit_parts(seconds, nanos) if duration >= 0 else _emit_parts(-seconds, -nanos))


def _read_duration(raw: bytes, at: int, end: int) -> tuple[int, int]:
    start, stop = span(raw, at, end)
    seconds, nanos = _read_parts(raw, start, stop)
    duration = seconds * SECOND + nanos
    if abs(nanos) >= SECOND or seconds * nanos < 0 or not -(2**63) <= duration < 2**63:
        raise Rejected(BAD_TIME, seconds=seconds, nanos=nanos)
    return duration, stop


DURATION = Kind("duration", LENGTH, _emit_duration, _read_duration)
"""Nanoseconds in 64 bits, written as google.protobuf.Duration."""
