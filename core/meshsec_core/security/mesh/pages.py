"""Pages of long lists: 30 entries unless asked, at most 100."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from meshsec_core.kernel.errors import Rejected

BAD_LIMIT = "query/bad-limit"

DEFAULT = 30
MOST = 100

T = TypeVar("T")


def limit_of(text: str) -> int:
    """Read a page size; more than the most is the most.

    Raises:
        Rejected: `query/bad-limit`.
    """
    if not text:
        return DEFAULT
    if not text.isdecimal() or len(text) > 9 or int(text) == 0:
        raise Rejected(BAD_LIMIT, limit=text[:50])
    return min(int(text), MOST)


def page(found: Iterator[T], limit: str) -> tuple[T, ...]:
    """Take one page."""
    return tuple(islice(found, limit_of(limit)))


def after(text: str) -> tuple[str, ...]:
    """Return where a page starts: behind a key, or at the beginning."""
    return (text,) if text else ()
