"""How long a price that somebody has told may be used, and how often a new one is asked for.

Source: mesh-security packages/price-feed (price_keeper.rs, scheduler.rs).
"""

import msgspec

from meshsec_core.kernel.errors import Rejected

NO_PRICE_DATA = "mesh/no-price-data"
OUTDATED_PRICE_DATA = "mesh/outdated-price-data"


class Told(msgspec.Struct, frozen=True):
    """A price and when it held."""

    time: int
    """Nanoseconds, on the chain that told it."""
    price_e18: int


def newer(known: Told | None, told: Told) -> Told:
    """Return the younger of two prices; answers may overtake each other."""
    return known if known is not None and known.time > told.time else told


def current(known: Told | None, now: int, ttl: int) -> int:
    """Return a price that may be used: it must be younger than `ttl` nanoseconds.

    Raises:
        Rejected: `mesh/no-price-data`, `mesh/outdated-price-data`.
    """
    if known is None:
        raise Rejected(NO_PRICE_DATA)
    if now - known.time >= ttl:
        raise Rejected(OUTDATED_PRICE_DATA, age=now - known.time, ttl=ttl)
    return known.price_e18


def is_due(last: int | None, now: int, period: int) -> bool:
    """Tell whether it is time to ask again: at once the first time, then when `period` nanoseconds have passed."""
    return last is None or now - last >= period
