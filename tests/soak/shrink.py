"""Shortens a history that breaks a law: leaves chunks of actions out as long as the same thing breaks at the same place."""

import traceback
from collections.abc import Sequence
from typing import NamedTuple

from soak.meshes import Setting
from soak.play import play
from soak.scene import Step

MOST_TRIES = 600


class Violation(NamedTuple):
    """What broke, and where."""

    kind: str
    """Class of the exception and function that raised it: what stays the same while a history is shortened."""
    text: str


def violation(setting: Setting, steps: Sequence[Step]) -> Violation | None:
    """Play a history; return what breaks in it."""
    try:
        play(setting, steps)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Violation(f"{type(error).__name__} in {place.name}", str(error)[:1_000])
    return None


def shrink(setting: Setting, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the shortest list found in which the same thing breaks; it need not be the shortest there is."""
    found = violation(setting, steps)
    if found is None:
        return tuple(steps)
    kept, size, tries = list(steps), len(steps) // 2, 0
    while size and tries < MOST_TRIES:
        start, left = 0, len(kept)
        while start < len(kept) and tries < MOST_TRIES:
            without = kept[:start] + kept[start + size :]
            tries += 1
            again = violation(setting, without)
            if again is not None and again.kind == found.kind:
                kept = without
            else:
                start += size
        if len(kept) == left:
            size //= 2
    return tuple(kept)
