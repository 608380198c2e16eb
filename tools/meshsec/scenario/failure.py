"""What a failed run tells in a terminal: its first failing step, what differs, what changed, which packets, how to repeat it."""

from collections.abc import Iterator, Sequence

from meshsec.scenario.charts import spell_long
from meshsec.scenario.chronicle import Moment
from meshsec.scenario.document import EXPECT, WAIT, Story
from meshsec.scenario.outcome import Outcome, Played
from meshsec.scenario.plan import spell_arguments

MOST_CHANGES = 16
"""Of state, and of packets, that are told; the page has all."""


def explain(story: Story, outcome: Outcome, moments: Sequence[Moment], replay: str) -> list[str]:
    """Return lines about the first failing step of a run; none if it has passed."""
    step = outcome.failed_step
    return [] if step is None else [*_step(story, step), *_since(outcome, moments), f"repeat with: {replay}"]


def since_last_check(outcome: Outcome, moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """Return the moments of the steps since the last that looked whether all is well, the failing step included."""
    last = max((step.index for step in outcome.steps if step.verb in (EXPECT, WAIT) and step.passed), default=0)
    return tuple(moment for moment in moments if moment.index > last)


def _step(story: Story, step: Played) -> Iterator[str]:
    said = "" if step.verb in (EXPECT, WAIT) else f" {spell_arguments(step.arguments)}"
    yield f"first failing step: {step.index} {step.verb}{said}".rstrip()
    yield f"  at {story.file}:{step.line}" if step.line else f"  at the end of {story.file}"
    if step.note:
        yield f"  {step.note}"
    yield f"  {step.code}"
    if step.detail:
        yield f"  {step.detail}"
    if step.fails:
        yield f"  it had to be refused with {step.fails}"
    for each in step.differences:
        yield f"  {each.place}: expected {spell_long(each.expected)}, found {spell_long(each.found)}"


def _since(outcome: Outcome, moments: Sequence[Moment]) -> Iterator[str]:
    since = since_last_check(outcome, moments)
    changes = [
        f"  step {moment.index} {change.chain}: {change.place}: "
        f"{spell_long(change.before) or 'none'} → {spell_long(change.after) or 'none'}"
        for moment in since
        for change in moment.changes
    ]
    packets = [f"  step {moment.index} {line}" for moment in since for line in moment.packets]
    for name, lines in (("state changed since the last check", changes), ("packets involved", packets)):
        yield name
        yield from lines[-MOST_CHANGES:] or ["  none"]
        if len(lines) > MOST_CHANGES:
            yield f"  and {len(lines) - MOST_CHANGES} before these"
