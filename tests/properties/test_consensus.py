"""Agreement, validity and termination of whole heights under an adversary with less than a third of the power."""

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


def check(network: Network) -> None:
    """Nobody disagrees, what is decided is valid and was proposed, and only liars are accused."""
    blocks = list(dict.fromkeys(network.decided.values()))
    assert len(blocks) <= 1
    assert all(network.validity[block] for block in blocks)
    assert network.accused <= set(network.liars)


@pytest.mark.parametrize(("powers", "liars"), WORLDS)
def test_all_honest_validators_decide_one_valid_block_whatever_the_order_of_messages(
    powers: tuple[int, ...], liars: tuple[int, ...]
) -> None:
    for seed in range(200):
        network = Network(seed, powers, liars)
        network.run_any_order(60 * len(powers))
        check(network)
        network.heal(rounds=4 * len(powers))
        check(network)
        assert not network.undecided, f"seed {seed}"


@pytest.mark.parametrize(("powers", "liars"), WORLDS)
def test_all_honest_validators_decide_one_valid_block_after_rounds_that_reach_only_some(
    powers: tuple[int, ...], liars: tuple[int, ...]
) -> None:
    for seed in range(200):
        network = Network(seed, powers, liars)
        network.run_waves(6)
        check(network)
        network.heal(rounds=4 * len(powers))
        check(network)
        assert not network.undecided, f"seed {seed}"


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
