"""`meshsec scenario run`: opens the world that is asked for, plays a story on it, and leaves a directory about the run."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from meshsec.cli.answer import say
from meshsec.home import Home
from meshsec.scenario.document import Story, read
from meshsec.scenario.outcome import Played
from meshsec.scenario.run import leave, play
from meshsec.world.base import World
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import MeshSpec

OTHER_MESH = "scenario/other-mesh"

RUNNING = "running"


def play_file(file: Path, kind: str, directory: Path, *, json: bool) -> bool:
    """Play a story; tell whether it passed.

    Raises:
        Rejected: `yaml/…`, `verbs/…`, `mesh-file/…`, `scenario/other-mesh`, or what the world refuses.
    """
    scenario = read(file)
    with _open(scenario, kind, directory) as world:
        outcome = play(scenario, world, _teller(json=json))
    run_dir = _run_dir(directory / "runs", file.stem)
    replay = shlex.join(["meshsec", "scenario", "run", str(file), "--world", kind, "--dir", str(directory)])
    leave(run_dir, scenario, outcome, replay)
    answer: dict[str, Any] = {name: value for name, value in msgspec.structs.asdict(outcome).items() if value is not None}
    verdict = "passed" if outcome.passed else f"failed at step {len(outcome.steps)}"
    say(
        {**answer, "run_dir": str(run_dir)}, json=json, text=f"{verdict}; digest {outcome.digest[:16]}; see {run_dir}/report.html"
    )
    return outcome.passed


@contextmanager
def _open(scenario: Story, kind: str, directory: Path) -> Iterator[World]:
    if kind == "sim":
        from meshsec.world.sim import SimWorld

        world: World = SimWorld(scenario.mesh, seed=scenario.seed)
    else:
        from meshsec.world.process import ProcessWorld

        if kind == RUNNING:
            check_mesh(scenario.mesh, Home(directory).manifest().mesh)
            world = ProcessWorld.attach(directory)
        else:
            world = ProcessWorld(scenario.mesh, seed=scenario.seed)
    with world:
        yield world


def check_mesh(wanted: MeshSpec, found: MeshSpec) -> None:
    """Check that a mesh has the chains of a story, described alike, and among them the same links and channels.

    Raises:
        Rejected: `scenario/other-mesh` with what differs.
    """
    known = {chain.name: chain for chain in found.chains}
    for chain in wanted.chains:
        if chain.name not in known:
            raise Rejected(OTHER_MESH, missing=chain.name, found=", ".join(known), hint="boot the mesh that the story describes")
        for field in chain.__struct_fields__:
            here, there = getattr(chain, field), getattr(known[chain.name], field)
            if codec.encode(here) != codec.encode(there):
                raise Rejected(
                    OTHER_MESH,
                    chain=chain.name,
                    differs=field,
                    wanted=codec.encode(here).decode()[:200],
                    found=codec.encode(there).decode()[:200],
                    hint="boot the mesh that the story describes",
                )
    names = [chain.name for chain in wanted.chains]
    among = [link for link in found.links if link.provider in names and link.consumer in names]
    if sorted(map(codec.encode, wanted.links)) != sorted(map(codec.encode, among)):
        raise Rejected(OTHER_MESH, differs="links", hint="boot the mesh that the story describes")
    joining = [channel for channel in found.channels if channel.proposer in names and channel.counterparty in names]
    if sorted(map(codec.encode, wanted.channels)) != sorted(map(codec.encode, joining)):
        raise Rejected(OTHER_MESH, differs="channels", hint="boot the mesh that the story describes")


def _teller(*, json: bool) -> Callable[[Played], None]:
    """Tell of every step as it ends, on the way that results do not take."""

    def told(step: Played) -> None:
        mark = "ok  " if step.passed else "FAIL"
        given = ", ".join(f"{name}: {value}" for name, value in step.arguments.items())
        print(f"{mark} {step.index:3} {step.verb} {given[:90]}", file=sys.stderr, flush=True)
        for difference in step.differences:
            print(f"         {difference.place}: expected {difference.expected}, found {difference.found}", file=sys.stderr)
        if step.detail:
            print(f"         {step.detail}", file=sys.stderr)

    return (lambda _: None) if json else told


def _run_dir(runs: Path, story: str) -> Path:
    """Return a directory that does not exist yet."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = runs / f"{story}-{stamp}", 1
    while path.exists():
        number += 1
        path = runs / f"{story}-{stamp}-{number}"
    return path
