"""The mesh-wide clock: three weeks pass for three chains and their relayer, and light clients stay alive."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from meshsec.bench.figure import Figure, busy_seconds, figure, seconds
from meshsec.bench.resident import processor_seconds
from meshsec.world.base import World
from meshsec.world.process import ProcessWorld
from meshsec.world.sim import SimWorld

JUMP = "21d"


def measure(tries: int = 4, mesh: str = "triangle", processes: bool = True) -> Iterator[Figure]:
    """Measure `clock.sim_advance_21d_s`, and of processes `clock.advance_21d_s` and `clock.advance_21d_cpu_s`, the processor time
    of all of them together.

    Args:
        tries: how many times over.
        mesh: whose clock it is.
        processes: whether a mesh of processes is measured too.
    """
    opened: AbstractContextManager[World] = SimWorld(mesh)
    with opened as world:
        yield figure("clock.sim_advance_21d_s", [busy_seconds(world.advance, JUMP) for _ in range(tries)], "s")
    if processes:
        with ProcessWorld(mesh) as running:
            took, used = [], []
            for _ in range(tries):
                running.settle()
                children = running.home.running().children.values()
                begun = sum(map(processor_seconds, children))
                took.append(seconds(running.advance, JUMP))
                used.append(sum(map(processor_seconds, children)) - begun)
        yield figure("clock.advance_21d_s", took, "s")
        yield figure("clock.advance_21d_cpu_s", used, "s")
