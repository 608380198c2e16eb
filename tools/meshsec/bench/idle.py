"""A mesh that has nothing to do: memory of its processes, and how much of a processor its relayer takes."""

from collections.abc import Iterator
from time import sleep

from meshsec.bench.figure import Figure, figure
from meshsec.bench.resident import processor_seconds, resident_mib
from meshsec.world.process import ProcessWorld

REST_SECONDS = 10.0
PERCENT = 100


def measure() -> Iterator[Figure]:
    """Measure `idle.chain_mib`, `idle.relayer_mib`, `idle.gateway_mib` and `idle.relayer_percent` (of a core) of a connected
    triangle; of several processes the largest.

    Raises:
        Rejected: `bench/unsupported` where there is no `/proc`.
    """
    with ProcessWorld("triangle") as world:
        world.relay()
        children = world.home.running().children
        relayers = [children[f"relayer-{name}"] for name in world.spec.relayers]
        begun = [processor_seconds(pid) for pid in relayers]
        sleep(REST_SECONDS)
        busy = [processor_seconds(pid) - before for pid, before in zip(relayers, begun, strict=True)]
        yield figure("idle.chain_mib", [max(resident_mib(children[name]) for name in world.chains)], "MiB")
        yield figure("idle.relayer_mib", [max(map(resident_mib, relayers))], "MiB")
        yield figure("idle.gateway_mib", [resident_mib(children["gateway"])], "MiB")
    yield figure("idle.relayer_percent", [max(busy) / REST_SECONDS * PERCENT], "%")
