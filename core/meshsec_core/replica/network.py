"""The validators hosted here and the network between them: who hears whom, and whether enough do to decide a block.

Whoever is in no group of a partition forms a last one with all others that are in none.
"""

from collections.abc import Mapping, Sequence

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import is_quorum
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.voter import Voter

UNKNOWN_VALIDATOR = "dev/unknown-validator"
BAD_PARTITION = "dev/bad-partition"

REST = -1
"""Number of the group of those who are in none."""


class Network:
    """Validators by name, and the groups inside which messages pass."""

    def __init__(self, voters: tuple[Voter, ...]) -> None:
        self.voters = voters
        self._groups: Mapping[bytes, int] = {}

    @property
    def whole(self) -> bool:
        """Whether everybody hears everybody."""
        return not self._groups

    def find(self, name: str) -> Voter:
        """Return a validator by name.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        for voter in self.voters:
            if voter.name == name:
                return voter
        raise Rejected(UNKNOWN_VALIDATOR, validator=name[:100], known=", ".join(voter.name for voter in self.voters))

    def chosen(self, name: str | None) -> tuple[Voter, ...]:
        """Return one validator by name, or all.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        return self.voters if name is None else (self.find(name),)

    @property
    def faults(self) -> list[str]:
        """Say what is broken: a kind and the validators that it has struck, such as `slow: val-0, val-2`; and the partition."""
        struck: dict[str, list[str]] = {}
        for voter in self.voters:
            for kind in voter.faults:
                struck.setdefault(kind, []).append(voter.name)
        said = [f"{kind}: {', '.join(names)}" for kind, names in sorted(struck.items())]
        return said if self.whole else [*said, "partition"]

    def split(self, groups: Sequence[Sequence[str]]) -> None:
        """Let messages pass only inside groups; without groups everywhere.

        Raises:
            Rejected: `dev/unknown-validator`, `dev/bad-partition` if somebody is in two groups; nothing changes.
        """
        members: dict[bytes, int] = {}
        for number, names in enumerate(groups):
            for name in names:
                if members.setdefault(self.find(name).address, number) != number:
                    raise Rejected(BAD_PARTITION, validator=name, reason="in two groups")
        self._groups = members

    def hears(self, speaker: bytes, hearer: bytes) -> bool:
        """Tell whether messages pass between two consensus addresses."""
        return self._groups.get(speaker, REST) == self._groups.get(hearer, REST)

    def strongest(self, validators: ValidatorSet) -> tuple[int, int]:
        """Return (number, power) of the group whose members that are up have the most power in a set."""
        powers = {REST: 0}
        for voter, power in self._members(validators):
            if voter.conduct.up:
                number = self._groups.get(voter.address, REST)
                powers[number] = powers.get(number, 0) + power
        return max(powers.items(), key=lambda item: (item[1], -item[0]))

    def want(self, validators: ValidatorSet) -> str:
        """Say why a set can decide no block: who is missing from the strongest group, with how much power; empty if it can."""
        number, power = self.strongest(validators)
        if is_quorum(power, validators.total_power):
            return ""
        missing: dict[str, list[str]] = {"down": [], "cut off": []}
        for voter, lost in self._members(validators):
            if not voter.conduct.up:
                missing["down"].append(f"{voter.name} ({lost})")
            elif self._groups.get(voter.address, REST) != number:
                missing["cut off"].append(f"{voter.name} ({lost})")
        said = [f"only {power} of {validators.total_power} power can vote together, more than two thirds are needed"]
        return "; ".join(said + [f"{how}: {', '.join(names)}" for how, names in missing.items() if names])

    def _members(self, validators: ValidatorSet) -> list[tuple[Voter, int]]:
        """Return the validators of a set that are hosted here, with their powers in it."""
        found = ((voter, validators.index_of(voter.address)) for voter in self.voters)
        return [(voter, validators.roster.powers[position]) for voter, position in found if position is not None]
