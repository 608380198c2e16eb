"""Loads a triangle for a long time and claims that memory stays flat: `python -m torture.endurance --minutes 30`.

Nobody is killed here. Memory is sampled for every process; what it holds at the end of the warm-up is compared with what it holds
at the end. A chain may grow with its state alone: every packet leaves a receipt, an acknowledgement and consensus states there.
Disk is sampled for every chain. Exit codes: 0 the claims hold, 1 one does not.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

from meshsec.bench.resident import resident_mib
from meshsec.home import Home
from torture.load import Load
from torture.mesh import MortalMesh

SAMPLE_SECONDS = 2.0
WARM_UP = 0.5
"""Part of the time after which caches (20,000 verdicts on signatures) and the window of provable states are full."""
KEY_KIB = 1.5
"""What a key of the state may take, its value, its leaf, and its part of the heights that are kept included."""
ENDS = 10
"""Samples at either end whose median is compared."""
KIB = 1_024


class Sample(NamedTuple):
    """What a mesh takes at one moment."""

    transfers: int
    memory: dict[str, float]
    """Process to MiB."""
    disk: dict[str, int]
    """Chain to bytes."""
    keys: dict[str, int]
    """Chain to keys of its state."""


def metrics(url: str) -> dict[str, int]:
    """Read what a chain tells Prometheus; samples of several labels are added up."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text):
        for line in family.samples:
            found[line.name] += int(line.value)
    return found


def sample(mesh: MortalMesh, load: Load) -> Sample:
    """Look once."""
    disk = {name: sum(file.stat().st_size for file in mesh.home.chain(name).iterdir()) for name in mesh.world.chains}
    told = {name: metrics(url) for name, url in mesh.home.running().endpoints.chains.items()}
    keys = {name: found["meshsec_state_keys"] for name, found in told.items()}
    memory = {name: resident_mib(pid) for name, pid in mesh.children.items()}
    return Sample(load.included, memory, disk, keys)


def endure(mesh: MortalMesh, load: Load, seconds: float) -> list[Sample]:
    """Sample a mesh under load for so long; then let it come to rest and check every law.

    Raises:
        InvariantViolated: a law does not hold.
    """
    samples, clock = [], threading.Event()
    with load:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not load.failed:
            samples.append(sample(mesh, load))
            _tell(samples[-1], end - time.monotonic())
            clock.wait(SAMPLE_SECONDS)
        with load.paused():
            mesh.world.settle()
    if load.failed:
        raise load.failed[0]
    return samples


def _tell(found: Sample, left: float) -> None:
    if sys.stdout.isatty() or int(left) % 60 < SAMPLE_SECONDS:
        memory = ", ".join(f"{name} {size:.0f}" for name, size in found.memory.items())
        print(
            f"{left / 60:5.1f} min left, {found.transfers:,} transfers, {sum(found.keys.values()):,} keys, MiB: {memory}",
            flush=True,
        )


def growth(values: Sequence[float]) -> tuple[float, float]:
    """Return what was held at the end of the warm-up, and by how much more at the end."""
    warm = values[int(len(values) * WARM_UP) :]
    before = statistics.median(warm[:ENDS])
    return before, statistics.median(warm[-ENDS:]) - before


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m torture.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--mesh", default="triangle")
    parser.add_argument("--memory", type=float, default=4.0, help="MiB by which a process may grow, its state apart")
    parser.add_argument("--disk", type=float, default=4.0, help="KiB that a transfer may take on disk after the warm-up")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshsec-endurance-") as folder:
        mesh = MortalMesh(Home(Path(folder)), given.mesh)
        with mesh:
            load = Load(mesh.world, dict(mesh.home.running().endpoints.chains), 1)
            samples = endure(mesh, load, given.minutes * 60)
    failed = []
    for name in samples[0].memory:
        before, more = growth([each.memory[name] for each in samples])
        keys = growth([each.keys.get(name, 0) for each in samples])[1]
        print(f"{name:16}{before:>8.1f} MiB after the warm-up, {more:+.1f} at the end", f"for {keys:,.0f} keys" if keys else "")
        failed += [f"{name} grew by {more:.1f} MiB"] if more > given.memory + keys * KEY_KIB / KIB else []
    warm = samples[int(len(samples) * WARM_UP)]
    grown = sum(samples[-1].disk.values()) - sum(warm.disk.values())
    each = grown / KIB / max(1, samples[-1].transfers - warm.transfers)
    print(f"disk {grown / KIB / KIB:.1f} MiB after the warm-up, {each:.2f} KiB a transfer, with blocks and packets")
    failed += [f"a transfer takes {each:.2f} KiB on disk"] if each > given.disk else []
    print(f"{samples[-1].transfers:,} transfers, {json.dumps(load.crossed)}, {given.minutes:g} minutes")
    print(*(failed or ["every claim holds"]), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
