"""The state machine that people extend: whatever it does the laws hold, and what fails is a story that can be played again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from meshsec import MeshMachine, SimWorld
from meshsec.scenario.document import read
from meshsec.scenario.run import play
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.security.mesh.consumer import requests

QUICK: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


class Triangle(MeshMachine):
    topology = "triangle"


@pytest.mark.parametrize(("machine", "examples"), [(MeshMachine, 5), (Triangle, 3)])
def test_whatever_the_machine_does_the_laws_hold(machine: type[MeshMachine], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=15, **QUICK))  # type: ignore[no-untyped-call]


class Thrifty(MeshMachine):
    """Believes something that is not so."""

    @invariant()
    def nobody_bonds(self) -> None:
        assert self.world.osmosis.query("mesh/provider", "vault", user="alice")["collateral"] == "0"


class Restless(MeshMachine):
    """Looks at a mesh at rest."""

    def at_rest(self) -> None:
        assert self.world.juno.find_validator("val-0")["power"] == "100000000"


SEARCH = settings(max_examples=60, stateful_step_count=4, phases=(Phase.generate, Phase.shrink), **QUICK)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(MeshMachine, "directory", tmp_path)
    return tmp_path


def end(machine: MeshMachine) -> None:
    """Come to rest and end as hypothesis would."""
    try:
        machine.come_to_rest()
    finally:
        machine.teardown()


def lending(machine: MeshMachine) -> MeshMachine:
    machine.do("mesh/Bond", **{"from": "osmosis/alice", "amount": "100"})
    stake = {"from": "osmosis/alice", "consumer": "juno", "validator": "juno/val-0"}
    assert machine.do("mesh/StakeRemote", **stake, amount="80") == ""
    assert machine.do("mesh/StakeRemote", **stake, amount="800") == "mesh/insufficient-balance"
    return machine


def test_what_fails_is_shortened_to_a_story_that_leads_to_the_same_state(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(SimWorld, "close", lambda world: ended.append(world.digest()))
    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(Thrifty, settings=SEARCH)  # type: ignore[no-untyped-call]
    path = runs / "Thrifty-AssertionError.yaml"
    story = read(path)
    assert [step.verb for step in story.steps] in (["mesh/Bond"], ["mesh/Bond", "mesh/StakeRemote"])
    with SimWorld(story.mesh, seed=story.seed) as world:
        last, states = ended[-1], [world.digest()]
        assert play(story, world, told=lambda _: states.append(world.digest())).passed
    assert last == states[len(story.steps)]
    (note,) = [note for note in failure.value.__notes__ if "repeat it with" in note]
    assert f"meshsec scenario run {path}" in note


def test_a_law_that_breaks_is_broken_again_by_the_story(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer forgets that what is lent waits for an epoch."""
    monkeypatch.setattr(requests.agenda, "touch", lambda *_: None)
    with pytest.raises(InvariantViolated):
        end(lending(MeshMachine()))
    story = read(runs / "MeshMachine-InvariantViolated.yaml")
    assert [(step.verb, step.fails) for step in story.steps[:3]] == [
        ("mesh/Bond", ""),
        ("mesh/StakeRemote", ""),
        ("mesh/StakeRemote", "mesh/insufficient-balance"),
    ]
    with SimWorld(story.mesh, seed=story.seed) as world:
        outcome = play(story, world)
    assert outcome.failed_step is not None
    assert (outcome.failed_step.verb, outcome.failed_step.code) == ("settle", "scenario/law-broken")


def test_a_machine_can_look_at_a_mesh_at_rest(runs: Path) -> None:
    with pytest.raises(AssertionError):
        end(lending(Restless()))
    assert read(runs / "Restless-AssertionError.yaml").steps[-1].verb == "settle"
    end(Restless())


def test_what_always_holds_is_looked_at_behind_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    heights: list[int] = []
    monkeypatch.setattr(MeshMachine, "_check_what_always_holds", lambda machine: heights.append(machine.world.juno.height))
    machine = MeshMachine()
    machine.must("mine", blocks="3")
    tip = machine.world.juno.height
    assert heights == [tip - 2, tip - 1, tip]
    machine.teardown()


def test_the_machine_is_loaded_only_by_who_asks_for_it() -> None:
    said = subprocess.run([sys.executable, "-c", "import meshsec, sys; print('hypothesis' in sys.modules)"], capture_output=True)
    assert said.stdout == b"False\n"
