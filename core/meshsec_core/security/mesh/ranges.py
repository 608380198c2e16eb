"""A value with transactions in flight: both ends of what it can become.

`low` is the value if every addition in flight is rolled back and every subtraction commits, `high` the other way round.
Preparing checks; committing and rolling back never fail, because an acknowledgement must not: they stop where the ends meet.

Source: mesh-security packages/sync/src/range.rs.
"""

from collections.abc import Iterable

import msgspec

from meshsec_core.kernel.errors import Rejected

UNDERFLOW = "mesh/underflow"
OVERFLOW = "mesh/overflow"
NOT_ONE_VALUE = "mesh/not-one-value"


class Range(msgspec.Struct, frozen=True):
    """The lowest and the highest outcome of what is in flight; 0 ≤ low ≤ high."""

    low: int = 0
    high: int = 0

    @classmethod
    def of(cls, value: int) -> "Range":
        """Return a range with nothing in flight."""
        return cls(value, value)

    @property
    def value(self) -> int:
        """The one value that the range holds.

        Raises:
            Rejected: `mesh/not-one-value` while something is in flight.
        """
        if self.low != self.high:
            raise Rejected(NOT_ONE_VALUE, low=self.low, high=self.high)
        return self.low

    def __add__(self, other: "Range") -> "Range":
        """Add end by end."""
        return Range(self.low + other.low, self.high + other.high)

    def is_under_max(self, maximum: int) -> bool:
        """Tell whether no outcome exceeds `maximum`."""
        return self.high <= maximum

    def is_over_min(self, minimum: int) -> bool:
        """Tell whether no outcome falls below `minimum`."""
        return self.low >= minimum

    def prepare_add(self, amount: int, maximum: int | None = None) -> "Range":
        """Reserve an addition.

        Raises:
            Rejected: `mesh/overflow` if the high end would exceed `maximum`.
        """
        if maximum is not None and self.high + amount > maximum:
            raise Rejected(OVERFLOW, high=self.high, amount=amount, maximum=maximum)
        return Range(self.low, self.high + amount)

    def commit_add(self, amount: int) -> "Range":
        """Make a reserved addition true; stops at the high end."""
        return Range(min(self.low + amount, self.high), self.high)

    def rollback_add(self, amount: int) -> "Range":
        """Drop a reserved addition; stops at the low end."""
        return Range(self.low, max(self.high - amount, self.low))

    def prepare_sub(self, amount: int, minimum: int = 0) -> "Range":
        """Reserve a subtraction.

        Raises:
            Rejected: `mesh/underflow` if the low end would fall below `minimum`.
        """
        if self.low < amount + minimum:
            raise Rejected(UNDERFLOW, low=self.low, amount=amount, minimum=minimum)
        return Range(self.low - amount, self.high)

    def commit_sub(self, amount: int) -> "Range":
        """Make a reserved subtraction true; stops at the low end."""
        return Range(self.low, max(self.high - amount, self.low))

    def rollback_sub(self, amount: int) -> "Range":
        """Drop a reserved subtraction; stops at the high end."""
        return Range(min(self.low + amount, self.high), self.high)

    def add(self, amount: int, maximum: int | None = None) -> "Range":
        """Add at both ends.

        Raises:
            Rejected: `mesh/overflow`.
        """
        raised = self.prepare_add(amount, maximum)
        return Range(raised.low + amount, raised.high)

    def sub(self, amount: int, minimum: int = 0) -> "Range":
        """Subtract at both ends.

        Raises:
            Rejected: `mesh/underflow`.
        """
        lowered = self.prepare_sub(amount, minimum)
        return Range(lowered.low, lowered.high - amount)

    def clamp(self, maximum: int) -> "Range":
        """Lower whatever exceeds `maximum`."""
        return Range(min(self.low, maximum), min(self.high, maximum))


ZERO = Range()


def total(ranges: Iterable[Range]) -> Range:
    """Add ranges end by end."""
    return sum(ranges, ZERO)


def max_range(ranges: Iterable[Range]) -> Range:
    """Return the largest low end and the largest high end."""
    found = tuple(ranges)
    return Range(max((each.low for each in found), default=0), max((each.high for each in found), default=0))


def min_range(ranges: Iterable[Range]) -> Range:
    """Return the smallest low end and the smallest high end."""
    found = tuple(ranges)
    return Range(min((each.low for each in found), default=0), min((each.high for each in found), default=0))


def spread(ranges: Iterable[Range]) -> Range:
    """Return the smallest low end and the largest high end."""
    found = tuple(ranges)
    return Range(min_range(found).low, max_range(found).high)
