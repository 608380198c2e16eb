"""How people write quantities: durations such as `21d`."""

import re

from meshsec_core.kernel.types import SECOND

_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_DURATION = re.compile(r"([0-9][0-9_]{0,29})(ns|us|ms|s|m|h|d)")


def duration(text: str) -> int | None:
    """Return nanoseconds for a text such as `21d` or `1500ms`, or None if it is not one."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def spelled(nanoseconds: int) -> str:
    """Spell a duration in the largest unit that says it exactly, such as `90s`."""
    unit = next(name for name, size in reversed(_UNITS.items()) if nanoseconds % size == 0)
    return f"{nanoseconds // _UNITS[unit]}{unit}"
