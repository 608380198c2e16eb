"""Plays a story on a world, step by step until one fails; then the mesh comes to rest, and every law and the end are checked."""

import time
from collections.abc import Callable
from typing import Any

from meshsec import verbs
from meshsec.scenario.document import EXPECT, WAIT, Step, Story
from meshsec.scenario.expect import Difference, compare
from meshsec.scenario.invariants import Invariants
from meshsec.scenario.outcome import Laws, Outcome, Played
from meshsec.scenario.plan import END, with_ending
from meshsec.world.base import World
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_sdk.errors import TxRejected

NOT_REFUSED = "scenario/not-refused"
UNEXPECTED = "scenario/unexpected"
LAW_BROKEN = "scenario/law-broken"

MOST_WAITS = 100
"""Blocks that a `wait` lasts at most."""


def play(
    story: Story,
    world: World,
    told: Callable[[Played], None] = lambda _: None,
    begun: Callable[[int, Step], None] = lambda _, __: None,
) -> Outcome:
    """Play all steps until one fails, let the mesh come to rest, check every law, and compare the end.

    Args:
        story: what is played.
        world: where.
        told: hears of every step as it ends.
        begun: hears of every step, with its number, as it begins.
    """
    invariants, played = Invariants(world, story.invariants), list[Played]()
    with invariants.watching():
        for index, step in enumerate(with_ending(story), start=1):
            begun(index, step)
            played.append(_play(index, step, story, world, invariants))
            told(played[-1])
            if not played[-1].passed:
                break
    laws = Laws(invariants.names(), str(invariants.blocks), invariants.left_out)
    failed = None if played[-1].passed else played[-1]
    return Outcome(failed is None, world.digest(), tuple(played), laws, failed)


def _play(index: int, step: Step, story: Story, world: World, invariants: Invariants) -> Played:
    started = time.monotonic_ns()
    code, detail, differences = "", "", tuple[Difference, ...]()
    try:
        invariants.begins(step.verb)
        differences = _do(step, story, world)
        invariants.done(step.verb)
        if step.verb == END:
            invariants.check_in_the_end()
        if step.expect is not None and not differences:
            differences = tuple(compare(world, step.expect))
        code = NOT_REFUSED if step.fails else UNEXPECTED if differences else ""
    except (Rejected, TxRejected) as refusal:
        code, detail = ("", "") if refusal.code == step.fails else (refusal.code, str(refusal))
    except InvariantViolated as broken:
        code, detail = LAW_BROKEN, str(broken)
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
        fails=step.fails,
    )


def _do(step: Step, story: Story, world: World) -> tuple[Difference, ...]:
    """Do one step; return what differs from what it expects.

    Raises:
        Rejected, TxRejected: the step was refused.
        InvariantViolated: a law does not hold.
    """
    if step.verb == EXPECT:
        return tuple(compare(world, step.arguments))
    if step.verb == WAIT:
        return _wait(world, step.arguments)
    if step.verb == END:
        world.come_to_rest()
        return ()
    verb = verbs.find(step.verb)
    given = dict(step.arguments)
    if verb.message is not None:
        given[verbs.FROM.name] = story.meant(given[verbs.FROM.name])
    verbs.perform(world, verb, given)
    return ()


def _wait(world: World, expected: dict[str, Any]) -> tuple[Difference, ...]:
    """Make blocks and relay until an expectation holds."""
    for _ in range(MOST_WAITS):
        if not (differences := tuple(compare(world, expected))):
            return ()
        world.mine()
        world.relay()
    return differences
