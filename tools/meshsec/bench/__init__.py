"""Measurements of this installation on this machine: `meshsec bench [SUITE]`. One file is one workload, named like its suite.

No test asserts these numbers. Everything is measured several times over and the best try counts: what the machine does when
nobody else uses it. Simulations are measured in processor time, processes in wall time. Where a limit is given, it was measured
in the same run; on a busy machine the ratio of the two says more than either. Start reading at `SUITES`; a new workload is a file
and a row there.
"""

from collections.abc import Callable, Iterator, Mapping

from meshsec.bench import boot, ibc, idle, mesh, mesh_security, sim, snapshot, state, tx
from meshsec.bench.figure import Figure, tell
from meshsec_core.kernel.errors import Rejected

UNKNOWN_SUITE = "bench/unknown-suite"

SUITES: Mapping[str, Callable[[], Iterator[Figure]]] = {
    "sim": sim.measure,
    "state": state.measure,
    "ibc": ibc.measure,
    "tx": tx.measure,
    "mesh": mesh.measure,
    "mesh-security": mesh_security.measure,
    "snapshot": snapshot.measure,
    "idle": idle.measure,
    "boot": boot.measure,
}
"""What can be measured, by name."""


def run(suite: str | None = None) -> list[Figure]:
    """Measure one suite, or all of them; what is under way is told on stderr.

    Raises:
        Rejected: `bench/unknown-suite`.
    """
    if suite and suite not in SUITES:
        raise Rejected(UNKNOWN_SUITE, suite=suite[:50], known=", ".join(SUITES))
    figures = []
    for name in (suite,) if suite else SUITES:
        tell(f"{name} …")
        for figure in SUITES[name]():
            tell(f"  {figure}")
            figures.append(figure)
    return figures
