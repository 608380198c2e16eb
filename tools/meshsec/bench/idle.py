"""Memory of a mesh that has nothing to do: resident set of its processes, as Linux counts it."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

from meshsec.bench.figure import Figure, figure
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel.errors import Rejected

UNSUPPORTED = "bench/unsupported"

REST_SECONDS = 2.0
KIB_PER_MIB = 1_024


def measure() -> Iterator[Figure]:
    """Measure `idle.chain_mib`, `idle.relayer_mib` and `idle.gateway_mib` of a connected pair; of two chains the larger.

    Raises:
        Rejected: `bench/unsupported` where there is no `/proc`.
    """
    with ProcessWorld("pair") as world:
        world.relay()
        sleep(REST_SECONDS)
        children = world.home.running().children
        chains = [resident_mib(children[name]) for name in world.chains]
        relayers = [resident_mib(children[f"relayer-{name}"]) for name in world.spec.relayers]
        gateway = resident_mib(children["gateway"])
    yield figure("idle.chain_mib", max(chains), "MiB")
    yield figure("idle.relayer_mib", max(relayers), "MiB")
    yield figure("idle.gateway_mib", gateway, "MiB")


def resident_mib(pid: int) -> float:
    """Return the resident set of a process, pages shared with others included.

    Raises:
        Rejected: `bench/unsupported`.
    """
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise Rejected(UNSUPPORTED, needs="/proc")
    sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(sizes["VmRSS"].split()[0]) / KIB_PER_MIB
