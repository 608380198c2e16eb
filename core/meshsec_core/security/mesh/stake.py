"""What one user has lent to one validator of one link: bonded, in flight, unbonding, and the rewards it earned.

    bonded  what the consumer counts; includes `leaving`
    adding  stake packets in flight, less what has been cut from them
    leaving unstake packets in flight, less what has been cut from them

The stake's range is [bonded − leaving, bonded + adding]. The lien of the user on the link is the sum over validators of
[bonded, bonded + adding] and of the pending unbonds, at every moment.

A loss reported for the validator takes first what is free of packets, then what is leaving, then what is being added; a
cut that propagates from elsewhere is told how much to take from stake in flight. What is taken from a packet in flight
is only noted: whether the consumer must hear of it is known when the packet is answered.
"""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18
from meshsec_core.security.mesh.ranges import Range

NOT_ENOUGH_STAKE = "mesh/not-enough-stake"
NO_REWARDS = "mesh/no-rewards"

MOST_UNBONDS = 64
"""Separate entries that are kept; younger ones join the youngest, so that a slash costs little however often a user unstakes."""


class Unbond(msgspec.Struct, frozen=True):
    """Stake that has left the consumer and is still slashable."""

    amount: int
    started_at: int
    """Nanoseconds; a fault before this moment reaches the entry."""
    release_at: int


class Taken(NamedTuple):
    """From where an amount was taken."""

    free: int = 0
    leaving: int = 0
    adding: int = 0


class Stake(msgspec.Struct, frozen=True):
    """One user's stake on one validator of one link, in provider tokens. Methods return the next stake."""

    bonded: int = 0
    adding: int = 0
    leaving: int = 0
    unbonds: tuple[Unbond, ...] = ()
    points_e18: int = 0
    """The pool's points when this stake was last settled."""
    accrued_e18: int = 0
    """Rewards earned and not yet asked for, in consumer tokens × 10^18."""
    faults: int = 0
    """How many faults of the pool this stake has paid for."""

    @property
    def range(self) -> Range:
        """Both outcomes of what is in flight."""
        return Range(self.bonded - self.leaving, self.bonded + self.adding)

    @property
    def unbonding(self) -> int:
        """All pending unbonds."""
        return sum(entry.amount for entry in self.unbonds)

    @property
    def whole(self) -> int:
        """Rewards that can be withdrawn, in consumer tokens; rounds down, the fraction stays."""
        return self.accrued_e18 // ONE_E18

    @property
    def is_empty(self) -> bool:
        """Whether nothing depends on this record but a fraction of a reward."""
        return not (self.bonded or self.adding or self.leaving or self.unbonds or self.accrued_e18 >= ONE_E18)

    def lend(self, amount: int) -> "Stake":
        """Send more."""
        return replace(self, adding=self.adding + amount)

    def commit_lend(self, amount: int) -> "Stake":
        """What was sent is counted by the consumer."""
        arrived = min(amount, self.adding)
        return replace(self, adding=self.adding - arrived, bonded=self.bonded + arrived)

    def rollback_lend(self, amount: int) -> "Stake":
        """What was sent was not taken."""
        return replace(self, adding=self.adding - min(amount, self.adding))

    def leave(self, amount: int) -> "Stake":
        """Ask for a part back.

        Raises:
            Rejected: `mesh/not-enough-stake` if some outcome of what is in flight does not leave so much.
        """
        if amount > self.range.low:
            raise Rejected(NOT_ENOUGH_STAKE, available=self.range.low, amount=amount)
        return replace(self, leaving=self.leaving + amount)

    def commit_leave(self, amount: int, now: int, release_at: int) -> "Stake":
        """The consumer gave a part back: it waits out the unbonding period."""
        left = min(amount, self.leaving)
        return replace(self, leaving=self.leaving - left)._unbond(left, now, release_at)

    def rollback_leave(self, amount: int) -> "Stake":
        """The consumer kept it."""
        return replace(self, leaving=self.leaving - min(amount, self.leaving))

    def force_out(self, amount: int, now: int) -> tuple["Stake", int]:
        """The consumer sends stake away, but for what is leaving already. Return how much goes; it is released at once."""
        out = min(amount, self.bonded - self.leaving)
        return self._unbond(out, now, now), out

    def _unbond(self, amount: int, now: int, release_at: int) -> "Stake":
        if amount == 0:
            return self
        entries = self.unbonds
        if len(entries) >= MOST_UNBONDS:
            last = entries[-1]
            entry = Unbond(last.amount + amount, now, max(last.release_at, release_at))
            entries = entries[:-1]
        else:
            entry = Unbond(amount, now, release_at)
        return replace(self, bonded=self.bonded - amount, unbonds=(*entries, entry))

    def take(self, amount: int) -> tuple["Stake", Taken]:
        """Lose `amount`, at most all of the stake: free first, then leaving, then adding."""
        free = min(amount, self.bonded - self.leaving)
        leaving = min(amount - free, self.leaving)
        adding = min(amount - free - leaving, self.adding)
        return self._lower(free, leaving, adding), Taken(free, leaving, adding)

    def take_bonded(self, amount: int) -> tuple["Stake", Taken]:
        """Lose bonded stake alone, at most all of it."""
        free = min(amount, self.bonded - self.leaving)
        leaving = min(amount - free, self.leaving)
        return self._lower(free, leaving, 0), Taken(free, leaving)

    def take_adding(self, amount: int) -> tuple["Stake", Taken]:
        """Lose stake in flight alone, at most all of it."""
        adding = min(amount, self.adding)
        return self._lower(0, 0, adding), Taken(adding=adding)

    def _lower(self, free: int, leaving: int, adding: int) -> "Stake":
        return replace(self, bonded=self.bonded - free - leaving, leaving=self.leaving - leaving, adding=self.adding - adding)

    def slash_unbonds(self, infraction_time: int, now: int, ratio_e18: int) -> tuple["Stake", int]:
        """Slash what has left since the fault and is not yet released; each entry's share rounds down, for the user."""
        entries = tuple(
            replace(entry, amount=entry.amount - entry.amount * ratio_e18 // ONE_E18)
            if entry.started_at >= infraction_time and entry.release_at > now
            else entry
            for entry in self.unbonds
        )
        left = replace(self, unbonds=tuple(entry for entry in entries if entry.amount))
        return left, self.unbonding - left.unbonding

    def release(self, now: int) -> tuple["Stake", int]:
        """Give up every entry that has matured, each on its own time."""
        waiting = tuple(entry for entry in self.unbonds if entry.release_at > now)
        left = replace(self, unbonds=waiting)
        return left, self.unbonding - left.unbonding

    def settle(self, points_e18: int) -> "Stake":
        """Credit what the pool has distributed since the last time; must run before `bonded` changes."""
        if points_e18 == self.points_e18:
            return self
        earned = self.bonded * (points_e18 - self.points_e18)
        return replace(self, accrued_e18=self.accrued_e18 + earned, points_e18=points_e18)

    def claim(self) -> tuple["Stake", int]:
        """Take out all whole reward tokens; the fraction stays.

        Raises:
            Rejected: `mesh/no-rewards`.
        """
        whole = self.whole
        if whole == 0:
            raise Rejected(NO_REWARDS)
        return replace(self, accrued_e18=self.accrued_e18 - whole * ONE_E18), whole

    def credit(self, amount: int) -> "Stake":
        """Add whole reward tokens: a claim that was not paid, or what an operator takes."""
        return replace(self, accrued_e18=self.accrued_e18 + amount * ONE_E18)


def cut_unbonds(stakes: dict[str, Stake], amount: int) -> tuple[dict[str, Stake], int]:
    """Take from the pending unbonds of several stakes, latest maturing first; return what changed and what was found."""
    order = sorted(
        ((entry.release_at, key, at) for key, stake in stakes.items() for at, entry in enumerate(stake.unbonds)), reverse=True
    )
    cut: dict[str, dict[int, int]] = {}
    left = amount
    for _, key, at in order:
        if left == 0:
            break
        taken = min(stakes[key].unbonds[at].amount, left)
        cut.setdefault(key, {})[at] = taken
        left -= taken
    changed = {key: _without(stakes[key], takes) for key, takes in cut.items()}
    return changed, amount - left


def _without(stake: Stake, takes: dict[int, int]) -> Stake:
    entries = (replace(entry, amount=entry.amount - takes.get(at, 0)) for at, entry in enumerate(stake.unbonds))
    return replace(stake, unbonds=tuple(entry for entry in entries if entry.amount))
