"""Snapshots of a running mesh: what is saved comes back whole, however often, and whoever dies meanwhile."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from meshsec import ProcessWorld, mesh
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.modules.slashing import SubmitEvidence
from meshsec_sdk.errors import OutcomeUnknown, TxRejected


@pytest.fixture(scope="module")
def world() -> Iterator[ProcessWorld]:
    with ProcessWorld("pair") as started:
        alice = started.osmosis.user("alice")
        alice.send(mesh.Bond(100_000_000))
        alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
        started.settle()
        started.snapshot("lent")
        yield started


def vault(world: ProcessWorld, user: str = "alice") -> str:
    found: str = world.osmosis.query("mesh/provider", "vault", user=user)["collateral"]
    return found


def generations(world: ProcessWorld) -> list[str]:
    return [chain.get("/v1/status")["generation"] for chain in world.chains.values()]


def pids(world: ProcessWorld) -> dict[str, int]:
    return dict(world.home.running().children)


def test_two_futures_of_one_mesh_and_nobody_pays_for_the_other(world: ProcessWorld) -> None:
    """Given alice lends to juno/val-0 and the mesh is saved
    When val-0 double-signs and both chains slash, and the mesh goes back twice
    Then the vault is whole, stake crosses as before, and no process was restarted
    """
    before = pids(world)
    for _ in range(2):
        world.fault("double-sign", "juno/val-0")
        world.settle()
        assert (vault(world), world.juno.find_validator("val-0")["tombstoned"]) == ("96000000", True)
        world.revert("lent")
        assert (vault(world), world.juno.find_validator("val-0")["tombstoned"]) == ("100000000", False)
        world.settle()
        assert (vault(world), world.juno.find_validator("val-0")["tombstoned"]) == ("100000000", False)
    assert len(set(generations(world))) == 1
    world.osmosis.user("alice").send(mesh.StakeRemote("juno", "juno/val-1", 10_000_000))
    world.settle()
    assert world.juno.find_validator("val-1")["power"] == "110000000"
    assert pids(world) == before


def test_evidence_of_a_branch_that_was_given_up_is_refused_where_it_would_cost_something(world: ProcessWorld) -> None:
    world.revert("lent")
    height = world.osmosis.height
    world.fault("double-sign", "juno/val-0")
    world.settle()
    juno, osmosis = world.juno, world.osmosis
    found = [item for number in range(1, juno.height + 1) for item in juno.get(f"/v1/blocks/{number}")["evidence"]]
    assert len(found) == 1
    evidence = codec.convert(found[0], bytes)
    assert osmosis.height > height
    world.revert("lent")
    world.juno.user("bob").send(mesh.Bond(5))
    world.settle()
    with pytest.raises(TxRejected) as refusal:
        juno.user("bob").send(SubmitEvidence(evidence))
    assert refusal.value.code == "dev/abandoned-branch"
    with pytest.raises(Rejected) as refused:
        juno.post("/v1/evidence", {"evidence": evidence})
    assert refused.value.code == "dev/abandoned-branch"
    assert juno.find_validator("val-0")["tombstoned"] is False


def test_packets_in_flight_and_orders_to_relayers_come_back(world: ProcessWorld) -> None:
    world.revert("lent")
    world.relayer("hold", {"kind": "stake"})
    world.osmosis.user("alice").send(mesh.StakeRemote("juno", "juno/val-2", 10_000_000))
    world.relay()
    world.snapshot("held")
    for _ in range(2):
        world.relayer("release", {"kind": "stake"})
        world.settle()
        assert world.juno.find_validator("val-2")["power"] == "110000000"
        world.revert("held")
        world.relay()
        assert world.juno.find_validator("val-2")["power"] == "100000000"
        assert world.relayer("status")["main"]["pending"] == "1"
    world.forget("held")
    assert [found.name for found in world.snapshots()] == ["lent"]


def test_streams_of_random_numbers_come_back(world: ProcessWorld) -> None:
    world.snapshot("drawn")
    first = world.chance("who").random()
    world.revert("drawn")
    assert world.chance("who").random() == first
    world.forget("drawn")


def test_time_goes_back_and_clients_live(world: ProcessWorld) -> None:
    world.revert("lent")
    before = world.juno.time
    world.advance("21d")
    assert world.juno.time - before > 20 * 86_400 * 10**9
    world.revert("lent")
    world.mine(2)
    assert world.juno.time - before < 3_600 * 10**9
    world.osmosis.user("alice").send(mesh.StakeRemote("juno", "juno/val-1", 1_000_000))
    world.settle()
    assert world.juno.find_validator("val-1")["power"] == "101000000"


@pytest.mark.slow
def test_relayers_that_were_away_are_away_again(world: ProcessWorld) -> None:
    world.revert("lent")
    world.relayer("stop")
    assert world.snapshot("alone").away == ("main",)
    world.relayer("start")
    world.relay()
    world.revert("alone")
    assert pids(world)["relayer-main"] == 0
    world.revert("lent")
    assert pids(world)["relayer-main"] != 0
    world.forget("alone")
    world.settle()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["juno", "gateway", "relayer-main"])
def test_a_revert_that_is_killed_is_finished_or_has_not_begun(world: ProcessWorld, victim: str) -> None:
    """Given a process is killed while the mesh goes back
    When it is there again
    Then all chains are of one generation, before the revert or after it, and packets cross
    """
    for _ in range(3):
        world.revert("lent")
        world.osmosis.user("alice").send(mesh.Bond(7))
        start = set(generations(world))
        order = threading.Thread(target=lambda: attempt(world), daemon=True)
        order.start()
        with suppress(ProcessLookupError):
            os.kill(pids(world)[victim], signal.SIGKILL)
        order.join(60)
        world._until(lambda found: all(found.values()), "everybody to return")
        await_one_generation(world)
        after = set(generations(world))
        reverted = vault(world) == "100000000"
        assert vault(world) in ("100000000", "100000007")
        assert (after == start) is not reverted
        world.osmosis.user("alice").send(mesh.Bond(1))
        world.settle()


def attempt(world: ProcessWorld) -> None:
    """Order a revert whose answer may be lost; repeated, it would be another one."""
    with suppress(Rejected, OutcomeUnknown):
        world._gateway.post("/v1/snapshots/lent/revert", {})


def await_one_generation(world: ProcessWorld) -> None:
    world._until(lambda _: ready(world), "the revert to be finished")


def ready(world: ProcessWorld) -> bool:
    answer = world._gateway.get("/readyz")[1]
    return answer["ready"] and len(set(generations(world))) == 1


def test_a_save_that_fails_keeps_nothing_and_leaves_the_older_one(world: ProcessWorld) -> None:
    world.revert("lent")
    known = world.snapshots()
    folder = world.home.chain("juno") / "snapshots"
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("in the way")
    with pytest.raises(Rejected) as refusal:
        world.snapshot("lent")
    assert refusal.value.code == "storage/unavailable"
    folder.unlink()
    folder.with_name("elsewhere").rename(folder)
    assert world.snapshots() == known
    assert len(list((world.home.chain("osmosis") / "snapshots").glob("*.db"))) == 1
    world.revert("lent")
    world.settle()


def test_an_unknown_name_is_refused_with_those_that_are_known(world: ProcessWorld) -> None:
    for order in (world.revert, world.forget):
        with pytest.raises(Rejected) as refusal:
            order("nowhere")
        assert (refusal.value.code, refusal.value.facts["known"]) == ("snapshot/not-found", "lent")
