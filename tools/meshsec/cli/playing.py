"""`meshsec scenario run`: plays a story with its progress, leaves a directory about the run, and explains a failure."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from meshsec.cli.answer import say
from meshsec.cli.progress import bar
from meshsec.scenario.document import EXPECT, WAIT, Step
from meshsec.scenario.outcome import Played
from meshsec.scenario.plan import spell_arguments, with_ending
from meshsec.scenario.record import new_directory
from meshsec.scenario.scenario import Scenario

_LONGEST = 90
"""Characters of a step's arguments."""


def play_file(file: Path, kind: str, directory: Path, *, json: bool) -> bool:
    """Play a story; tell whether it passed.

    Raises:
        Rejected: `yaml/…`, `verbs/…`, `mesh-file/…`, `scenario/…`, or what the world refuses.
    """
    scenario = Scenario.read(file)
    with _teller(len(with_ending(scenario.story)), json=json) as teller:
        run = scenario.run(kind, directory=directory, told=teller.told, begun=teller.begun)
    run_dir = run.leave(new_directory(directory / "runs", file.stem))
    answer: dict[str, Any] = {name: value for name, value in msgspec.structs.asdict(run.outcome).items() if value is not None}
    if not run.passed and not json:
        print(f"\n{run.explain()}\n", file=sys.stderr, flush=True)
    verdict = "passed" if run.passed else f"failed at step {len(run.outcome.steps)}"
    text = f"{verdict}; digest {run.digest[:16]}; see {run_dir}/report.html"
    say({**answer, "run_dir": str(run_dir)}, json=json, text=text)
    return run.passed


class _Teller:
    """Tells of every step as it ends, on the way that results do not take; in a terminal also of the one that goes on."""

    def __init__(self, console: Console, progress: Progress, steps: int) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("", total=steps)

    def begun(self, index: int, step: Step) -> None:
        """Show what is going on."""
        self._progress.update(self._task, description=f"{index} {step.verb}")

    def told(self, step: Played) -> None:
        """Tell what has been done."""
        asked = ", ".join(step.arguments) if step.verb in (EXPECT, WAIT) else spell_arguments(step.arguments)
        signer = str(step.arguments.get("from", ""))
        line = Text.assemble(
            ("ok  ", "green") if step.passed else ("FAIL", "red"),
            " ".join(("", f"{step.index:3}", step.verb, *filter(None, (signer, asked[:_LONGEST])))),
        )
        self._console.print(line, highlight=False)
        self._progress.advance(self._task)


@contextmanager
def _teller(steps: int, *, json: bool) -> Iterator[_Teller]:
    console = Console(stderr=True, quiet=json, soft_wrap=True)
    with bar(console, disable=json or not console.is_terminal) as progress:
        yield _Teller(console, progress, steps)
