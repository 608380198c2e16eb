"""Plays a scenario on a world, step by step, and tells what happened.

A run leaves a directory: the scenario as resolved, a line per step, the results, a page to read, and the command that repeats it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meshsec import verbs
from meshsec.scenario.document import EXPECT, UNKNOWN_ACTOR, WAIT, Step, Story
from meshsec.scenario.expect import Difference, compare
from meshsec.scenario.outcome import Outcome, Played
from meshsec.scenario.report import write_page
from meshsec.world.base import World
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_sdk.errors import TxRejected

NOT_REFUSED = "scenario/not-refused"
UNEXPECTED = "scenario/unexpected"

MOST_WAITS = 100
"""Blocks that a `wait` lasts at most."""


def play(scenario: Story, world: World, told: Callable[[Played], None] = lambda _: None) -> Outcome:
    """Play all steps until one fails, then compare the end.

    Args:
        told: hears of every step as it ends.
    """
    steps = list(scenario.steps)
    if scenario.expect is not None:
        steps.append(Step(0, EXPECT, scenario.expect, note="in the end"))
    played: list[Played] = []
    for index, step in enumerate(steps, start=1):
        found = _play(index, step, scenario, world)
        played.append(found)
        told(found)
        if not found.passed:
            return Outcome(False, world.digest(), tuple(played), found)
    return Outcome(True, world.digest(), tuple(played))


def _play(index: int, step: Step, scenario: Story, world: World) -> Played:
    started = time.monotonic_ns()
    code, detail, differences = "", "", tuple[Difference, ...]()
    try:
        differences = _do(step, scenario, world)
        if step.expect is not None and not differences:
            differences = tuple(compare(world, step.expect))
        code = NOT_REFUSED if step.fails else UNEXPECTED if differences else ""
    except (Rejected, TxRejected) as refusal:
        code, detail = ("", "") if refusal.code == step.fails else (refusal.code, str(refusal))
    except InvariantViolated as broken:
        code, detail = "scenario/law-broken", str(broken)
    took = (time.monotonic_ns() - started) // 1_000_000  # down
    return Played(
        index=index,
        line=step.line,
        verb=step.verb,
        note=step.note,
        arguments=step.arguments,
        passed=not code,
        code=code,
        detail=detail,
        differences=differences,
        heights={name: str(chain.height) for name, chain in world.chains.items()},
        milliseconds=str(took),
    )


def _do(step: Step, scenario: Story, world: World) -> tuple[Difference, ...]:
    """Do one step; return what differs from what it expects.

    Raises:
        Rejected, TxRejected: the step was refused.
        InvariantViolated: a law does not hold.
    """
    if step.verb == EXPECT:
        return tuple(compare(world, step.arguments))
    if step.verb == WAIT:
        return _wait(world, step.arguments)
    verb = verbs.find(step.verb)
    given = dict(step.arguments)
    if verb.message is not None:
        given[verbs.FROM.name] = _actor(given[verbs.FROM.name], scenario)
    verbs.perform(world, verb, given)
    return ()


def _actor(text: str, scenario: Story) -> str:
    meant = scenario.meant(text)
    if "/" not in meant:
        raise Rejected(UNKNOWN_ACTOR, actor=text[:100], known=", ".join(scenario.actors), expected="an actor, or chain/user")
    return meant


def _wait(world: World, expected: dict[str, Any]) -> tuple[Difference, ...]:
    """Make blocks and relay until an expectation holds."""
    for _ in range(MOST_WAITS):
        if not (differences := tuple(compare(world, expected))):
            return ()
        world.mine()
        world.relay()
    return differences


def leave(directory: Path, scenario: Story, outcome: Outcome, replay: str) -> None:
    """Write what a run leaves behind.

    Args:
        directory: is made; an older run in it is overwritten.
        replay: the command that repeats the run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scenario.json").write_bytes(codec.encode(scenario))
    (directory / "history.jsonl").write_bytes(b"".join(codec.encode(step) + b"\n" for step in outcome.steps))
    (directory / "results.json").write_bytes(codec.encode(outcome))
    (directory / "replay.sh").write_text(f"#!/bin/sh\n{replay}\n", encoding="utf-8")
    write_page(directory / "report.html", scenario, outcome.steps, outcome.passed, replay)
