"""What surety promises, on meshes of real chains. Amounts are worked out by hand: one coin is worth 0.5 less a tenth, 0.45."""

import pytest
import surety
from surety import GiveNotice, Pledge, Reclaim

from meshsec.purity import assert_pure
from meshsec.pytest_plugin import MeshFactory
from meshsec.world.base import World
from meshsec_sdk.errors import TxRejected

MESH = "../mesh.yaml"
COINS = 1_000_000_000
"""What every user has at first."""

pytestmark = pytest.mark.mesh(topology=MESH)


def powers(world: World) -> list[int]:
    return [int(world.juno.find_validator(f"val-{index}")["power"]) for index in range(3)]


def pledge(world: World, amount: int, validator: str = "val-0") -> None:
    world.osmosis.user("alice").send(Pledge("juno", f"juno/{validator}", amount))
    world.settle()


def standing(world: World) -> int:
    return sum(int(held["standing"]) for held in world.osmosis.query("surety/provider", "sureties", user="alice").values())


def test_every_validator_computes_the_same() -> None:
    assert_pure(surety)


def test_a_pledge_gives_power_on_the_other_chain_and_notice_takes_it_away(mesh_world: World) -> None:
    pledge(mesh_world, 100_000_000)
    assert powers(mesh_world) == [145_000_000, 100_000_000, 100_000_000]
    shown = mesh_world.juno.find_validator("val-0")
    assert (shown["native"], list(shown["virtual"].values())) == ("100000000", ["45000000"])

    mesh_world.osmosis.user("alice").send(GiveNotice("juno", "juno/val-0", 40_000_000))
    mesh_world.settle()
    assert powers(mesh_world)[0] == 127_000_000


def test_a_double_sign_costs_whoever_stands_and_whoever_is_leaving_a_tenth(mesh_world: World) -> None:
    pledge(mesh_world, 100_000_000)
    mesh_world.osmosis.user("alice").send(GiveNotice("juno", "juno/val-0", 40_000_000))
    mesh_world.settle()
    at_stake = mesh_world.osmosis.query("surety/measures", "at-stake", consumer="juno", validator="juno/val-0")
    assert at_stake == {"standing": "60000000", "loss": "6000000"}

    mesh_world.fault("double-sign", "juno/val-0")
    mesh_world.settle()

    (left,) = mesh_world.osmosis.query("surety/provider", "sureties", user="alice").values()
    assert (left["standing"], left["leaving"]) == ("54000000", "36000000")
    assert powers(mesh_world)[0] == 0
    with pytest.raises(TxRejected) as refused:
        mesh_world.osmosis.user("alice").send(Pledge("juno", "juno/val-0", 1))
    assert refused.value.code == "surety/guilty"


def test_coins_are_free_when_the_notice_has_run_out_and_not_a_moment_before(mesh_world: World) -> None:
    alice = mesh_world.osmosis.user("alice")
    pledge(mesh_world, 100)
    alice.send(GiveNotice("juno", "juno/val-0", 100))
    mesh_world.advance("20d")
    with pytest.raises(TxRejected) as early:
        alice.send(Reclaim("juno", "juno/val-0"))
    assert early.value.code == "surety/nothing-free"
    mesh_world.advance("1d")
    mesh_world.fault("double-sign", "juno/val-0")  # too late to reach her
    mesh_world.settle()
    alice.send(Reclaim("juno", "juno/val-0"))
    assert alice.balance() == COINS


def test_power_ends_at_the_cap_and_what_can_be_lost_does_not(mesh_world: World) -> None:
    for name in ("alice", "bob", "carol"):
        mesh_world.osmosis.user(name).send(Pledge("juno", "juno/val-0", COINS))
    mesh_world.settle()
    assert powers(mesh_world)[0] == 100_000_000 + 1_000_000_000
    at_stake = mesh_world.osmosis.query("surety/measures", "at-stake", consumer="juno", validator="juno/val-0")
    assert at_stake["loss"] == "300000000"


def test_news_of_a_fault_waits_for_a_relayer_that_is_away(mesh_world: World) -> None:
    pledge(mesh_world, 1_000)
    mesh_world.relayer("stop")
    mesh_world.fault("double-sign", "juno/val-0")
    mesh_world.advance("2h")  # longer than the packet lives: it is sent again
    mesh_world.relayer("start")
    mesh_world.settle()
    assert standing(mesh_world) == 900


def test_two_futures_of_one_mesh_do_not_know_of_each_other(mesh_factory: MeshFactory) -> None:
    honest, betrayed = mesh_factory(), mesh_factory()
    for world in (honest, betrayed):
        pledge(world, 1_000)
    betrayed.fault("double-sign", "juno/val-0")
    for world in (honest, betrayed):
        world.settle()
    left = [standing(world) for world in (honest, betrayed)]
    assert left == [1_000, 900]


@pytest.mark.mesh(topology=MESH, world="local")
def test_real_processes_run_the_same_file(mesh_world: World) -> None:
    pledge(mesh_world, 100_000_000)
    assert powers(mesh_world) == [145_000_000, 100_000_000, 100_000_000]
    mesh_world.fault("double-sign", "juno/val-0")
    mesh_world.settle()
    assert standing(mesh_world) == 90000000
