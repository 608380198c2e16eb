"""`meshsec scenario run`: opens the world that is asked for, plays a story on it, and leaves a directory about the run."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from meshsec.cli.answer import say
from meshsec.scenario.document import read
from meshsec.scenario.outcome import Played
from meshsec.scenario.place import Place, open_world
from meshsec.scenario.record import leave, new_directory
from meshsec.scenario.run import play


def play_file(file: Path, kind: str, directory: Path, *, json: bool) -> bool:
    """Play a story; tell whether it passed.

    Raises:
        Rejected: `yaml/…`, `verbs/…`, `mesh-file/…`, `scenario/…`, or what the world refuses.
    """
    story = read(file)
    with open_world(story, Place(kind), directory) as world:
        outcome = play(story, world, _teller(json=json))
    run_dir = new_directory(directory / "runs", file.stem)
    replay = shlex.join(["meshsec", "scenario", "run", str(file), "--world", kind, "--dir", str(directory)])
    leave(run_dir, story, outcome, replay)
    answer: dict[str, Any] = {name: value for name, value in msgspec.structs.asdict(outcome).items() if value is not None}
    verdict = "passed" if outcome.passed else f"failed at step {len(outcome.steps)}"
    say(
        {**answer, "run_dir": str(run_dir)}, json=json, text=f"{verdict}; digest {outcome.digest[:16]}; see {run_dir}/report.html"
    )
    return outcome.passed


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
