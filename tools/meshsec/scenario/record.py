"""What a run leaves behind: the resolved scenario, a line per step, the results, a page to read, and how to repeat it."""

import time
from pathlib import Path

from meshsec.scenario.document import Story
from meshsec.scenario.outcome import Outcome
from meshsec.scenario.report import write_page
from meshsec_core.kernel import codec


def leave(directory: Path, story: Story, outcome: Outcome, replay: str) -> None:
    """Write what a run leaves behind.

    Args:
        directory: is made; an older run in it is overwritten.
        story: what was played.
        outcome: what became of it.
        replay: the command that repeats the run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scenario.json").write_bytes(codec.encode(story))
    (directory / "history.jsonl").write_bytes(b"".join(codec.encode(step) + b"\n" for step in outcome.steps))
    (directory / "results.json").write_bytes(codec.encode(outcome))
    (directory / "replay.sh").write_text(f"#!/bin/sh\n{replay}\n", encoding="utf-8")
    write_page(directory / "report.html", story, outcome.steps, outcome.passed, replay)


def new_directory(runs: Path, name: str) -> Path:
    """Return a directory for a run that does not exist yet, named by story and time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = runs / f"{name}-{stamp}", 1
    while path.exists():
        number += 1
        path = runs / f"{name}-{stamp}-{number}"
    return path
