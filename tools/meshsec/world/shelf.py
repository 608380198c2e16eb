"""Worlds for tests: each mesh is connected once a session; every test gets one that shares nothing with another test's.

A simulated world is copied from a snapshot, which takes milliseconds. A world of processes goes back to the moment when it was
ready, and is handed to the next test; one that cannot go back is ended.
"""

from typing import TYPE_CHECKING

import msgspec

from meshsec.world.base import World
from meshsec.world.chance import Streams
from meshsec.world.sim import SimWorld, Snapshot
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.errors import OutcomeUnknown
from meshsec_sdk.mesh_file import MeshSpec
from meshsec_sdk.mesh_yaml import load

if TYPE_CHECKING:
    from meshsec.world.process import ProcessWorld

UNKNOWN_WORLD = "world/unknown-kind"

KINDS = ("sim", "local")

READY = "handed-out"
"""Snapshot of the moment at which a world of processes was ready."""
BLOCK_MODE = "auto"
"""What a world of processes starts with."""
MOST_IDLE = 2
"""Worlds of processes that are kept for the next test; each takes some 60 MiB per process."""


class Opened(msgspec.Struct, frozen=True):
    """A world in the hands of a test."""

    label: str
    """What it is, for people: topology, kind, seed."""
    world: World
    heights: dict[str, int]
    """Chain to height when it was handed out."""


class Stock:
    """What the tests of one session share: images of connected meshes, and worlds of processes that nobody uses now."""

    def __init__(self) -> None:
        self._connected: dict[tuple[bytes, int], Snapshot] = {}
        self._idle: list[ProcessWorld] = []

    def simulated(self, spec: MeshSpec, seed: int) -> SimWorld:
        """Return a connected world in this process."""
        key = codec.encode(spec), seed
        if key not in self._connected:
            self._connected[key] = SimWorld(spec, seed=seed).snapshot("connected")
        return SimWorld(spec, seed=seed, start=self._connected[key])

    def processes(self, spec: MeshSpec, seed: int) -> World:
        """Return a world of processes that is ready: one that another test has given back, or a new one."""
        from meshsec.world.process import ProcessWorld

        wanted = codec.encode(spec)
        for world in self._idle:
            if codec.encode(world.spec) == wanted:
                self._idle.remove(world)
                world.streams = Streams(seed)
                return world
        world = ProcessWorld(spec, seed=seed)
        world.snapshot(READY)
        return world

    def give_back(self, world: World) -> None:
        """Take a world from a test that has ended, whatever the test has done to it."""
        if isinstance(world, SimWorld):
            return
        from meshsec.world.process import ProcessWorld

        assert isinstance(world, ProcessWorld)
        if not world.is_up or not _goes_back(world):
            world.close()
            return
        self._idle.append(world)
        if len(self._idle) > MOST_IDLE:
            self._idle.pop(0).close()

    def close(self) -> None:
        """End all worlds that wait for a test."""
        while self._idle:
            self._idle.pop().close()


class Shelf:
    """The worlds of one test."""

    def __init__(self, stock: Stock) -> None:
        self.opened: list[Opened] = []
        self._stock = stock

    def open(self, mesh: str | MeshSpec, kind: str, seed: int) -> World:
        """Return a connected world of one's own.

        Args:
            mesh: a topology's name, the path of a mesh file, or a description.
            kind: `sim` or `local`.
            seed: of the simulation.

        Raises:
            Rejected: `world/unknown-kind`, `mesh-file/…`, `yaml/…`.
        """
        if kind not in KINDS:
            raise Rejected(UNKNOWN_WORLD, world=str(kind)[:100], known=", ".join(KINDS))
        spec = load(mesh) if isinstance(mesh, str) else mesh
        world = self._stock.simulated(spec, seed) if kind == "sim" else self._stock.processes(spec, seed)
        name = mesh if isinstance(mesh, str) else "+".join(world.chains)
        heights = {chain.name: chain.height for chain in world.chains.values()}
        self.opened.append(Opened(f"{name}, {kind}, seed {seed}", world, heights))
        return world

    def close(self) -> None:
        """Give all worlds back, the youngest first."""
        while self.opened:
            self._stock.give_back(self.opened.pop().world)


def _goes_back(world: "ProcessWorld") -> bool:
    """Bring a world back to where it was ready; tell whether that was possible."""
    try:
        world.revert(READY)
        for found in world.snapshots():
            if found.name != READY:
                world.forget(found.name)
        for chain in world.chains.values():
            if chain.get("/v1/status")["block_mode"] != BLOCK_MODE:
                chain.post("/v1/dev/block-mode", {"mode": BLOCK_MODE})
    except (Rejected, OutcomeUnknown):
        return False
    return True
