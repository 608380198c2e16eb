"""Durations and amounts as people write them: `21d`, `600s`, `5blocks`, `80000000uosmo`."""

import re

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND

BAD_DURATION = "units/bad-duration"
BAD_AMOUNT = "units/bad-amount"

_UNITS = {"ms": SECOND // 1_000, "s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
_DURATION = re.compile(r"(\d+)\s*(ms|s|min|h|d)")
_AMOUNT = re.compile(r"(\d+)([a-z][A-Za-z0-9/]{1,127})")


def duration(text: str) -> int:
    """Read a duration such as `90s`, `10min`, `12h` or `21d`; return nanoseconds.

    Raises:
        Rejected: `units/bad-duration`.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise Rejected(BAD_DURATION, found=text[:50], expected="a whole number and ms, s, min, h or d")
    return int(found[1]) * _UNITS[found[2]]


def amount(text: str) -> tuple[int, str]:
    """Read an amount such as `80uosmo`; return (base units, denomination).

    Raises:
        Rejected: `units/bad-amount`.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise Rejected(BAD_AMOUNT, found=text[:50], expected="<integer><denom>")
    return int(found[1]), found[2]
