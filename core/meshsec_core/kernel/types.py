"""Identifiers that travel through every layer.

Amounts are plain `int` in base units; times are `int` nanoseconds since the epoch, UTC.
"""

from typing import NewType

ChainId = NewType("ChainId", str)
"""Such as `osmosis-1`; the number behind the last dash is the IBC revision."""

Address = NewType("Address", str)
"""Bech32 text of a 20-byte account address under the chain's prefix."""

ValidatorId = NewType("ValidatorId", str)
"""Bech32 operator address under `<prefix>valoper`; names a validator for life."""

LinkId = NewType("LinkId", str)
"""A shared-security link, named by the channel id on the chain that speaks of it."""

Denom = NewType("Denom", str)
"""A coin's denomination: `uosmo`, or `ibc/<HEX>` for a voucher."""

SECOND = 1_000_000_000
"""One second in nanoseconds."""

ONE_E18 = 10**18
"""The scale of fixed-point ratios and prices (names end in `_e18`)."""

ONE_BPS = 10_000
"""The scale of ratios in basis points (names end in `_bps`)."""


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide and round towards positive infinity."""
    return -(-numerator // denominator)
