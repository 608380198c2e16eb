"""Reverts of a whole mesh in the simulation: the same again gives the same bytes, anything else is another future."""

import pytest
from msgspec.structs import replace

from meshsec import SimWorld, mesh
from meshsec.world.sim import Snapshot
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.errors import TxRejected


def lend(world: SimWorld) -> None:
    alice = world.osmosis.user("alice")
    alice.send(mesh.Bond(100_000_000))
    alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
    world.settle()


def vault(world: SimWorld) -> str:
    found: str = world.osmosis.query("mesh/provider", "vault", user="alice")["collateral"]
    return found


@pytest.fixture(scope="module")
def lent() -> Snapshot:
    world = SimWorld("pair", seed=3)
    lend(world)
    return world.snapshot("lent")


@pytest.fixture
def world(lent: Snapshot) -> SimWorld:
    world = SimWorld("pair", seed=3, start=lent)
    world.snapshot("lent")
    return world


def betray(world: SimWorld) -> str:
    world.fault("double-sign", "juno/val-0")
    world.settle()
    assert (vault(world), world.juno.find_validator("val-0")["tombstoned"]) == ("96000000", True)
    return world.digest()


def test_the_same_actions_after_a_revert_give_the_same_bytes_also_across_chains(world: SimWorld) -> None:
    """Evidence, headers and packets of the second time are those of the first: what was abandoned is signed again."""
    first = betray(world)
    for _ in range(2):
        world.revert("lent")
        assert betray(world) == first
    assert {chain.get("/v1/status")["generation"] for chain in world.chains.values()} == {"2"}


def test_nobody_pays_in_one_future_for_what_was_done_in_another(world: SimWorld) -> None:
    """Given juno/val-0 double-signs, and the evidence lies in a block of juno
    When the mesh goes back, and the relayer's transaction of the other future is sent again by hand
    Then it is refused, and the vault is whole
    """
    height = world.osmosis.height
    betray(world)
    raws = [
        raw
        for number in range(height + 1, world.osmosis.height + 1)
        if (found := world.nodes["osmosis"].replica.block(number)) is not None
        for raw in found.txs
        if b"mesh/SubmitEvidence" in raw
    ]
    assert len(raws) == 1
    world.revert("lent")
    world.settle()
    world.mine(5)
    with pytest.raises(Rejected) as refusal:
        world.nodes["osmosis"].submit(raws[0])
    assert refusal.value.code == "dev/abandoned-branch"
    world.settle()
    assert (vault(world), world.juno.find_validator("val-0")["tombstoned"]) == ("100000000", False)


def test_snapshots_nest_and_can_be_visited_in_any_order(world: SimWorld) -> None:
    world.osmosis.user("alice").send(mesh.Bond(1))
    world.snapshot("one")
    world.osmosis.user("alice").send(mesh.Bond(10))
    eleven = world.snapshot("eleven")
    world.osmosis.user("alice").send(mesh.Bond(100))
    for name, collateral in (("one", 1), ("eleven", 11), ("lent", 0), ("one", 1), ("eleven", 11)):
        world.revert(name)
        assert vault(world) == str(100_000_000 + collateral)
        world.settle()
    world.revert(eleven)
    assert vault(world) == "100000011"


def test_what_was_signed_on_a_branch_is_abandoned_with_it(world: SimWorld) -> None:
    """Given three of juno's validators sign another future beside it, which is shown to nobody
    When the mesh goes back
    Then the branch is gone, and its headers are refused
    """
    branch = world.fork("juno", ["val-0", "val-1", "val-2"], late=True)
    world.mine(2)
    signed = world.nodes["juno"].branches[branch.name.rpartition("~")[2]].replica.commit(world.juno.height)
    assert signed is not None
    assert signed != world.nodes["juno"].replica.commit(world.juno.height)
    world.revert("lent")
    assert world.branches == {}
    with pytest.raises(Rejected) as refusal:
        world.nodes["osmosis"].replica.abandoned.check_header(signed)
    assert refusal.value.code == "dev/abandoned-branch"


def test_packets_under_way_are_under_way_again(world: SimWorld) -> None:
    world.relayer("pause")
    world.osmosis.user("alice").send(mesh.StakeRemote("juno", "juno/val-1", 10_000_000))
    world.snapshot("on its way")
    assert world.juno.find_validator("val-1")["power"] == "100000000"
    for _ in range(2):
        world.relayer("resume")
        world.settle()
        assert world.juno.find_validator("val-1")["power"] == "110000000"
        world.revert("on its way")
        assert world.juno.find_validator("val-1")["power"] == "100000000"
        assert world.relayer("status")["main"]["paused"] is True


def test_faults_end_with_a_revert_and_time_goes_back(world: SimWorld) -> None:
    now = world.now
    for name in ("val-0", "val-1"):
        world.fault("down", f"juno/{name}")
    with pytest.raises(TxRejected):
        world.juno.user("bob").send(mesh.Bond(5))
    world.advance("2d")
    world.revert("lent")
    assert world.now == now
    world.juno.user("bob").send(mesh.Bond(5))


def test_a_transaction_that_waited_waits_again(world: SimWorld) -> None:
    for name in ("val-0", "val-1"):
        world.fault("down", f"juno/{name}")
    with pytest.raises(TxRejected):
        world.juno.user("bob").send(mesh.Bond(5))
    waits = world.snapshot("waits")
    world.revert(waits)
    world.mine(2)
    assert world.juno.query("mesh/provider", "vault", user="bob")["collateral"] == "5"


def test_an_unknown_name_is_refused_with_those_that_are_known(world: SimWorld) -> None:
    with pytest.raises(Rejected) as refusal:
        world.revert("nowhere")
    assert (refusal.value.code, refusal.value.facts) == ("snapshot/not-found", {"name": "nowhere", "known": "lent"})


def test_a_snapshot_of_another_world_of_the_same_mesh_can_be_gone_to(lent: Snapshot) -> None:
    fresh = SimWorld("pair", seed=3)
    fresh.revert(replace(lent, name="borrowed"))
    assert vault(fresh) == "100000000"
    betray(fresh)
