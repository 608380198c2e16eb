"""Agreement, validity and termination of whole heights under an adversary with less than a third of the power, and how they fail
when it has more.
"""

import os
from collections.abc import Callable

import pytest

from networks import Network

WORLDS = [
    ((1, 1, 1, 1), ()),
    ((1, 1, 1, 1), (3,)),
    ((1, 1, 1, 1), (0,)),
    ((5, 4, 4, 3), (0,)),
    ((40, 30, 20, 11), (1,)),
    ((1, 1, 1, 1, 1, 1, 1), (1, 4)),
]
"""Powers and the positions of the liars, who have less than a third."""


SEEDS = int(os.environ.get("MESHSEC_SEEDS", "200"))
"""How many networks each test tries in each world; `make long` tries thousands."""

SCHEDULES: dict[str, Callable[[Network], None]] = {
    "any order": lambda network: network.run_any_order(60 * len(network.validators)),
    "waves": lambda network: network.run_waves(6),
    "an attack on agreement": lambda network: network.attack(10),
}


def forked(network: Network) -> bool:
    return len(set(network.decided.values())) > 1


def check(network: Network) -> None:
    """Nobody disagrees, what is decided is valid and was proposed, nobody honest votes twice, and only liars are accused."""
    assert not forked(network)
    assert all(network.validity[block] for block in network.decided.values())
    assert network.double_votes() == []
    assert network.accused <= set(network.liars)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("powers", "liars"), WORLDS)
def test_all_honest_validators_decide_one_valid_block_whatever_the_adversary_does(
    powers: tuple[int, ...], liars: tuple[int, ...], schedule: str
) -> None:
    for seed in range(SEEDS):
        network = Network(seed, powers, liars)
        SCHEDULES[schedule](network)
        check(network)
        network.heal(rounds=4 * len(powers))
        check(network)
        assert not network.undecided, f"seed {seed}"


@pytest.mark.parametrize(("powers", "liars"), [((1, 1, 1, 1), (0, 3)), ((1,) * 7, (0, 2, 5)), ((3, 2, 2, 2), (0, 1))])
def test_with_more_power_than_a_third_the_same_adversary_forks_the_chain(powers: tuple[int, ...], liars: tuple[int, ...]) -> None:
    forks = 0
    for seed in range(20):
        network = Network(seed, powers, liars)
        network.attack(10)
        forks += forked(network)
        assert network.double_votes() == []
    assert forks > 0


@pytest.mark.parametrize("powers", [(1, 1, 1), (2, 2, 1, 1), (4, 3, 3, 2)])
def test_a_third_of_the_power_that_says_nothing_keeps_everybody_from_deciding(powers: tuple[int, ...]) -> None:
    network = Network(0, powers, (0,))
    network.heal(rounds=40)
    assert network.decided == {}


def test_a_height_without_trouble_takes_one_round_and_accuses_nobody() -> None:
    network = Network(0, (1, 1, 1, 1))

    network.heal(rounds=1)
    assert len(network.decided) == 4
    assert {machine.round for machine in network.machines.values()} == {0}
    assert not network.accused


def test_the_same_seed_gives_the_same_history() -> None:
    def history(seed: int) -> list[object]:
        network = Network(seed, (1, 1, 1, 1), (2,))
        network.run_waves(4)
        network.run_any_order(200)
        return [*network.said, *network.decided.items()]

    assert history(11) == history(11)
    assert history(11) != history(12)
