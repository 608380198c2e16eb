"""Loads a triangle for a long time and claims that memory and disk stay flat: `python -m torture.endurance --minutes 30`.

Nobody is killed here; chains keep 1,000 blocks. Memory of every process and disk of every chain are sampled, and the end of the
warm-up is compared with the end. A chain may grow with its state alone: every packet leaves a receipt, an acknowledgement and
consensus states there. Exit codes: 0 the claims hold, 1 one does not.
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
KEEP_BLOCKS = 1_000
KEY_MEMORY, KEY_DISK = 1_024, 512
"""Bytes that a key of the state may take: in memory with its value, its leaf and its inner node."""
ENDS = 10
"""Samples at either end whose median is compared."""
BYTES_PER_MIB = 1_048_576
PROGRESS = 30
"""Samples from one line of progress to the next."""


class Sample(NamedTuple):
    """What a mesh takes at one moment."""

    transfers: int
    memory: dict[str, float]
    """Process to MiB."""
    disk: dict[str, float]
    """Chain to MiB."""
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
    disk = {
        name: sum(file.stat().st_size for file in mesh.home.chain(name).iterdir()) / BYTES_PER_MIB for name in mesh.world.chains
    }
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
            if len(samples) % PROGRESS == 0:
                _tell(samples[-1], end - time.monotonic())
            clock.wait(SAMPLE_SECONDS)
        with load.paused():
            mesh.world.settle()
    if load.failed:
        raise load.failed[0]
    return samples


def _tell(found: Sample, left: float) -> None:
    size = ", ".join(f"{name} {held:.0f}" for name, held in found.memory.items())
    keys, disk = sum(found.keys.values()), sum(found.disk.values())
    print(
        f"{left / 60:4.0f} min left: {found.transfers:,} transfers, {keys:,} keys, disk {disk:.0f} MiB, memory {size}", flush=True
    )


def growth(values: Sequence[float]) -> tuple[float, float]:
    """Return what was held at the end of the warm-up, and by how much more at the end."""
    warm = values[int(len(values) * WARM_UP) :]
    before = statistics.median(warm[:ENDS])
    return before, statistics.median(warm[-ENDS:]) - before


def verdicts(samples: Sequence[Sample], most: float) -> list[str]:
    """Print what grew; return what grew by more than its state and so many MiB."""
    failed = []
    columns = [("memory", KEY_MEMORY, [each.memory for each in samples]), ("disk", KEY_DISK, [each.disk for each in samples])]
    for what, per_key, held in columns:
        for name in held[0]:
            before, more = growth([each[name] for each in held])
            keys = growth([each.keys.get(name, 0) for each in samples])[1]
            allowed = most + keys * per_key / BYTES_PER_MIB
            print(f"{what:8}{name:16}{before:>8.1f} MiB after the warm-up, {more:+5.1f} at the end; {keys:,.0f} keys more")
            failed += [f"{what} of {name} grew by {more:.1f} MiB; {allowed:.1f} would do"] if more > allowed else []
    return failed


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m torture.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--mesh", default="triangle")
    parser.add_argument("--most", type=float, default=4.0, help="MiB by which anything may grow after the warm-up, state apart")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meshsec-endurance-") as folder:
        mesh = MortalMesh(Home(Path(folder)), given.mesh, KEEP_BLOCKS)
        with mesh:
            load = Load(mesh.world, dict(mesh.home.running().endpoints.chains), 1)
            samples = endure(mesh, load, given.minutes * 60)
    failed = verdicts(samples, given.most)
    print(f"{samples[-1].transfers:,} transfers, {json.dumps(load.crossed)}, {given.minutes:g} minutes")
    print(*(failed or ["every claim holds"]), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
