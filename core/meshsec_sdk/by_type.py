"""Names inside of plain values, found by the types of the fields in which they stand."""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec

Read = Callable[[Any, str], str]
"""(type as written, text) -> what the text stands for."""


@cache
def field_types(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return the types of a struct's fields as they were written."""
    return get_type_hints(kind)


def read_texts(kind: Any, value: Any, read: Read) -> Any:
    """Return a plain value in which every text is what `read` makes of it, at every depth.

    Args:
        kind: the type that the value will be converted to; what does not fit it is left as it is.
        value: texts, lists and dicts.
        read: see `Read`.
    """
    inner = get_args(kind)
    if NoneType in inner:  # optional
        return value if value is None else read_texts(next(arm for arm in inner if arm is not NoneType), value, read)
    if isinstance(value, str):
        return read(kind, value)
    if isinstance(value, list | tuple):
        return [read_texts(next(iter(inner), None), item, read) for item in value]
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        types = field_types(kind)
        return {name: read_texts(types.get(name), item, read) for name, item in value.items()}
    if isinstance(value, dict) and len(inner) == 2:
        return {read(inner[0], key): read_texts(inner[1], item, read) for key, item in value.items()}
    return value
