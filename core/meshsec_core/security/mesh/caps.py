"""How much virtual stake a link may hold: caps on power, in a fixed order, each rounding down.

1 convert provider tokens · 2 absolute cap of the link · 3 share of the native bonded power · 4 a floor for local power,
over all links together · 5 a cap per validator. Over a cap of the link everything shrinks in proportion; what a
validator's cap takes is not handed to others. Caps bound power alone: stake above them stays lent, slashable and rewarded.

Source: mesh-security contracts/consumer/virtual-staking; docs/consumer/VirtualStaking.md.
"""

from collections.abc import Mapping

import msgspec

from meshsec_core.kernel.types import ONE_BPS

Amounts = Mapping[str, int]
"""Validator to consumer tokens."""


class Caps(msgspec.Struct, frozen=True):
    """The limits of one link."""

    max_cap: int = 0
    """Most virtual stake of the link, in consumer tokens. Zero: the link is being unwound."""
    share_bps: int = 0
    """Most virtual stake of the link as a part of the native bonded tokens; 0 for no such cap."""
    validator_bps: int = 0
    """Most virtual stake of the link on one validator, as a part of the native bonded tokens; 0 for no such cap."""

    @property
    def are_relative(self) -> bool:
        """Whether they move with the native bonded tokens."""
        return bool(self.share_bps or self.validator_bps)


def scale(amounts: Amounts, limit: int) -> dict[str, int]:
    """Shrink amounts in proportion until their sum is within `limit`; each rounds down."""
    total = sum(amounts.values())
    if total <= limit:
        return dict(amounts)
    return {key: amount * limit // total for key, amount in amounts.items()}


def within_link_caps(amounts: Amounts, caps: Caps, native: int) -> dict[str, int]:
    """Apply the absolute cap, then the share cap.

    Args:
        amounts: What each validator's stake converts to.
        caps: The link's limits.
        native: Native bonded tokens at the epoch.
    """
    shaped = scale(amounts, caps.max_cap)
    if caps.share_bps:
        shaped = scale(shaped, native * caps.share_bps // ONE_BPS)
    return shaped


def within_chain_caps(amounts: Amounts, others: int, caps: Caps, native: int, floor_bps: int) -> dict[str, int]:
    """Apply the floor for local power, then the cap per validator.

    Args:
        amounts: One link's amounts, within its own caps.
        others: What all other links hold, within their own caps.
        caps: The link's limits.
        native: Native bonded tokens at the epoch.
        floor_bps: Least part of all power that must stay local; 0 for no floor.
    """
    shaped = dict(amounts)
    total = sum(amounts.values()) + others
    if floor_bps:
        limit = native * (ONE_BPS - floor_bps) // floor_bps
        if total > limit:
            shaped = {key: amount * limit // total for key, amount in shaped.items()}
    if caps.validator_bps:
        most = native * caps.validator_bps // ONE_BPS
        shaped = {key: min(amount, most) for key, amount in shaped.items()}
    return shaped


class Move(msgspec.Struct, frozen=True):
    """A change of virtual stake: bond if positive, unbond if negative."""

    validator: str
    amount: int


def plan(current: Amounts, desired: Amounts) -> tuple[Move, ...]:
    """Return the moves from what is to what should be, unbonds first, so that no cap is ever exceeded on the way."""
    keys = sorted(current.keys() | desired.keys())
    changes = [Move(key, desired.get(key, 0) - current.get(key, 0)) for key in keys]
    return (*(move for move in changes if move.amount < 0), *(move for move in changes if move.amount > 0))
