"""Kills chains and relayers of a loaded mesh again and again: `python -m torture --kills 200 --seed 1`.

A third of the kills come at any moment, a third leave the process away while its files are read, a third strike inside of a
write: before it, when voters have signed and nothing is durable, before its commit, and behind it. In the end the supervisor is
killed, everything starts again, and every block is executed again from genesis. Exit codes: 0 nothing was lost, 1 something was.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from meshsec.home import Home
from torture import books
from torture.load import Load
from torture.mesh import MortalMesh, until
from torture.mortal import OF_A_CHAIN, OF_A_RELAYER
from torture.witness import Witness

SETTLE_EVERY = 20
"""Kills between two counts of every coin, for which the load pauses."""


class Torture:
    """One mesh, its load, and who watches."""

    def __init__(self, mesh: MortalMesh, load: Load, random: Random) -> None:
        self._mesh = mesh
        self._load = load
        self._random = random
        self.witness = Witness(mesh.world, load, random)
        self.kills: Counter[str] = Counter()
        """How and what to how often."""

    def round(self) -> int:
        """Kill one process, or two at once; wait until they are back, and compare. Return how many were killed."""
        names = self._random.sample([name for name in self._mesh.children if name != "gateway"], self._random.choice((1, 1, 2)))
        start, pause = self._load.included, self._random.randrange(40)
        until(lambda: self._load.included >= start + pause or bool(self._load.failed), "transfers to be included")
        self.witness.look()
        how = self._random.choice(("at once", "kept away", "in a write"))
        before = self._mesh.children
        getattr(self, "_" + how.replace(" ", "_"))(names)
        for name in names:
            self._mesh.await_back(name, before[name])
        self._mesh.await_no_orphans()
        for name in names:
            if name in self._mesh.world.chains:
                self.witness.compare(name)
        if self._load.failed:
            raise self._load.failed[0]
        return len(names)

    def _count(self, name: str, how: str) -> None:
        self.kills[f"{'relayer' if name.startswith('relayer-') else 'chain'} {how}"] += 1

    def _at_once(self, names: list[str]) -> None:
        for name in names:
            self._mesh.kill(name)
            self._count(name, "at once")

    def _kept_away(self, names: list[str]) -> None:
        for name in names:
            self._mesh.kill_and_keep_away(name)
            self._count(name, "kept away")
        for name in names:
            if name in self._mesh.world.chains:
                self.witness.inspect(self._mesh, name)
            self._mesh.bring_back(name)

    def _in_a_write(self, names: list[str]) -> None:
        for name in names:
            relayer = name.startswith("relayer-")
            point = self._random.choice(OF_A_RELAYER if relayer else OF_A_CHAIN)
            self._mesh.arm(name, point, self._random.randrange(2 if relayer else 6))
            self._count(name, f"in a write: {point}")


def torture(kills: int, seed: int, topology: str, home: Home) -> Counter[str]:
    """Torture a mesh in a directory; return how often it was killed in which way.

    Raises:
        AssertionError: something was lost, or a process was left.
        InvariantViolated: a law does not hold.
    """
    random, started, done, counted = Random(seed), time.monotonic(), 0, 0
    mesh = MortalMesh(home, topology)
    with mesh:
        load = Load(mesh.world, dict(home.running().endpoints.chains), seed)
        run = Torture(mesh, load, random)
        with load:
            while done < kills:
                done += run.round()
                if done // SETTLE_EVERY > counted or done >= kills:
                    counted = done // SETTLE_EVERY
                    with load.paused():
                        run.witness.settle()
                    said = f"{done} kills, {load.included:,} transfers, {dict(load.crossed)}, {time.monotonic() - started:.0f} s"
                    print(said, file=sys.stderr, flush=True)
        run.kills["supervisor"] += 1
        mesh.end(signal.SIGKILL)
    with mesh:
        run.witness.world = mesh.world
        for name in mesh.world.chains:
            run.witness.compare(name, everything=True)
        run.witness.settle()
        run.witness.look()
    for name, blocks in run.witness.blocks.items():
        height, app_hash = books.execute_again(home, name)
        print(f"{name}: {height} blocks executed again, {len(blocks)} of them seen before; app hash {app_hash}", file=sys.stderr)
    print(f"{load.included:,} transfers told and all there; {load.lost} batches cut short", file=sys.stderr)
    return run.kills


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mesh", default="triangle")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="meshsec-torture-"))
    try:
        kills = torture(given.kills, given.seed, given.mesh, Home(folder))
    except AssertionError as lost:
        print(f"seed {given.seed}: {lost}; what the mesh left is in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)
    for how, count in sorted(kills.items()):
        print(f"{how:30}{count:>6}")
    print(f"{sum(kills.values())} kills, seed {given.seed}: nothing was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
