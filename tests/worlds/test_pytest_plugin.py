"""Meshes as pytest fixtures: every test has its own, and a failure says what happened and how to repeat it."""

import subprocess
import sys
from pathlib import Path

import pytest

from meshsec.pytest_plugin import MeshFactory
from meshsec.world.base import World
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import USER_COINS

pytest_plugins = "pytester"

BOND = {"@type": "mesh/Bond", "amount": "100"}

SUITE = """
import pytest

@pytest.mark.mesh(topology="triangle", seed=7)
def test_that_fails(mesh_world):
    alice = mesh_world.osmosis.user("alice")
    mesh_world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
    stake = {"@type": "mesh/StakeRemote", "consumer": "juno", "validator": "juno/val-0", "amount": "80"}
    mesh_world.osmosis.send("alice", stake)
    mesh_world.settle()
    assert alice.balance() == 0

def test_that_needs_no_mesh():
    assert False
"""


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_sees_nothing_of_what_another_has_done(mesh_world: World, turn: int) -> None:
    heights = {name: chain.height for name, chain in mesh_world.chains.items()}
    assert mesh_world.osmosis.user("alice").balance() == USER_COINS
    mesh_world.osmosis.send("alice", BOND)
    mesh_world.fault("double-sign", "juno/val-0")
    mesh_world.settle()
    assert mesh_world.osmosis.user("alice").balance() == USER_COINS - 100
    assert mesh_world.juno.find_validator("val-0")["tombstoned"] is True
    assert heights == {name: chain.height for name, chain in SimWorld("pair").chains.items()}


@pytest.mark.mesh(topology="star:3", seed=3)
def test_the_marker_says_which_mesh_a_test_gets(mesh_world: World, mesh_factory: MeshFactory) -> None:
    assert list(mesh_world.chains) == ["osmosis", "juno", "axelar"]
    assert len(mesh_world.spec.pairs()) == 2
    other = mesh_factory("pair", seed=4)
    assert isinstance(other, SimWorld)
    assert (list(other.chains), other.seed) == (["osmosis", "juno"], 4)
    again = mesh_factory()
    assert list(again.chains) == list(mesh_world.chains)
    again.mine()
    assert again.osmosis.height == mesh_world.osmosis.height + 1


def test_a_copy_of_a_connected_mesh_goes_on_as_the_mesh_itself_would(mesh_world: World) -> None:
    straight = SimWorld("pair")
    for world in (straight, mesh_world):
        world.osmosis.send("alice", BOND)
        world.settle()
    assert mesh_world.digest() == straight.digest()


def test_a_reverted_mesh_does_the_same_again_byte_for_byte(mesh_factory: MeshFactory) -> None:
    world = mesh_factory()
    assert isinstance(world, SimWorld)
    world.osmosis.send("alice", BOND)
    start = world.snapshot("bonded")
    digests = []
    for _ in range(2):
        world.fault("double-sign", "osmosis/val-1")
        world.settle()
        digests.append(world.digest())
        world.revert(start)
        assert world.osmosis.find_validator("val-1")["tombstoned"] is False
    assert digests[0] == digests[1]


def test_a_relayer_that_was_away_is_away_again_after_a_revert(mesh_factory: MeshFactory) -> None:
    world = mesh_factory()
    assert isinstance(world, SimWorld)
    world.relayer("stop")
    away = world.snapshot("away")
    world.relayer("start")
    world.revert(away)
    voucher = {"@type": "transfer/Transfer", "channel": "channel-0", "denom": "uosmo", "amount": "5"}
    receiver = world.juno.user("bob").address
    for each in (world, SimWorld("pair", start=away)):
        each.osmosis.send("alice", {**voucher, "receiver": receiver})
        each.settle()
        assert each.juno.query("transfer", "denoms") == []
        each.relayer("start")
        each.settle()
        assert [found["base"] for found in each.juno.query("transfer", "denoms")] == ["uosmo"]


def test_an_unknown_kind_of_world_is_refused(mesh_factory: MeshFactory) -> None:
    with pytest.raises(Rejected) as refusal:
        mesh_factory(world="cloud")
    assert refusal.value.code == "world/unknown-kind"


def test_a_failure_shows_seed_events_packets_and_how_to_repeat_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*- mesh -*",
            "triangle, sim, seed 7; osmosis was handed out at *",
            "last events",
            "  osmosis * acknowledge_packet *",
            "packets touched",
            "  osmosis:mesh-provider:channel-*:1 sent osmosis/*, received juno/*, answered juno/*, acknowledged osmosis/*",
            f"repeat with: cd {pytester.path} && python -m pytest test_suite.py::test_that_fails",
        ]
    )
    assert result.stdout.str().count("repeat with") == 1


@pytest.mark.parametrize("arguments", ["'pair'", "topologie='pair'"])
def test_a_marker_that_says_something_else_is_an_error_before_the_test(pytester: pytest.Pytester, arguments: str) -> None:
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.mesh({arguments})\ndef test_it(mesh_world):\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker is mesh(topology=*"])


def test_a_suite_that_uses_no_mesh_imports_nothing_of_it_and_loses_no_time() -> None:
    script = """
import sys, time, pytest
before = set(sys.modules)
start = time.process_time()
import meshsec.pytest_plugin
spent = time.process_time() - start
print(spent, *sorted(set(sys.modules) - before))
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    spent, *imported = said.stdout.split()
    assert imported == ["meshsec", "meshsec.pytest_plugin"]
    assert float(spent) < 0.03


TWO = """
import pytest

@pytest.mark.mesh(seed=4)
def test_two(mesh_factory):
    here, there = mesh_factory(), mesh_factory("triangle")
    here.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
    there.settle()
    assert here.osmosis.user("alice").balance() == there.osmosis.user("alice").balance()
"""


def test_a_failure_between_two_meshes_tells_of_both(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_two=TWO)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["pair, sim, seed 4; *", "last events", "triangle, sim, seed 4; *", "last events"])


MANY = """
import pytest

KINDS = ["sim", "local"]

@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_alone(mesh_factory, kind, turn, tmp_path_factory):
    world = mesh_factory("pair", world=kind)
    alice = world.osmosis.user("alice")
    assert alice.balance() == 1_000_000_000
    world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
    world.settle()
    assert alice.balance() == 999_999_900
    if kind == "local":
        seen = tmp_path_factory.getbasetemp().parent / "homes"
        with seen.open("a") as file:
            print(world.home.path, world.home.running().endpoints.gateway, file=file)
"""


@pytest.mark.slow
def test_workers_side_by_side_share_no_mesh_port_or_directory_and_leave_none_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_many=MANY)
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider", "--basetemp", str(pytester.path / "tmp"))
    result.assert_outcomes(passed=8)
    rows = [line.split() for line in (pytester.path / "tmp" / "homes").read_text().splitlines()]
    assert len(rows) == 4
    homes = {home for home, _ in rows}
    assert len(homes) == len({gateway for _, gateway in rows}) <= 2
    assert not any(Path(home).exists() for home in homes)
