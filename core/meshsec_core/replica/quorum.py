"""Whether the validators hosted here can decide a block together, and if not, why, in words.

Groups say between whom messages pass: validators of different numbers do not hear each other. Who has no number is with all
others that have none.
"""

from collections.abc import Iterable, Mapping

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import is_quorum
from meshsec_core.replica.voter import Voter

REST = -1
"""Number of the group of those who are in none."""

Groups = Mapping[bytes, int]
"""Consensus address to the number of a group."""


def hears(groups: Groups, speaker: bytes, hearer: bytes) -> bool:
    """Tell whether messages pass between two validators."""
    return groups.get(speaker, REST) == groups.get(hearer, REST)


def strongest_group(validators: ValidatorSet, voters: Iterable[Voter], groups: Groups) -> tuple[int, int]:
    """Return (number, power) of the group whose members that are up have the most power."""
    powers = {REST: 0}
    for voter in voters:
        position = validators.index_of(voter.address)
        if position is not None and voter.conduct.up:
            number = groups.get(voter.address, REST)
            powers[number] = powers.get(number, 0) + validators.roster.powers[position]
    return max(powers.items(), key=lambda item: (item[1], -item[0]))


def want_of_voters(validators: ValidatorSet, voters: Iterable[Voter], groups: Groups) -> str:
    """Say why no block can be decided: who is missing from the strongest group, with how much power; empty if one can."""
    hosted = tuple(voters)
    number, power = strongest_group(validators, hosted, groups)
    total = validators.total_power
    if is_quorum(power, total):
        return ""
    missing: dict[str, list[str]] = {"down": [], "cut off": []}
    for voter in hosted:
        position = validators.index_of(voter.address)
        if position is None or (voter.conduct.up and groups.get(voter.address, REST) == number):
            continue
        missing["cut off" if voter.conduct.up else "down"].append(f"{voter.name} ({validators.roster.powers[position]})")
    said = "; ".join(f"{how}: {', '.join(names)}" for how, names in missing.items() if names)
    return f"only {power} of {total} power can vote together, more than two thirds are needed" + (f"; {said}" if said else "")
