"""Rewards by points per stake: what arrives for a validator belongs to those who lend to it, in proportion to what they lend.

Points are consumer tokens per provider token × 10^18. What does not divide is carried to the next reward, so that
paid + pending + carried = received, to the unit of 10^-18.

Source: mesh-security contracts/provider/external-staking (distribution), with a finer scale.
"""

import msgspec
from msgspec.structs import replace

from meshsec_core.kernel.types import ONE_E18


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
