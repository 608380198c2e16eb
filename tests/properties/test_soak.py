"""The soak: everything that can happen does happen, a seed says what, and what breaks a law is found and shortened."""

import json
from collections import Counter
from pathlib import Path

import pytest

from meshsec_core.security.mesh import MESH
from meshsec_core.security.mesh.provider import lending
from soak import __main__ as runner
from soak.chance import WEIGHTS, setting_of, steps_of
from soak.deeds import DEEDS
from soak.messages import MESSAGES
from soak.play import SETTLE, Outcome, play
from soak.shrink import shrink

LENGTH = 250
SHORT = 60
SEEDS = (7, 20, 21, 33)
"""In these everything that can be done is done once at least."""
MANY = 3
"""So many histories hold one in which a stake is cut on its way."""


def test_every_message_of_mesh_security_is_among_the_actions() -> None:
    tags = {str(kind.__struct_config__.tag) for module in (MESH.provider, MESH.consumer) for kind in module.handlers}
    kinds = {kind.partition(" ")[0] for kind in (*MESSAGES, *DEEDS)}
    assert tags <= kinds
    assert {*WEIGHTS} == {*MESSAGES, *DEEDS, SETTLE}


def test_the_laws_hold_in_a_short_soak_and_every_kind_of_action_is_done() -> None:
    outcomes: Counter[Outcome] = Counter()
    for seed in SEEDS:
        outcomes += play(setting_of(seed), steps_of(seed, LENGTH)).outcomes
    assert [kind for kind in WEIGHTS if not outcomes[kind, ""]] == []


def test_a_seed_says_everything_that_happens() -> None:
    one, other = (play(setting_of(2), steps_of(2, 60)).mesh.rig for _ in range(2))
    assert [chain.events for chain in one.chains.values()] == [chain.events for chain in other.chains.values()]
    assert [chain.snapshot() for chain in one.chains.values()] == [chain.snapshot() for chain in other.chains.values()]


def test_a_broken_rule_is_found_shortened_and_played_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was cut from a stake on its way is not burned once the consumer counts it."""
    monkeypatch.setattr(lending, "_burn_noted", lambda *_: None)
    monkeypatch.setattr(runner, "DIRECTORY", tmp_path)
    assert runner.soak(MANY * SHORT, 0, SHORT, 1) == 1
    (written,) = tmp_path.glob("soak-*.json")
    assert f"--replay {written}" in capsys.readouterr().out
    found = json.loads(written.read_text())
    assert found["broken"][0] == "InvariantViolated in requests_equal_stake"
    assert 0 < len(found["steps"]) < 10
    assert runner.replay(written) == 1
    assert "requests_equal_stake" in capsys.readouterr().out


def test_what_breaks_no_law_is_not_shortened() -> None:
    steps = steps_of(0, 10)
    assert shrink(setting_of(0), steps) == tuple(steps)
