"""Rewards by points per stake: what arrives for a validator belongs to those who lend to it, in proportion to what they lend.

Points are consumer tokens per provider token × 10^18. What does not divide is carried to the next reward, so that
paid + pending + carried = received, to the unit of 10^-18.

An operator who validates on both ends may take a part first, and choose at which of its two nodes it arrives. Law: what the
lenders, the node here and the node there get is the reward, to the unit.

Source: mesh-security contracts/provider/external-staking (distribution), with a finer scale.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from meshsec_core.kernel.types import ONE_BPS, ONE_E18


class Split(StrEnum):
    """How an operator divides what it takes between its node here, on the provider, and its node there."""

    PER_LINK = "per-link"
    """A commission named for the link; the node that has earned it, there, keeps it."""
    SAME = "same"
    """The commission of the node here for both, and the same to each; the odd unit stays where it was earned."""
    LARGER = "larger"
    """The commission of the node here; all of it to the larger node."""


class Division(NamedTuple):
    """Who gets what of one reward, in consumer tokens."""

    lenders: int
    here: int
    there: int


def divide(reward: int, split: Split, commission_bps: int, *, here_is_larger: bool) -> Division:
    """Divide a reward; the commission rounds down, for those who lend."""
    taken = reward * commission_bps // ONE_BPS
    match split:
        case Split.PER_LINK:
            here = 0
        case Split.SAME:
            here = taken // 2  # rounds down, for the node that has earned it
        case Split.LARGER:
            here = taken if here_is_larger else 0
    return Division(reward - taken, here, taken - here)


class Pool(msgspec.Struct, frozen=True):
    """All bonded stake on one validator of one link, and what each unit of it has earned."""

    total: int = 0
    """Sum of `Stake.bonded`, in provider tokens."""
    adding: int = 0
    """Sum of `Stake.adding`."""
    points_e18: int = 0
    """Consumer tokens × 10^18 that one provider token has earned since the beginning."""
    leftover_e18: int = 0
    """What has not been divided yet, in consumer tokens × 10^18."""
    faults: int = 0
    """How many faults of the validator have been charged to this pool."""

    def distribute(self, amount: int) -> "Pool":
        """Credit a reward to all stake; there must be some."""
        points, rest = divmod(amount * ONE_E18 + self.leftover_e18, self.total)  # rounds down; the rest is carried
        return replace(self, points_e18=self.points_e18 + points, leftover_e18=rest)
