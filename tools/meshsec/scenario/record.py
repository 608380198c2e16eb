"""What a run leaves behind: the resolved scenario, a line per step, the results, a page to read, and how to repeat it."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from meshsec.scenario.chronicle import Moment
from meshsec.scenario.document import Story
from meshsec.scenario.outcome import Outcome, Played
from meshsec.scenario.report import write_page
from meshsec_core.kernel import codec


class Entry(msgspec.Struct, frozen=True):
    """A line of the history: a step, and what it did."""

    step: Played
    did: Moment


def leave(directory: Path, story: Story, outcome: Outcome, moments: Sequence[Moment], replay: str) -> None:
    """Write what a run leaves behind.

    Args:
        directory: is made; an older run in it is overwritten.
        story: what was played.
        outcome: what became of it.
        moments: what every step did, as a `Chronicle` has them.
        replay: the command that repeats the run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    steps = zip(outcome.steps, moments[1:], strict=True)
    history = [codec.encode(Entry(step, moment)) + b"\n" for step, moment in steps]
    (directory / "scenario.json").write_bytes(codec.encode(story))
    (directory / "history.jsonl").write_bytes(b"".join(history))
    (directory / "results.json").write_bytes(codec.encode(outcome))
    (directory / "replay.sh").write_text(f"#!/bin/sh\n{replay}\n", encoding="utf-8")
    write_page(directory / "report.html", story, outcome, moments, replay)


def new_directory(runs: Path, name: str) -> Path:
    """Return a directory for a run that does not exist yet, named by story and time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = runs / f"{name}-{stamp}", 1
    while path.exists():
        number += 1
        path = runs / f"{name}-{stamp}-{number}"
    return path
