"""Worlds for tests: each mesh is built and connected once per process; every test gets a copy that shares nothing with another.

A simulated world is copied from a snapshot, which takes milliseconds. A world of processes is started for the test that asks for
it and ends with it.
"""

from functools import cache

import msgspec

from meshsec.world.base import World
from meshsec.world.sim import SimWorld, Snapshot
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec, topology

UNKNOWN_WORLD = "world/unknown-kind"

KINDS = ("sim", "local")


class Opened(msgspec.Struct, frozen=True):
    """A world in the hands of a test."""

    label: str
    """What it is, for people: topology, kind, seed."""
    world: World
    heights: dict[str, int]
    """Chain to height when it was handed out."""


class Shelf:
    """The worlds of one test."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def open(self, mesh: str | MeshSpec, kind: str, seed: int) -> World:
        """Return a connected world of one's own.

        Args:
            mesh: a topology's name, or a description.
            kind: `sim` or `local`.
            seed: of the simulation.

        Raises:
            Rejected: `world/unknown-kind`, `mesh-file/unknown-topology`.
        """
        if kind not in KINDS:
            raise Rejected(UNKNOWN_WORLD, world=str(kind)[:100], known=", ".join(KINDS))
        spec = topology(mesh) if isinstance(mesh, str) else mesh
        world = _simulated(spec, seed) if kind == "sim" else _processes(spec, seed)
        name = mesh if isinstance(mesh, str) else "+".join(world.chains)
        heights = {chain.name: chain.height for chain in world.chains.values()}
        self.opened.append(Opened(f"{name}, {kind}, seed {seed}", world, heights))
        return world

    def close(self) -> None:
        """End all worlds, the youngest first."""
        while self.opened:
            self.opened.pop().world.close()


def _simulated(spec: MeshSpec, seed: int) -> World:
    return SimWorld(spec, seed=seed, start=_connected(codec.encode(spec), seed))


def _processes(spec: MeshSpec, seed: int) -> World:
    from meshsec.world.process import ProcessWorld

    return ProcessWorld(spec, seed=seed)


@cache
def _connected(spec: bytes, seed: int) -> Snapshot:
    return SimWorld(codec.decode(spec, MeshSpec), seed=seed).snapshot("connected")
