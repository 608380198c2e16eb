"""The stories of `tools/scenarios`, told in the simulation: every amount is as written, every law holds, every byte repeats."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from meshes import Watched
from meshsec.scenario.document import Watch, read
from meshsec.scenario.run import play
from meshsec.scenario.verify import verify
from meshsec.world.sim import SimWorld

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tools" / "scenarios").glob("*.yaml"))
NATO = ROOT / "tools" / "scenarios" / "nato.yaml"


def told(file: Path, kind: type[SimWorld] = SimWorld) -> str:
    """Play a story; return its digest."""
    story = read(file)
    if kind is Watched:  # which checks more at every block than a run does
        story = msgspec.structs.replace(story, invariants=Watch.SETTLE)
    outcome = play(story, kind(story.mesh, seed=story.seed))
    assert outcome.failed_step is None
    assert outcome.passed
    return outcome.digest


def told_elsewhere(file: Path, *how: str) -> str:
    """Play a story in a process of its own; return its digest."""
    script = Path(__file__).resolve().parents[1] / "replay.py"
    done = subprocess.run([sys.executable, str(script), str(file), *how], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_a_story_goes_as_it_is_written_and_what_must_always_hold_holds_at_every_block(file: Path) -> None:
    told(file, Watched)


def test_a_story_gives_the_same_bytes_under_any_hash_seed() -> None:
    here = told(NATO)
    assert told(NATO) == here
    found = verify(NATO)
    assert (found.same, found.passed, found.digest, found.difference) == (True, True, here, None)
    assert found.blocks > 2 * 80


def test_what_depends_on_the_order_of_a_set_is_caught_where_it_first_shows() -> None:
    """Given a world in which a draw from a set moves the clock whenever a story advances
    When a story that advances in its 12th step is verified
    Then its first block that differs is one of that step, and everything before it is the same
    """
    smoke = NATO.with_stem("smoke")
    assert read(smoke).steps[11].verb == "advance"
    found = verify(smoke, witness=(sys.executable, str(Path(__file__).resolve().parents[1] / "dice.py")))
    assert found.difference is not None
    assert (found.same, found.difference.step, found.difference.verb) == (False, 12, "advance")
    assert found.difference.first != found.difference.second


@pytest.mark.slow
def test_a_story_gives_the_same_bytes_if_nothing_is_remembered() -> None:
    """Every cache of the core is keyed by its whole input; without them everything is verified and executed each time anew."""
    smoke = NATO.with_stem("smoke")
    assert told_elsewhere(smoke, "plain") == told(smoke)
