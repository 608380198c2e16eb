"""Who proposes next: the priorities of a validator set, as CometBFT computes them.

Each turn every priority grows by the validator's power, the greatest proposes, and pays the total power for it; so each validator
proposes in proportion to its power. Priorities are int64 that saturate. Two roundings differ: scaling truncates towards zero,
centring rounds the mean down.

Source: cometbft v0.38 types/validator_set.go; docs spec/consensus/proposer-selection.md.
"""

from collections.abc import Sequence

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

WINDOW_FACTOR = 2
"""The greatest and the least priority stay within this many times the total power."""


def clip(value: int) -> int:
    """Saturate at the ends of int64."""
    return INT64_MAX if value > INT64_MAX else INT64_MIN if value < INT64_MIN else value


def rescale(priorities: Sequence[int], total_power: int) -> list[int]:
    """Shrink the priorities into the window; each quotient is truncated towards zero, the ratio is rounded up."""
    window = WINDOW_FACTOR * total_power
    spread = max(priorities) - min(priorities)
    if spread <= window or window <= 0:
        return list(priorities)
    ratio = (spread + window - 1) // window  # up
    return [-(-priority // ratio) if priority < 0 else priority // ratio for priority in priorities]  # towards zero


def centre(priorities: Sequence[int]) -> list[int]:
    """Subtract the mean, which is rounded down, so that the sum falls into [0, number of validators)."""
    mean = sum(priorities) // len(priorities)  # down
    if not mean:
        return list(priorities)
    return [clip(priority - mean) for priority in priorities]


def settle(priorities: Sequence[int], total_power: int) -> list[int]:
    """Rescale, then centre: what precedes every increment and ends every change of the set."""
    return centre(rescale(priorities, total_power))


def newcomer(total_power: int) -> int:
    """Return the priority of one who joins: -1.125 times the total power (the eighth rounded down), so that leaving and returning
    never pays.

    Args:
        total_power: after the updates and before the removals of the change that admits the validator.
    """
    return clip(-(total_power + (total_power >> 3)))


def first(priorities: Sequence[int], addresses: Sequence[bytes]) -> int:
    """Return the index of the highest priority; a tie goes to the smallest address."""
    highest = max(priorities)
    winner = priorities.index(highest)
    if priorities.count(highest) == 1:
        return winner
    tied = [index for index, priority in enumerate(priorities) if priority == highest]
    return min(tied, key=addresses.__getitem__)


def elect(
    priorities: Sequence[int], powers: Sequence[int], addresses: Sequence[bytes], total_power: int
) -> tuple[list[int], int]:
    """Take one turn; return the new priorities and the proposer's index."""
    grown = [priority + power for priority, power in zip(priorities, powers, strict=True)]
    if max(grown) > INT64_MAX:
        grown = [clip(priority) for priority in grown]
    winner = first(grown, addresses)
    grown[winner] = clip(grown[winner] - total_power)
    return grown, winner
