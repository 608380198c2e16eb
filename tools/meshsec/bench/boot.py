"""Starting: the command line, a simulated pair, and meshes of processes until every channel is open."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from meshsec.bench.figure import Figure, figure, scaled, seconds
from meshsec_core.kernel.errors import InvariantViolated

MILLISECONDS = 1e3

SIMULATE = """
from time import perf_counter
from meshsec.world.sim import SimWorld
begun = perf_counter()
SimWorld("pair")
print(perf_counter() - begun)
"""
"""Opens a connected pair in a fresh interpreter; what is imported does not count."""


def measure(tries: int = 3) -> Iterator[Figure]:
    """Measure `boot.help_ms`, `boot.sim_ms`, and `boot.pair_s` and `boot.triangle_s` from the command's start to its end.

    Args:
        tries: how many times over.
    """
    helps = [seconds(_run, "-m", "meshsec", "--help") for _ in range(3 * tries)]
    yield figure("boot.help_ms", scaled(helps, MILLISECONDS), "ms")
    opened = [float(_run("-c", SIMULATE)) for _ in range(tries)]
    yield figure("boot.sim_ms", scaled(opened, MILLISECONDS), "ms")
    for mesh in ("pair", "triangle"):
        yield figure(f"boot.{mesh}_s", [_up(mesh) for _ in range(tries)], "s")


def _up(mesh: str) -> float:
    """Boot a mesh in a directory of its own and end it; return how many seconds it took to be ready."""
    with tempfile.TemporaryDirectory(prefix="meshsec-bench-") as folder:
        here = ("--dir", str(Path(folder) / "mesh"), "--json")
        try:
            return seconds(_run, "-m", "meshsec", "up", mesh, "--detach", "--port", "0", *here)
        finally:
            _run("-m", "meshsec", "down", *here)


def _run(*arguments: str) -> str:
    command: Sequence[str] = (sys.executable, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr[-500:] + done.stdout[-500:]
        raise InvariantViolated(f"{' '.join(arguments[:4])} ended with {done.returncode}: {said}")
    return done.stdout
