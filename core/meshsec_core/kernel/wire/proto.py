"""Protobuf messages with one spelling: a struct, the table of its fields, and a codec compiled from the table.

Encoding follows proto3 as gogoproto writes it: fields ascend, scalars at their default are omitted, embedded messages that
cannot be absent are always written, even empty. Decoding accepts exactly the bytes that encoding gives, so every value has
one spelling: unknown fields, another order, padded varints, explicit defaults and missing messages are refused.

Source: protobuf.dev/programming-guides/encoding; gogoproto's `nullable = false`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.wire.scalars import ALWAYS, BYTES, EXPLICIT_DEFAULT, LENGTH, Kind, Read, read_varint, sized, span, varint

UNKNOWN_FIELD = "wire/unknown-field"
WRONG_TYPE = "wire/wrong-type"
FIELD_ORDER = "wire/field-order"
MISSING_FIELD = "wire/missing-field"
WRONG_CONSTANT = "wire/wrong-constant"
NOT_ONE = "wire/not-exactly-one"

M = TypeVar("M", bound="Message")


class Rule(Enum):
    """When a field is written."""

    PLAIN = "plain"
    """Always, except at its kind's default."""
    OPTIONAL = "optional"
    """Unless it is None."""
    REPEATED = "repeated"
    """Once for each element of a tuple."""


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table."""

    number: int
    kind: Kind
    rule: Rule = Rule.PLAIN
    width: int | None = None
    """How many attributes of the struct a group takes; None for a row that is one attribute."""


Fields = tuple[Field, ...]


class Message(msgspec.Struct, frozen=True):
    """A struct with a table: the rows of `proto` describe the attributes, in the order of both."""

    proto: ClassVar[Fields] = ()


def field(number: int, kind: Kind) -> Field:
    """Row of a scalar, or of a message that is always present."""
    return Field(number, kind)


def optional(number: int, kind: Kind) -> Field:
    """Row of a message that may be None."""
    return Field(number, kind, Rule.OPTIONAL)


def repeated(number: int, kind: Kind) -> Field:
    """Row of a tuple."""
    return Field(number, kind, Rule.REPEATED)


def constant(number: int, kind: Kind, value: Any) -> Field:
    """Row that no attribute stands for: the value is always the same."""
    payload = kind.emit(value)

    def read(raw: bytes, at: int, end: int) -> tuple[tuple[()], int]:
        found, at = kind.read(raw, at, end)
        if found != value:
            raise Rejected(WRONG_CONSTANT, field=number, expected=value)
        return (), at

    return Field(number, Kind("constant", kind.wire, lambda _: payload, read), width=0)


def group(number: int, *fields: Field) -> Field:
    """Row of an embedded message whose fields are attributes of the outer struct."""
    table = Table(fields)

    def read(raw: bytes, at: int, end: int) -> tuple[list[Any], int]:
        start, stop = span(raw, at, end)
        return table.read(raw, start, stop), stop

    return Field(number, Kind("group", LENGTH, lambda values: sized(table.emit(values)), read), width=table.width)


def message(kind: type[Message]) -> Kind:
    """Return the kind of an embedded message."""
    codec = _codec(kind)
    emit, inner = codec.emit, codec.read

    def read(raw: bytes, at: int, end: int) -> tuple[Message, int]:
        start, stop = span(raw, at, end)
        return inner(raw, start, stop), stop

    return Kind(kind.__name__, LENGTH, lambda value: sized(emit(value)), read)


def remembered(kind: type[Message], most: int) -> Kind:
    """Return the kind of an embedded message that comes in the same bytes again and again: the last ones are read once."""
    inner = message(kind)
    codec = _codec(kind)
    decoded = lru_cache(most)(lambda raw: codec.read(raw, 0, len(raw)))

    def read(raw: bytes, at: int, end: int) -> tuple[Message, int]:
        start, stop = span(raw, at, end)
        return decoded(raw[start:stop]), stop

    return Kind(inner.name, inner.wire, inner.emit, read)


def usual(kind: type[M], spell: Callable[[M], bytes | None], see: Callable[[bytes, int, int], tuple[M, int] | None]) -> Kind:
    """Return the kind of an embedded message that mostly comes in one form, which needs no table.

    Args:
        kind: the message.
        spell: as `emit` of a kind; None for values of another form.
        see: as `read` of a kind; None for spellings of another form.
    """
    inner = message(kind)

    def emit(value: M) -> bytes:
        return spell(value) or inner.emit(value)

    def read(raw: bytes, at: int, end: int) -> tuple[M, int]:
        return see(raw, at, end) or inner.read(raw, at, end)

    return Kind(inner.name, inner.wire, emit, read)


class OneOf:
    """A message that holds exactly one of several messages. Its value is the member itself."""

    __slots__ = ("_kinds", "_tags", "kind")

    def __init__(self, *members: tuple[int, type[Message]]) -> None:
        self._tags = {kind: (varint(number << 3 | LENGTH), _codec(kind)) for number, kind in members}
        self._kinds = {number << 3 | LENGTH: _codec(kind) for number, kind in members}
        self.kind = Kind("one of several", LENGTH, lambda value: sized(self.encode(value)), self._read)

    def encode(self, value: Message) -> bytes:
        """Encode a member with the message around it."""
        if type(value) not in self._tags:
            raise InvariantViolated(f"{type(value).__name__} is no member of this oneof")
        tag, codec = self._tags[type(value)]
        return tag + sized(codec.emit(value))

    def decode(self, raw: bytes) -> Any:
        """Decode a member with the message around it.

        Raises:
            Rejected: a `wire/…` code; `wire/not-exactly-one` if there is no member or more than one.
        """
        return self._decode(raw, 0, len(raw))

    def _read(self, raw: bytes, at: int, end: int) -> tuple[Message, int]:
        start, stop = span(raw, at, end)
        return self._decode(raw, start, stop), stop

    def _decode(self, raw: bytes, at: int, end: int) -> Message:
        if at == end:
            raise Rejected(NOT_ONE, at=at)
        tag, at = read_varint(raw, at, end)
        if tag not in self._kinds:
            raise Rejected(UNKNOWN_FIELD, tag=tag)
        start, stop = span(raw, at, end)
        if stop != end:
            raise Rejected(NOT_ONE, at=stop)
        value: Message = self._kinds[tag].read(raw, start, stop)
        return value


class _Row(NamedTuple):
    order: int
    bit: int
    """1 << order."""
    where: int | slice
    read: Read
    refused: Any
    """The default, which is not written; repeated and optional rows have none."""
    many: bool
    plain: bool
    """Whether it is bytes, once: nothing to check but the length."""


class Table:
    """The compiled rows of one message: turns a sequence of attribute values into bytes and back."""

    __slots__ = ("_blank", "_numbers", "_repeated", "_required", "_rows", "_writers", "width")

    def __init__(self, fields: Fields) -> None:
        numbers = [row.number for row in fields]
        if numbers != sorted(frozenset(numbers)):
            raise InvariantViolated(f"field numbers must ascend: {numbers}")
        self.width = 0
        self._numbers = frozenset(numbers)
        self._rows: dict[int, _Row] = {}
        self._writers: list[tuple[Callable[[Any], bytes], int | slice]] = []
        self._blank: list[Any] = []
        self._repeated: list[int] = []
        self._required = 0
        for order, row in enumerate(fields):
            self._add(order, row)

    def _add(self, order: int, row: Field) -> None:
        where = self.width if row.width is None else slice(self.width, self.width + row.width)
        tag = row.number << 3 | row.kind.wire
        refused = row.kind.default if row.rule is Rule.PLAIN else ALWAYS
        self._rows[tag] = _Row(
            order,
            1 << order,
            where,
            row.kind.read,
            refused,
            row.rule is Rule.REPEATED,
            row.kind is BYTES and row.rule is Rule.PLAIN,
        )
        self._writers.append((_writer(varint(tag), row.kind, row.rule), where))
        blank = row.kind.default if row.rule is Rule.PLAIN else None
        if row.rule is Rule.PLAIN and row.kind.default is ALWAYS:
            self._required |= 1 << order
        if row.rule is Rule.REPEATED:
            self._repeated.append(self.width)
        width = 1 if row.width is None else row.width
        self._blank.extend([blank] * width)
        self.width += width

    def emit(self, values: Sequence[Any]) -> bytes:
        """Encode attribute values in table order."""
        return b"".join([write(values[where]) for write, where in self._writers])

    def read(self, raw: bytes, at: int, end: int) -> list[Any]:
        """Decode the bytes between two positions into attribute values in table order."""
        values = self._blank.copy()
        for place in self._repeated:
            values[place] = []
        rows = self._rows
        last = -1
        seen = 0
        while at < end:
            tag = raw[at]
            if tag < 128:
                at += 1
            else:
                tag, at = read_varint(raw, at, end)
            row = rows.get(tag)
            if row is None:
                raise Rejected(WRONG_TYPE if tag >> 3 in self._numbers else UNKNOWN_FIELD, tag=tag)
            order, bit, where, read, refused, many, plain = row
            if order <= last and not (many and order == last):
                raise Rejected(FIELD_ORDER, field=tag >> 3)
            last = order
            if plain and at < end and 0 < (size := raw[at]) < 128 and (stop := at + 1 + size) <= end:
                values[where] = raw[at + 1 : stop]
                at = stop
                continue
            seen |= bit
            value, at = read(raw, at, end)
            if many:
                values[where].append(value)
            elif refused is not ALWAYS and value == refused:
                raise Rejected(EXPLICIT_DEFAULT, field=tag >> 3)
            else:
                values[where] = value
        if self._required & ~seen:
            raise Rejected(MISSING_FIELD)
        for place in self._repeated:
            values[place] = tuple(values[place])
        return values


def _writer(tag: bytes, kind: Kind, rule: Rule) -> Callable[[Any], bytes]:
    emit = kind.emit
    match rule:
        case Rule.REPEATED:
            return lambda values: b"".join([tag + emit(value) for value in values])
        case Rule.OPTIONAL:
            return lambda value: b"" if value is None else tag + emit(value)
        case Rule.PLAIN:
            if kind.default is ALWAYS:
                return lambda value: tag + emit(value)
            return lambda value: tag + emit(value) if value else b""


@dataclass(frozen=True, slots=True)
class _Codec:
    emit: Callable[[Any], bytes]
    read: Callable[[bytes, int, int], Any]


@cache
def _codec(kind: type[Message]) -> _Codec:
    names = kind.__struct_fields__
    table = Table(kind.proto)
    if table.width != len(names):
        raise InvariantViolated(f"the table of {kind.__name__} does not describe its attributes")
    if len(names) == 1:
        get_only = attrgetter(*names)
        return _Codec(lambda value: table.emit((get_only(value),)), lambda raw, at, end: kind(*table.read(raw, at, end)))
    get_all = attrgetter(*names)
    return _Codec(lambda value: table.emit(get_all(value)), lambda raw, at, end: kind(*table.read(raw, at, end)))


def encode(value: Message) -> bytes:
    """Encode a struct.

    Raises:
        Rejected: `wire/out-of-range`, `wire/bad-time`, `wire/bad-key` if a value has no spelling.
    """
    return _codec(type(value)).emit(value)


def decode(kind: type[M], raw: bytes) -> M:
    """Decode the one spelling of a struct.

    Raises:
        Rejected: a `wire/…` code.
    """
    value: M = _codec(kind).read(raw, 0, len(raw))
    return value
