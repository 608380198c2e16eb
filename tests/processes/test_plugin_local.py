"""The pytest plugin gives meshes of processes too; they end with their test."""

import pytest

from meshsec.mesh import Bond
from meshsec.pytest_plugin import MeshFactory
from meshsec.world.process import ProcessWorld
from meshsec.world.shelf import Shelf
from meshsec_sdk.mesh_file import USER_COINS


@pytest.mark.mesh(topology="pair", world="local")
def test_a_marked_test_gets_a_mesh_of_processes(mesh_factory: MeshFactory) -> None:
    world = mesh_factory()
    assert isinstance(world, ProcessWorld)
    world.osmosis.user("alice").send(Bond(100))
    world.settle()
    assert world.osmosis.user("alice").balance() == USER_COINS - 100


def test_a_mesh_of_processes_ends_with_the_shelf_that_gave_it() -> None:
    shelf = Shelf()
    world = shelf.open("pair", "local", 0)
    assert isinstance(world, ProcessWorld)
    assert world.home.path.exists()
    shelf.close()
    assert not world.home.path.exists()
