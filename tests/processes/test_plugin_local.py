"""The pytest plugin gives meshes of processes too: booted once, brought back between tests, ended with the session."""

from collections.abc import Iterator

import pytest

from meshsec.mesh import Bond
from meshsec.pytest_plugin import MeshFactory
from meshsec.world.chance import Streams
from meshsec.world.process import ProcessWorld
from meshsec.world.shelf import Shelf, Stock
from meshsec_sdk.mesh_file import USER_COINS


@pytest.fixture
def stock() -> Iterator[Stock]:
    made = Stock()
    yield made
    made.close()


def take(shelf: Shelf) -> ProcessWorld:
    world = shelf.open("pair", "local", 0)
    assert isinstance(world, ProcessWorld)
    return world


@pytest.mark.mesh(topology="pair", world="local")
def test_a_marked_test_gets_a_mesh_of_processes(mesh_factory: MeshFactory) -> None:
    world = mesh_factory()
    assert isinstance(world, ProcessWorld)
    world.osmosis.user("alice").send(Bond(100))
    world.settle()
    assert world.osmosis.user("alice").balance() == USER_COINS - 100


def test_one_booted_mesh_serves_many_tests_and_none_sees_what_another_did(stock: Stock) -> None:
    first = Shelf(stock)
    world = take(first)
    pids, clock = dict(world.home.running().children), world.logical_time()
    world.osmosis.user("alice").send(Bond(100))
    world.snapshot("mine")
    world.advance("21d")
    world.fault("double-sign", "juno/val-0")
    world.settle()
    world.juno.post("/v1/dev/block-mode", {"mode": "manual"})
    world.relayer("stop")
    first.close()

    second = Shelf(stock)
    again, other = take(second), take(second)
    assert (again, dict(again.home.running().children)) == (
        world,
        pids | {"relayer-main": again.home.running().children["relayer-main"]},
    )
    assert other is not world
    assert other.home.path != world.home.path
    assert again.osmosis.user("alice").balance() == USER_COINS
    assert again.juno.find_validator("val-0")["tombstoned"] is False
    assert again.juno.get("/v1/status")["block_mode"] == "auto"
    assert again.logical_time() - clock < 86_400 * 10**9
    assert [found.name for found in again.snapshots()] == ["handed-out"]
    again.osmosis.user("alice").send(Bond(7))
    again.settle()
    second.close()


def test_a_mesh_that_is_handed_on_draws_from_the_seed_of_whoever_has_it(stock: Stock) -> None:
    first, second = Shelf(stock), Shelf(stock)
    world = first.open("pair", "local", 7)
    assert world.chance("who").random() == Streams(7).of("who").random()
    first.close()
    again = second.open("pair", "local", 8)
    assert (again, again.seed) == (world, 8)
    assert again.chance("who").random() == Streams(8).of("who").random()
    second.close()


def test_a_mesh_that_a_test_has_ended_is_not_handed_out_again(stock: Stock) -> None:
    shelf = Shelf(stock)
    world = take(shelf)
    world.close()
    shelf.close()
    assert take(shelf) is not world
    shelf.close()


def test_a_mesh_of_processes_ends_with_the_session(stock: Stock) -> None:
    shelf = Shelf(stock)
    world = take(shelf)
    shelf.close()
    assert world.home.path.exists()
    stock.close()
    assert not world.home.path.exists()
