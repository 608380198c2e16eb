"""Light clients live as long as somebody relays, and die without: an expired one refuses everything and says why."""

import pytest

from meshes import held, supply, transfer
from meshsec.world.sim import SimWorld
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import USER_COINS


def statuses(world: SimWorld) -> list[str]:
    return [client["status"] for chain in world.chains.values() for client in chain.query("ibc", "clients")]


@pytest.mark.parametrize("how", ["60d", "13d"])
def test_clients_outlive_any_jump_of_the_clock_while_a_relayer_is_there(mesh_world: SimWorld, how: str) -> None:
    mesh_world.advance(how)
    assert statuses(mesh_world) == ["active", "active"]
    transfer(mesh_world, "osmosis", "juno", 10)
    mesh_world.settle()
    (found,) = mesh_world.juno.query("transfer", "denoms")
    assert supply(mesh_world.juno, found["denom"]) == 10


def test_sixty_days_in_single_days_keep_clients_alive_with_few_updates(mesh_world: SimWorld) -> None:
    """A client is refreshed when a third of its trusting period of 14 days has passed, and not more often."""
    for _ in range(60):
        mesh_world.advance("1d")
    assert statuses(mesh_world) == ["active", "active"]
    for chain in mesh_world.chains.values():
        blocks = [chain.get(f"/v1/blocks/{height}") for height in range(18, chain.height + 1)]
        updates = [event for block in blocks for event in block["events"] if event["type"] == "update_client"]
        assert len(updates) == 12


def test_an_absence_just_within_the_trusting_period_does_no_harm(mesh_world: SimWorld) -> None:
    mesh_world.relayer("stop")
    mesh_world.advance("13d")
    transfer(mesh_world, "osmosis", "juno", 10)
    mesh_world.relayer("start")
    mesh_world.settle()
    assert statuses(mesh_world) == ["active", "active"]
    (found,) = mesh_world.juno.query("transfer", "denoms")
    assert supply(mesh_world.juno, found["denom"]) == 10


def test_one_jump_over_the_trusting_period_expires_clients_though_a_relayer_is_there(mesh_world: SimWorld) -> None:
    mesh_world.advance("13d", keep_alive=False)
    assert statuses(mesh_world) == ["active", "active"]
    mesh_world.settle()
    mesh_world.advance("15d", keep_alive=False)
    assert statuses(mesh_world) == ["expired", "expired"]


def test_an_absence_beyond_the_trusting_period_expires_the_clients_and_everybody_says_so(mesh_world: SimWorld) -> None:
    """Given a transfer under way and no relayer for 15 days, a day longer than clients trust
    When the relayer comes back and when somebody sends more
    Then both are told that the client has expired, and nothing has moved
    """
    transfer(mesh_world, "osmosis", "juno", 10)
    mesh_world.relayer("stop")
    mesh_world.advance("15d")
    assert statuses(mesh_world) == ["expired", "expired"]

    with pytest.raises(TxRejected) as refusal:
        transfer(mesh_world, "osmosis", "juno", 5)
    assert (refusal.value.code, refusal.value.facts["status"]) == ("ibc/client-not-active", "expired")

    mesh_world.relayer("start")
    mesh_world.settle()
    expired = [f"osmosis-juno: client 07-tendermint-0 on {chain}: relayer/client-expired" for chain in ("osmosis", "juno")]
    assert mesh_world.relayer("status")["main"]["reasons"] == expired
    assert mesh_world.osmosis.user("alice").balance() == USER_COINS - 10
    assert list(held(mesh_world.osmosis).values()) == [10]
    assert mesh_world.juno.query("transfer", "denoms") == []
    for chain in mesh_world.chains.values():
        assert len(chain.query("ibc", "clients")) == 1
