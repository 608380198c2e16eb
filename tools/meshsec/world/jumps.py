"""How far the clock of a mesh may jump at a time."""

from collections.abc import Iterator

from meshsec_relayer.engine.client import TrustParams

LONGEST = TrustParams().trusting_period // 2
"""Longest jump between two client updates, nanoseconds: half of the trusting period that relayers give their clients, 7 days.

Relayers refresh clients when a third has passed, so that a sixth is left over at the end of a jump.
"""


def jumps(nanoseconds: int, *, keep_alive: bool) -> Iterator[int]:
    """Cut a way into jumps after each of which relayers can refresh clients; it is one jump if they need not stay alive."""
    while nanoseconds > 0:
        jump = min(nanoseconds, LONGEST) if keep_alive else nanoseconds
        yield jump
        nanoseconds -= jump
