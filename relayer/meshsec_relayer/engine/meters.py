"""What the relayer has counted; names in the style of Hermes, so that dashboards carry over."""

from bisect import bisect_left
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


BUCKETS = (50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000)
"""Upper ends of the histograms' buckets, milliseconds."""


@dataclass(slots=True)
class Histogram:
    """How often a time fell into each bucket, and the sum of all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Per bucket, not added up; the last one is for all that is longer."""
    total: int = 0
    """Milliseconds."""


class Meters:
    """Counters and histograms by name and labels. They start at zero with the process."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[Labels, int]] = {}
        self.times: dict[str, dict[Labels, Histogram]] = {}

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Add to a counter."""
        if by:
            rows = self.counters.setdefault(name, {})
            key = tuple(labels.items())
            rows[key] = rows.get(key, 0) + by

    def time(self, name: str, nanoseconds: int, **labels: str) -> None:
        """Add a time to a histogram; rounded down to milliseconds."""
        found = self.times.setdefault(name, {}).setdefault(tuple(labels.items()), Histogram())
        milliseconds = nanoseconds // 10**6
        found.counts[bisect_left(BUCKETS, milliseconds)] += 1
        found.total += milliseconds
