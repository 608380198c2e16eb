"""The stories of `tools/scenarios`, told in the simulation: every amount is as written, every law holds, every byte repeats."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshes import Watched
from meshsec.scenario.document import read
from meshsec.scenario.run import play
from meshsec.world.sim import SimWorld

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tools" / "scenarios").glob("*.yaml"))
NATO = ROOT / "tools" / "scenarios" / "nato.yaml"


def told(file: Path, kind: type[SimWorld] = SimWorld) -> str:
    """Play a story; return its digest."""
    scenario = read(file)
    outcome = play(scenario, kind(scenario.mesh, seed=scenario.seed))
    assert outcome.failed_step is None
    assert outcome.passed
    return outcome.digest


def told_elsewhere(file: Path, *how: str, seeds: tuple[str, ...] = ("0",)) -> list[str]:
    """Play a story in processes of their own at once, one for each seed that salts its hashes of texts."""
    script = Path(__file__).resolve().parents[1] / "replay.py"
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(file), *how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in seeds
    ]
    found = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * len(seeds), found
    return [said.strip() for said, _ in found]


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_a_story_goes_as_it_is_written_and_what_must_always_hold_holds_at_every_block(file: Path) -> None:
    told(file, Watched)


def test_the_same_story_gives_the_same_bytes_under_any_hash_seed() -> None:
    here = told(NATO)
    assert told(NATO) == here
    assert told_elsewhere(NATO, seeds=("0", "4711")) == [here, here]


@pytest.mark.slow
def test_a_story_gives_the_same_bytes_if_nothing_is_remembered() -> None:
    """Every cache of the core is keyed by its whole input; without them everything is verified and executed each time anew."""
    smoke = NATO.with_stem("smoke")
    assert told_elsewhere(smoke, "plain") == [told(smoke)]
