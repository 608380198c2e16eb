"""Stake that crosses: from an order on one chain until it is voting power on the other, between processes."""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

from meshsec.bench.figure import Figure, figure, scaled
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel.errors import InvariantViolated

VALIDATOR = "val-0"
STAKE = 1_000
PATIENCE_SECONDS = 20.0
MILLISECONDS = 1e3


def measure(tries: int = 7) -> Iterator[Figure]:
    """Measure `mesh.remote_stake_ms`, in auto mode; the median, because a relayer looks at its own pace.

    Args:
        tries: how many times over.
    """
    with ProcessWorld("pair") as world:
        world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": str(tries * STAKE)})
        took = []
        for _ in range(tries):
            world.relay()
            took.append(_cross(world))
    yield figure("mesh.remote_stake_ms", scaled(took, MILLISECONDS), "ms", pick=median)


def _cross(world: ProcessWorld) -> float:
    """Lend stake to a validator of juno; return the seconds until the set that votes there shows it."""
    before = _power(world)
    begun = perf_counter()
    order = {"@type": "mesh/StakeRemote", "consumer": "juno", "validator": f"juno/{VALIDATOR}", "amount": str(STAKE)}
    world.osmosis.send("alice", order)
    while _power(world) == before:
        if perf_counter() > begun + PATIENCE_SECONDS:
            raise InvariantViolated("the stake does not arrive")
    return perf_counter() - begun


def _power(world: ProcessWorld) -> int:
    return int(world.juno.find_validator(VALIDATOR)["power"])
