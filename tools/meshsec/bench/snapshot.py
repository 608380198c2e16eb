"""Snapshots of a pair with history: how long a save and a revert keep the mesh still, in the simulation and in processes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from meshsec import mesh
from meshsec.bench.figure import Figure, busy_seconds, figure, scaled, seconds
from meshsec.world.base import World
from meshsec.world.process import ProcessWorld
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.types import LinkId, ValidatorId

MILLISECONDS = 1e3
BLOCKS = 200
"""History of every chain when it is saved."""
AHEAD = 10
"""Blocks that every revert gives up."""


def measure(tries: int = 5) -> Iterator[Figure]:
    """Measure `snapshot.save_ms` and `snapshot.revert_ms` of processes, and `snapshot.sim_save_ms` and `snapshot.sim_revert_ms`.

    Args:
        tries: how many times over.
    """
    for prefix, open_world, clock in (("", ProcessWorld, seconds), ("sim_", SimWorld, busy_seconds)):
        opened: AbstractContextManager[World] = open_world("pair")
        with opened as world:
            alice = world.chain("osmosis").user("alice")
            alice.send(mesh.Bond(100_000_000), mesh.StakeRemote(LinkId("juno"), ValidatorId("juno/val-0"), 80_000_000))
            world.mine(BLOCKS)
            world.settle()
            saves = [clock(world.snapshot, "start") for _ in range(tries)]
            yield figure(f"snapshot.{prefix}save_ms", scaled(saves, MILLISECONDS), "ms")
            reverts = []
            for _ in range(tries):
                world.mine(AHEAD)
                world.relay()
                reverts.append(clock(world.revert, "start"))
            yield figure(f"snapshot.{prefix}revert_ms", scaled(reverts, MILLISECONDS), "ms")
