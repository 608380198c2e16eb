"""What the relayer has counted; names in the style of Hermes, so that dashboards carry over."""

Labels = tuple[tuple[str, str], ...]


class Meters:
    """Counters by name and labels. They start at zero with the process."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[Labels, int]] = {}

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Add to a counter."""
        if by:
            rows = self.counters.setdefault(name, {})
            key = tuple(labels.items())
            rows[key] = rows.get(key, 0) + by
