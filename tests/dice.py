"""Plays a story as `meshsec.scenario.witness` does, in a world where one number depends on the order of a set: `dice.py FILE`."""

import sys
from collections.abc import Callable
from pathlib import Path

from meshsec.scenario.witness import main
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.types import SECOND


def shaken(advance: Callable[..., None]) -> Callable[..., None]:
    """Let the clock jump by some seconds more, as hashes of texts will have it."""

    def advance_by(world: SimWorld, nanoseconds: int, *, keep_alive: bool = True) -> None:
        drawn = next(iter({"one", "two", "three", "four", "five", "six", "seven", "eight"}))
        advance(world, nanoseconds + len(drawn) * ord(drawn[-1]) * SECOND, keep_alive=keep_alive)

    return advance_by


if __name__ == "__main__":
    SimWorld.advance_by = shaken(SimWorld.advance_by)  # type: ignore[method-assign]
    main(Path(sys.argv[1]))
