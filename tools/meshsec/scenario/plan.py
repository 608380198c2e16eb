"""What a story is going to do, step by step, without doing it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from meshsec import verbs
from meshsec.scenario.document import EXPECT, WAIT, Step, Story
from meshsec_core.kernel.types import SECOND
from meshsec_sdk.quantities import duration

AIMS = ("validator", "target", "branch", "here", "on", "host", "chain", "channel", "packet", "to", "name")
"""Parameters that say what a step is about, the most telling first."""

END = "end"
"""The step behind the last of a story."""

_LONGEST = 90
"""Characters of a step's arguments in a table."""


class Planned(msgspec.Struct, frozen=True):
    """One step, before it is done."""

    index: int
    line: int
    after: str
    """Logical time since the beginning: what the steps before it advance the clock by; blocks come on top."""
    verb: str
    actor: str
    """Who signs, as `chain/user`; empty if nobody does."""
    target: str
    arguments: dict[str, Any]
    fails: str
    note: str


def timeline(story: Story) -> tuple[Planned, ...]:
    """Return all steps in order, those at the end included that every story has."""
    now, moments, planned = 0, dict[str, int](), list[Planned]()
    for index, step in enumerate(with_ending(story), start=1):
        if step.verb == "revert":
            now = moments.get(_first(step.arguments), now)
        planned.append(
            Planned(
                index,
                step.line,
                spell_time(now),
                step.verb,
                story.meant(str(step.arguments.get(verbs.FROM.name, step.arguments.get("signer", "")))),
                _target(step),
                step.arguments,
                step.fails,
                step.note,
            )
        )
        if step.verb == "snapshot":
            moments[_first(step.arguments)] = now
        if step.verb == "advance" and not step.fails:
            now += duration(str(step.arguments["by"])) or 0
    return tuple(planned)


def with_ending(story: Story) -> tuple[Step, ...]:
    """Return the steps, and what is done after them: the mesh comes to rest, laws are checked, and so is what must hold then."""
    ending = () if story.expect is None else (Step(0, EXPECT, story.expect, note="what must hold in the end"),)
    return (*story.steps, Step(0, END, {}), *ending)


def table(planned: tuple[Planned, ...]) -> list[str]:
    """Return a plan as lines of a table."""
    rows = [("step", "line", "after", "verb", "actor", "target", "")]
    for step in planned:
        line = str(step.line) if step.line else "end"
        said = f"must fail: {step.fails}" if step.fails else spell_arguments(step.arguments, skip=(step.actor, step.target))
        rows.append((str(step.index), line, step.after, step.verb, step.actor, step.target, said[:_LONGEST]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def spell_arguments(arguments: Mapping[str, Any], skip: tuple[str, ...] = ()) -> str:
    """Spell arguments in a line."""
    return ", ".join(f"{name}: {_spell(value)}" for name, value in arguments.items() if name != "from" and value not in skip)


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_spell(part)}" for name, part in value.items()) + "}"
    return "[" + ", ".join(map(_spell, value)) + "]" if isinstance(value, list) else str(value)


def spell_time(nanoseconds: int) -> str:
    """Spell a length of time, such as `21d 1h`; parts below a second are left out."""
    seconds, said = nanoseconds // SECOND, list[str]()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        said += [f"{count}{unit}"] if count else []
    return " ".join(said[:3]) or "0s"


def _target(step: Step) -> str:
    if step.verb in (EXPECT, WAIT):
        return ", ".join(step.arguments)
    return next((str(step.arguments[name]) for name in AIMS if name in step.arguments), "")


def _first(arguments: Mapping[str, Any]) -> str:
    return str(next(iter(arguments.values()), ""))
