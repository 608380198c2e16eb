"""Empty blocks of a simulated mesh: what consensus, execution and bookkeeping add to the signatures of four validators."""

from collections.abc import Iterator

from meshsec.bench import signatures
from meshsec.bench.figure import Figure, Limit, busy_seconds, figure
from meshsec.world.sim import SimWorld


def measure(tries: int = 8, blocks: int = 200) -> Iterator[Figure]:
    """Measure `sim.blocks_per_s`, on two chains in turn.

    Args:
        tries: how many times over.
        blocks: of each chain in each try.
    """
    world = SimWorld("pair", connect=False)
    world.mine(20)
    limits, values = [], []
    for _ in range(tries):
        limits.append(signatures.blocks_per_s(blocks))
        values.append(blocks * len(world.chains) / busy_seconds(world.mine, blocks))
    yield figure("sim.blocks_per_s", values, "blocks/s", Limit.of(limits))
