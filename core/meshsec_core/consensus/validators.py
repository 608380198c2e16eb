"""Validator sets: who votes with what power, and whose turn it is.

Laws: members are sorted by power, greatest first, and then by address; powers are not negative and sum to at most
`MAX_TOTAL_POWER`; the priorities' mean is zero up to rounding. A set is a value: every change gives a new one.

Source: cometbft v0.38 types/validator_set.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from meshsec_core.consensus import proposer
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.wire import tendermint as wire
from meshsec_core.kernel.wire.hashes import validators_hash

BAD_KEY = "validators/bad-key"
BAD_POWER = "validators/bad-power"
DUPLICATE = "validators/duplicate"
UNKNOWN = "validators/unknown"
EMPTY = "validators/empty"
TOO_POWERFUL = "validators/total-power-too-high"
WRONG_ADDRESS = "validators/wrong-address"
WRONG_PROPOSER = "validators/wrong-proposer"

MAX_TOTAL_POWER = (2**63 - 1) // 8  # down
"""Leaves room for priorities within int64."""
PUBLIC_KEY_BYTES = 32
ROSTERS_REMEMBERED = 64
"""Sets whose powers do not change come again in every header; some kilobytes each even with 150 members."""

Update = tuple[bytes, int]
"""A consensus public key and its new power; 0 removes the validator."""


@dataclass(frozen=True)
class Roster:
    """The members of a set in its order, without their turns. Successive sets share one while powers do not change."""

    addresses: tuple[bytes, ...]
    public_keys: tuple[bytes, ...]
    powers: tuple[int, ...]
    total_power: int

    @classmethod
    def of(cls, members: Iterable[tuple[bytes, bytes, int]]) -> "Roster":
        """Build from (address, public key, power) in the set's order.

        Raises:
            Rejected: `validators/empty`, `validators/bad-power`, `validators/duplicate`, `validators/total-power-too-high`.
        """
        return _roster(tuple(members))

    @cached_property
    def index(self) -> Mapping[bytes, int]:
        """Address to position."""
        return {address: position for position, address in enumerate(self.addresses)}

    @cached_property
    def hash(self) -> bytes:
        """Merkle root over keys and powers, as it stands in headers."""
        return validators_hash(map(wire.Validator, self.addresses, self.public_keys, self.powers))


@lru_cache(ROSTERS_REMEMBERED)
def _roster(rows: tuple[tuple[bytes, bytes, int], ...]) -> Roster:
    """Do what `Roster.of` says; equal members give the same object, which hashes them once."""
    if not rows:
        raise Rejected(EMPTY)
    addresses, public_keys, powers = zip(*rows, strict=True)
    total_power = sum(powers)
    if min(powers) < 0:
        raise Rejected(BAD_POWER, power=min(powers))
    if total_power > MAX_TOTAL_POWER:
        raise Rejected(TOO_POWERFUL, total_power=total_power, limit=MAX_TOTAL_POWER)
    if not total_power:
        raise Rejected(BAD_POWER, power=0)
    roster = Roster(addresses, public_keys, powers, total_power)
    if len(roster.index) != len(rows):
        raise Rejected(DUPLICATE)
    return roster


@dataclass(frozen=True)
class ValidatorSet:
    """A roster, its priorities, and the member whose turn it is."""

    roster: Roster
    priorities: tuple[int, ...]
    proposer_index: int

    @classmethod
    def genesis(cls, members: Iterable[Update]) -> "ValidatorSet":
        """Build the first set of a chain; it has taken its first turn.

        Raises:
            Rejected: as `update`; a power of 0 is `validators/bad-power`.
        """
        return _changed({}, members).increment()

    @classmethod
    def from_wire(cls, found: wire.ValidatorSet) -> "ValidatorSet":
        """Read a set that somebody sent; its order is kept, for the hash covers it.

        Raises:
            Rejected: `validators/wrong-address` if an address is not its key's, `validators/wrong-proposer` if the proposer is
                missing or no member, and as `Roster.of`.
        """
        return _read(found)

    def to_wire(self) -> wire.ValidatorSet:
        """Return the set as it travels."""
        members = self.validators
        return wire.ValidatorSet(members, members[self.proposer_index], self.total_power)

    @cached_property
    def validators(self) -> tuple[wire.Validator, ...]:
        """The members in order, with their priorities."""
        roster = self.roster
        return tuple(map(wire.Validator, roster.addresses, roster.public_keys, roster.powers, self.priorities))

    @property
    def proposer(self) -> wire.Validator:
        """The member whose turn it is."""
        return self.validators[self.proposer_index]

    @property
    def total_power(self) -> int:
        """Sum of the powers."""
        return self.roster.total_power

    @property
    def hash(self) -> bytes:
        """Merkle root over keys and powers; turns do not change it."""
        return self.roster.hash

    def __len__(self) -> int:
        return len(self.roster.powers)

    def index_of(self, address: bytes) -> int | None:
        """Return a member's position, or None."""
        return self.roster.index.get(address)

    def increment(self, times: int = 1) -> "ValidatorSet":
        """Take turns.

        Raises:
            InvariantViolated: less than one turn.
        """
        if times < 1:
            raise InvariantViolated(f"a set cannot take {times} turns")
        roster = self.roster
        priorities, winner = proposer.settle(self.priorities, roster.total_power), self.proposer_index
        for _ in range(times):
            priorities, winner = proposer.elect(priorities, roster.powers, roster.addresses, roster.total_power)
        return ValidatorSet(roster, tuple(priorities), winner)

    def at_round(self, number: int) -> "ValidatorSet":
        """Return the set of a round of the height whose round 0 this set is: one turn per round.

        CometBFT takes the turns of skipped rounds in one go; taking them one by one makes the proposer independent of the path.
        """
        turns = self._turns
        while len(turns) <= number:
            turns.append(turns[-1].increment())
        return turns[number]

    @cached_property
    def _turns(self) -> "list[ValidatorSet]":
        return [self]

    def update(self, updates: Iterable[Update]) -> "ValidatorSet":
        """Change powers, admit and remove members. Newcomers wait longest; the proposer is whoever has the highest priority.

        Raises:
            Rejected: `validators/bad-key`, `validators/bad-power` (negative), `validators/duplicate` (a key twice),
                `validators/unknown` (removing a stranger), `validators/empty` (nobody left), `validators/total-power-too-high`.
        """
        rows = tuple(updates)
        if not rows:
            return self
        roster = self.roster
        members = zip(roster.addresses, roster.public_keys, roster.powers, self.priorities, strict=True)
        return _changed({member[0]: member for member in members}, rows)

    def next_set(self, updates: Iterable[Update]) -> "ValidatorSet":
        """Return the set of the height after this one: the updates, then one turn."""
        return self.update(updates).increment()


@lru_cache(ROSTERS_REMEMBERED)
def _read(found: wire.ValidatorSet) -> ValidatorSet:
    """Do what `ValidatorSet.from_wire` says, once for equal sets: headers one after another carry the same."""
    for member in found.validators:
        if len(member.public_key) != PUBLIC_KEY_BYTES:
            raise Rejected(BAD_KEY, bytes=len(member.public_key))
        if address_of(member.public_key) != member.address:
            raise Rejected(WRONG_ADDRESS, address=member.address.hex())
    roster = Roster.of((member.address, member.public_key, member.power) for member in found.validators)
    position = None if found.proposer is None else roster.index.get(found.proposer.address)
    if position is None:
        raise Rejected(WRONG_PROPOSER)
    return ValidatorSet(roster, tuple(member.priority for member in found.validators), position)


def _checked(updates: Iterable[Update]) -> dict[bytes, Update]:
    checked: dict[bytes, Update] = {}
    for public_key, power in updates:
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise Rejected(BAD_KEY, bytes=len(public_key))
        address = address_of(public_key)
        if address in checked:
            raise Rejected(DUPLICATE, address=address.hex())
        checked[address] = (public_key, power)
    return checked


_Member = tuple[bytes, bytes, int, int]
"""Address, public key, power, priority."""


def _changed(members: Mapping[bytes, _Member], updates: Iterable[Update]) -> ValidatorSet:
    checked = _checked(updates)
    for address, (_, power) in checked.items():
        if not power and address not in members:
            raise Rejected(UNKNOWN if members else BAD_POWER, address=address.hex(), power=0)
    untouched = [member for address, member in members.items() if address not in checked]
    staying = [(address, public_key, power) for address, (public_key, power) in checked.items() if power]
    leaving = sum(members[address][2] for address, (_, power) in checked.items() if not power)
    before_removals = sum(member[2] for member in untouched) + sum(member[2] for member in staying) + leaving
    start = proposer.newcomer(before_removals)
    changed = [(*member, members[member[0]][3] if member[0] in members else start) for member in staying]
    kept = sorted((*untouched, *changed), key=lambda member: (-member[2], member[0]))
    roster = Roster.of((address, public_key, power) for address, public_key, power, _ in kept)
    priorities = proposer.settle([priority for _, _, _, priority in kept], roster.total_power)
    return ValidatorSet(roster, tuple(priorities), proposer.first(priorities, roster.addresses))
