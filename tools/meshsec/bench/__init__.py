"""Measurements of this installation on this machine: `meshsec bench [SUITE]`. One file is one workload, named like its suite.

No test asserts these numbers. Everything is measured several times over and the best try counts: what the machine does when
nobody else uses it. Simulations are measured in processor time, processes in wall time. Where a limit is given, it was measured
in the same run; on a busy machine the ratio of the two says more than either. Start reading at `SUITES`; a new workload is a file
and a row there.
"""

from collections.abc import Callable, Iterator, Mapping

from meshsec.bench import block, boot, clock, growth, ibc, idle, limits, mesh, mesh_security, sim, snapshot, state, tx
from meshsec.bench.figure import Figure, tell
from meshsec_core.kernel.errors import Rejected

UNKNOWN_SUITE = "bench/unknown-suite"

SCALE = "scale"
"""What is measured over sizes and is no suite."""

SUITES: Mapping[str, Callable[[], Iterator[Figure]]] = {
    "limits": limits.measure,
    "sim": sim.measure,
    "state": state.measure,
    "ibc": ibc.measure,
    "tx": tx.measure,
    "block": block.measure,
    "mesh": mesh.measure,
    "mesh-security": mesh_security.measure,
    "snapshot": snapshot.measure,
    "clock": clock.measure,
    "idle": idle.measure,
    "boot": boot.measure,
    "growth": growth.measure,  # last: it takes longer than all others together
}
"""What can be measured, by name."""


def named(suite: str = "") -> tuple[str, ...]:
    """Return the suites that are meant: one, or all of them.

    Raises:
        Rejected: `bench/unknown-suite`.
    """
    if suite and suite not in SUITES:
        raise Rejected(UNKNOWN_SUITE, suite=suite[:50], known=", ".join((*SUITES, SCALE)))
    return (suite,) if suite else tuple(SUITES)


def run(suite: str = "", told: Callable[[str], object] = tell) -> Iterator[Figure]:
    """Measure one suite, or all of them; each figure comes as soon as it is known.

    Args:
        suite: its name.
        told: is told what is under way; on stderr by default.

    Raises:
        Rejected: `bench/unknown-suite`.
    """
    for name in named(suite):
        told(f"{name} …")
        for figure in SUITES[name]():
            told(f"  {figure}")
            yield figure
