"""How costs grow with size, in simulations: validators of a chain, chains of a mesh, keys of a store, users of a vault.

Meshes of many chains are stars: every chain but the first has a link to the first. In a full mesh links grow as the square of
chains, and all that is done for each of them does too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from meshsec.bench import mesh_security, state
from meshsec.bench.curves import Curve, Point, fit
from meshsec.bench.figure import busy_seconds, tell
from meshsec.bench.meshes import one_chain, sized
from meshsec.world.sim import SimWorld

MILLISECONDS = 1e3
TRIES = 3
WARM_BLOCKS = 5
WRITES = 100
"""Of a block, whatever the size of the store."""
VALIDATORS = 50
"""Of each chain that users lend to."""

Sizes = Mapping[str, tuple[int, ...]]

SIZES: Sizes = {
    "validators": (4, 10, 25, 50, 100),
    "chains": (2, 4, 8, 16),
    "keys": (1_000, 10_000, 100_000, 1_000_000),
    "users": (10, 100, 1_000, 10_000),
}
SMALL: Sizes = {"validators": (4, 7), "chains": (2, 3, 4), "keys": (200, 400), "users": (5, 10)}
"""Too small to learn anything from."""


def run(sizes: Sizes = SIZES, tries: int = TRIES, told: Callable[[str], object] = tell) -> list[Curve]:
    """Measure curves.

    Args:
        sizes: of each kind, in order.
        tries: how many times over, where that is not a matter of minutes.
        told: is told what is under way; on stderr by default.
    """
    curves = []
    for kind, measure in _KINDS.items():
        told(f"{kind} …")
        found: dict[tuple[str, str, str], list[Point]] = {}
        for size in sizes[kind]:
            for name, unit, of, point in measure(size, tries):
                told(f"  {name} of {point.size:,} {of}: {point.cost:,g} {unit}")
                found.setdefault((name, unit, of), []).append(point)
        curves += [fit(name, of, unit, points) for (name, unit, of), points in found.items()]
    return curves


Measured = Iterator[tuple[str, str, str, Point]]
"""Name of a curve, its unit, what it is over, and a point."""


def _point(size: int, costs: Sequence[float], factor: float = 1.0) -> Point:
    return Point(size, float(f"{min(costs) * factor:.4g}"))


def _validators(size: int, tries: int) -> Measured:
    world = SimWorld(sized(one_chain(), "osmosis", size))
    world.mine(WARM_BLOCKS)
    yield "a block", "ms", "validators", _point(size, [busy_seconds(world.mine) for _ in range(2 * tries)], MILLISECONDS)


def _chains(size: int, tries: int) -> Measured:
    opened = [busy_seconds(SimWorld, f"star:{size}") for _ in range(tries)]
    yield "open all channels", "ms", "links", _point(size - 1, opened, MILLISECONDS)
    world = SimWorld(f"star:{size}")
    mined = [busy_seconds(world.mine) for _ in range(2 * tries)]
    yield "a block of every chain", "ms", "chains", _point(size, mined, MILLISECONDS)


def _keys(size: int, tries: int) -> Measured:
    figures = {figure.name: figure.value for figure in state.tree(tries, size, WRITES)}
    yield "write a key", "us", "keys", _point(size, [figures["state.write_us"]])
    yield "prove a key", "us", "keys", _point(size, [figures["state.prove_us"]])


def _users(size: int, tries: int) -> Measured:  # noqa: ARG001
    figures = {figure.name: figure.value for figure in mesh_security.slash(size, VALIDATORS)}
    yield "slash all who lend", "ms", "users", _point(size, [figures["mesh-security.slash_ms"]])


_KINDS: Mapping[str, Callable[[int, int], Measured]] = {
    "validators": _validators,
    "chains": _chains,
    "keys": _keys,
    "users": _users,
}
