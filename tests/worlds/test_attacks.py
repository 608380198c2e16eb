"""What a forked chain does to its neighbours, and what becomes of a branch in a world."""

from typing import Any

import pytest

from meshes import channel, held, transfer
from meshsec import mesh
from meshsec.world import forks
from meshsec.world.chain import Branch
from meshsec.world.sim import SimWorld
from meshsec_core.consensus.attack import Attack, kind_of
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_sdk.errors import TxRejected

THREE = ["val-0", "val-1", "val-2"]
pytestmark = pytest.mark.mesh(topology="pair")


def status(world: SimWorld) -> str:
    """Of the client by which osmosis follows juno."""
    found: str = world.osmosis.query("ibc", "client", client_id=forks.client_of(world.osmosis, world.juno))["status"]
    return found


def code(act: Any, *arguments: Any, **more: Any) -> str:
    with pytest.raises((Rejected, TxRejected)) as refusal:
        act(*arguments, **more)
    return refusal.value.code


def guilty(world: SimWorld) -> list[str]:
    return sorted(found["name"] for found in world.juno.query("staking", "validators") if found["tombstoned"])


def robbed(world: SimWorld) -> Branch:
    """alice's 500 uosmo are in escrow for bob of juno; erin forges vouchers for as many and redeems them."""
    transfer(world, "osmosis", "juno", 500)
    world.relay()
    voucher = next(denom for denom in world.juno.get("/v1/accounts/bob")["balances"] if denom.startswith("ibc/"))
    branch = world.fork("juno", THREE)
    world.set_balance("juno~fork", "erin", 500, voucher)
    message = {
        "@type": "transfer/Transfer",
        "channel": channel(world, "juno", "osmosis")["channel_id"],
        "denom": voucher,
        "amount": "500",
        "receiver": world.osmosis.user("erin").address,
    }
    branch.send("erin", message)
    forks.deliver(world, branch, world.osmosis, "erin")
    return branch


def test_who_signs_a_forged_state_can_empty_the_escrow_of_a_neighbour(mesh_world: SimWorld) -> None:
    """Given three of juno's four validators sign a branch on which erin holds 500 forged vouchers
    When she sends them home to osmosis
    Then osmosis pays out all that was in escrow, bob's vouchers are worth nothing, and the law of escrow says so
    """
    before = mesh_world.osmosis.balance("erin")
    branch = robbed(mesh_world)

    assert mesh_world.osmosis.balance("erin") == before + 500
    assert held(mesh_world.osmosis) == {}
    assert branch.height > branch.base
    assert [amount for denom, amount in branch.get("/v1/accounts/erin")["balances"].items() if denom.startswith("ibc/")] == []
    with pytest.raises(InvariantViolated):
        mesh_world.check_laws()


def test_those_who_lend_to_the_forgers_pay_by_evidence_though_the_client_is_frozen(mesh_world: SimWorld) -> None:
    """Given alice of osmosis lends 80 million to juno/val-0, who forks juno with two others and robs osmosis
    When the relayer tells both chains
    Then osmosis takes 5 % of what was lent on the signatures alone, and what juno must hear of it waits for a client
    """
    alice = mesh_world.osmosis.user("alice")
    alice.send(mesh.Bond(100_000_000))
    alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
    mesh_world.settle()
    robbed(mesh_world)
    for _ in range(6):
        mesh_world.couriers["main"].run_once(mesh_world.now)
        mesh_world.mine(2)

    assert status(mesh_world) == "frozen"
    vault = mesh_world.osmosis.query("mesh/provider", "vault", user="alice")
    assert vault["collateral"] == "96000000"
    faults = mesh_world.osmosis.query("mesh/provider", "slashes", consumer="juno")
    assert sorted((each["fault"]["amount"], each["fault"]["by"]) for each in faults) == [
        ("0", "evidence"),
        ("0", "evidence"),
        ("4000000", "evidence"),
    ]
    counters = mesh_world.couriers["main"].engine.meters.counters
    assert counters["evidence_submitted_total"] == {(("chain", "osmosis"),): 1}
    assert not any(docket.waiting for _, docket in mesh_world.couriers["main"].engine.dockets)


def test_the_relayer_finds_out_freezes_the_client_and_has_the_guilty_slashed(mesh_world: SimWorld) -> None:
    robbed(mesh_world)
    assert status(mesh_world) == "active"
    for _ in range(4):
        mesh_world.couriers["main"].run_once(mesh_world.now)
        mesh_world.mine(2)

    assert status(mesh_world) == "frozen"
    assert guilty(mesh_world) == THREE
    assert [mesh_world.juno.find_validator(name)["tokens"] for name in THREE] == ["95000000"] * 3


def test_a_revert_undoes_a_theft_and_forgets_the_branch(mesh_world: SimWorld) -> None:
    start, erin = mesh_world.snapshot(), mesh_world.osmosis.balance("erin")
    robbed(mesh_world)
    mesh_world.revert(start)

    assert mesh_world.branches == {}
    assert code(mesh_world.chain, "juno~fork") == "world/unknown-chain"
    assert mesh_world.osmosis.balance("erin") == erin
    mesh_world.settle()


@pytest.mark.parametrize(
    ("late", "kind", "tombstoned"),
    [(False, Attack.EQUIVOCATION, [*THREE, "val-3"]), (True, Attack.AMNESIA, [])],
    ids=("same-round", "late"),
)
def test_a_witness_of_both_sides_freezes_the_client_and_accuses_whom_the_signatures_name(
    mesh_world: SimWorld, late: bool, kind: Attack, tombstoned: list[str]
) -> None:
    """All four sign both sides. The client cannot tell the sides apart by what it keeps; only the two headers together can."""
    branch = mesh_world.fork("juno", [*THREE, "val-3"], late=late)
    branch.send("alice", {"@type": "bank/Send", "to": "carol", "denom": "ujuno", "amount": "7"})
    sides = [forks.light_block(side, branch.base + 1).signed_header for side in (branch, mesh_world.juno)]
    assert kind_of(*sides) is kind

    forks.show(branch, mesh_world.osmosis, forks.FIRST, "erin")
    assert status(mesh_world) == "active"
    forks.report(branch, mesh_world.osmosis, forks.FIRST, "dave")
    forks.report(branch, mesh_world.osmosis, forks.FIRST, "alice")
    mesh_world.mine(2)
    assert status(mesh_world) == "frozen"
    assert guilty(mesh_world) == tombstoned


def test_two_who_show_both_sides_of_one_height_freeze_the_client_by_updates_alone(mesh_world: SimWorld) -> None:
    branch = mesh_world.fork("juno", THREE)
    mesh_world.set_balance("juno~fork", "erin", 7)
    mesh_world.mine(2)
    forks.show(branch, mesh_world.osmosis, forks.LATEST, "erin")
    height = int(mesh_world.osmosis.query("ibc", "clients")[0]["latest_height"]["height"])
    mesh_world.relayer("pause")
    truth = Branch(mesh_world.juno, "truth", mesh_world.juno.transport, branch.base)
    forks.show(truth, mesh_world.osmosis, str(height), "dave")

    assert status(mesh_world) == "frozen"
    assert code(forks.show, branch, mesh_world.osmosis, forks.LATEST, "erin") == "ibc/client-not-active"


def test_a_branch_is_a_chain_like_any_other_until_it_ends(mesh_world: SimWorld) -> None:
    branch = mesh_world.fork("juno", ["juno/val-0", "val-1", "val-2"], "other")
    assert mesh_world.chain("juno~other") is branch is mesh_world.branch("juno~other")
    assert branch.user("alice").address == mesh_world.juno.user("alice").address
    branch.send("alice", {"@type": "bank/Send", "to": "bob", "denom": "ujuno", "amount": "3"})
    assert branch.balance("bob") == mesh_world.juno.balance("bob") + 3

    mesh_world.fault("down", "juno~other/val-0")
    height, main = branch.height, mesh_world.juno.height
    mesh_world.mine(2)
    assert (branch.height, mesh_world.juno.height) == (height, main + 2)
    assert branch.get("/v1/status")["ready"] is False
    mesh_world.heal("juno~other/val-0")
    mesh_world.mine(2)
    assert branch.height > height

    mesh_world.end_fork("juno~other")
    assert code(mesh_world.chain, "juno~other") == "world/unknown-chain"


def test_healing_everything_or_killing_the_chain_ends_its_branches(mesh_world: SimWorld) -> None:
    mesh_world.fork("juno", THREE, "one")
    mesh_world.heal()
    assert mesh_world.branches == {}
    mesh_world.fork("juno", THREE, "one")
    mesh_world.fork("osmosis", THREE, "two")
    mesh_world.crash("juno")
    assert list(mesh_world.branches) == ["osmosis~two"]
    assert mesh_world.juno.get("/v1/dev/branches") == {"branches": []}


def test_what_cannot_be_shown_is_refused(mesh_world: SimWorld) -> None:
    branch = mesh_world.fork("juno", THREE)
    for height in ("first", "latest", "0", "99999", "-1", "x", str(branch.base)):
        assert code(forks.show, branch, mesh_world.osmosis, height, "erin") == "world/no-such-height"
    assert code(forks.client_of, mesh_world.juno, mesh_world.juno) == "world/no-client"
    assert code(mesh_world.crash, "juno~fork") == "world/unknown-chain"
    assert code(mesh_world.fork, "juno~fork", THREE) == "world/unknown-chain"
    assert code(mesh_world.fork, "juno", THREE) == "branch/exists"
    assert code(mesh_world.set_balance, "juno", "erin", 1, "ibc/unseen") == "bank/insufficient-funds"


def test_the_same_fork_gives_the_same_bytes(mesh_factory: Any) -> None:
    digests = []
    for _ in range(2):
        world = mesh_factory("pair", seed=3)
        robbed(world)
        digests.append(world.digest())
    assert digests[0] == digests[1]
    world.heal()
    assert world.digest() != digests[0]
