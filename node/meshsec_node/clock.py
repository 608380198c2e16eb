"""The mesh's logical clock as one process sees it: wall time plus an offset that is the same on every chain of the mesh."""

import time


class MeshClock:
    """Wall time shifted by an offset; both in nanoseconds."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def now(self) -> int:
        """Return logical time in nanoseconds."""
        return time.time_ns() + self.offset
