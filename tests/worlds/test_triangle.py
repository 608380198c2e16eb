"""Three chains that all secure each other at once."""

import pytest

from meshes import Watched, supply
from meshsec.mesh import Bond, StakeRemote
from meshsec.world.sim import SimWorld

MILLION = 1_000_000
LENT = {
    ("osmosis", "juno"): 60 * MILLION,
    ("osmosis", "axelar"): 80 * MILLION,
    ("juno", "osmosis"): 30 * MILLION,
    ("juno", "axelar"): 20 * MILLION,
    ("axelar", "osmosis"): 10 * MILLION,
    ("axelar", "juno"): 40 * MILLION,
}
OWN = {"osmosis": 1_000 * MILLION, "juno": 100 * MILLION, "axelar": 100 * MILLION}
SLASHED = 20
"""A double sign costs a twentieth, 5 %."""


@pytest.fixture
def lent() -> SimWorld:
    """Everybody lends to everybody in the same blocks."""
    world = Watched("triangle", connect=False)
    world.relay()
    for name in world.chains:
        world.chain(name).user("alice").send(Bond(100 * MILLION))
    for (lender, borrower), amount in LENT.items():
        world.chain(lender).user("alice").send(StakeRemote(borrower, f"{borrower}/val-0", amount))
    world.settle()
    return world


def power(world: SimWorld, chain: str) -> int:
    return int(world.chain(chain).find_validator("val-0")["power"])


def supplies(world: SimWorld) -> dict[str, int]:
    """How much of its own coin every chain has, virtual stake included."""
    return {name: supply(chain, chain.names.denom) for name, chain in world.chains.items()}


def vault(world: SimWorld, chain: str) -> tuple[int, int, int]:
    """(collateral, free at least, free at most) of alice."""
    found = world.chain(chain).query("mesh/provider", "vault", user="alice")
    return int(found["collateral"]), int(found["free"]["low"]), int(found["free"]["high"])


def test_six_links_carry_stake_at_once_and_powers_add_up(lent: SimWorld) -> None:
    for borrower, own in OWN.items():
        borrowed = {lender: amount for (lender, to), amount in LENT.items() if to == borrower}
        assert power(lent, borrower) == own + sum(borrowed.values())
        virtual = lent.chain(borrower).find_validator("val-0")["virtual"]
        assert sorted(map(int, virtual.values())) == sorted(borrowed.values())
    for lender in OWN:
        most = max(amount for (by, _), amount in LENT.items() if by == lender)
        assert vault(lent, lender) == (100 * MILLION, 100 * MILLION - most, 100 * MILLION - most)


def test_a_fault_on_one_chain_costs_its_lenders_what_they_lent_there_and_nobody_else(lent: SimWorld) -> None:
    """Given juno/val-0 is backed by 100 of its own, 60 of osmosis and 40 of axelar
    When it signs two blocks of one height
    Then 5 % burn of each, what juno lends to others stays, and no other validator's power moves
    """
    before = supplies(lent)
    others = {name: power(lent, name) for name in ("osmosis", "axelar")}
    lent.fault("double-sign", "juno/val-0")
    lent.settle()

    assert lent.juno.find_validator("val-0")["tombstoned"] is True
    assert power(lent, "juno") == 0
    assert vault(lent, "osmosis") == (97 * MILLION, 17 * MILLION, 17 * MILLION)  # 5 % of 60 burnt; 80 lent to axelar
    assert vault(lent, "axelar") == (98 * MILLION, 60 * MILLION, 60 * MILLION)  # 5 % of 40 burnt; 38 still lent to juno
    assert vault(lent, "juno") == (100 * MILLION, 70 * MILLION, 70 * MILLION)
    assert {name: power(lent, name) for name in others} == others
    burnt = {name: before[name] - left for name, left in supplies(lent).items()}
    assert burnt["osmosis"] == LENT["osmosis", "juno"] // SLASHED
    assert burnt["axelar"] == LENT["axelar", "juno"] // SLASHED
    assert burnt["juno"] == OWN["juno"] // SLASHED + 60 * MILLION + 40 * MILLION  # virtual stake leaves with its validator
