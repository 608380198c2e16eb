"""The mesh's logical clock as one process sees it: wall time plus an offset that is the same on every chain of the mesh."""

import time
from typing import Final

from meshsec_core.replica.storage import Table, Write

CLOCK_KEY: Final = b"shell/clock-offset"
"""Row in the table META that holds the clock's offset."""


class MeshClock:
    """Wall time shifted by an offset; both in nanoseconds."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def now(self) -> int:
        """Return logical time in nanoseconds."""
        return time.time_ns() + self.offset


def clock_row(offset: int) -> Write:
    """Return the row that keeps the clock's offset."""
    return Write(Table.META, CLOCK_KEY, str(offset).encode())
