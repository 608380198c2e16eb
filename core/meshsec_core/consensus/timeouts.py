"""How long a validator waits before it loses patience; longer in every round, so that some round is long enough for any delay.

Source: arXiv:1807.04938 §III-A; cometbft v0.38 config, test profile.
"""

import msgspec

from meshsec_core.consensus.step import Timer
from meshsec_core.kernel.types import SECOND

MILLISECOND = SECOND // 1000  # exact


class Timeouts(msgspec.Struct, frozen=True):
    """Waiting times in nanoseconds: of round 0, and what each later round adds."""

    propose: int
    prevote: int
    precommit: int
    growth: int

    def of(self, timer: Timer, number: int) -> int:
        """Return the waiting time of a timer in a round."""
        match timer:
            case Timer.PROPOSE:
                start = self.propose
            case Timer.PREVOTE:
                start = self.prevote
            case Timer.PRECOMMIT:
                start = self.precommit
        return start + number * self.growth


LOCAL = Timeouts(40 * MILLISECOND, 10 * MILLISECOND, 10 * MILLISECOND, MILLISECOND)
"""For validators that share a machine."""
