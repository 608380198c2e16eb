"""Two chains that trust nobody find each other: clients, a connection, and channels are opened from nothing, once."""

import pytest

from meshes import channel, refusals
from meshsec.world.sim import SimWorld

PORTS = ("transfer", "mesh-provider", "mesh-consumer")
OTHER = {"transfer": "transfer", "mesh-provider": "mesh-consumer", "mesh-consumer": "mesh-provider"}


@pytest.mark.parametrize("mesh", ["pair", "triangle", "star:4", "full:4"])
def test_every_pair_gets_one_client_each_way_one_connection_and_a_channel_for_each_purpose(mesh: str) -> None:
    world = SimWorld(mesh, connect=False)
    assert [chain.query("ibc", "clients") for chain in world.chains.values()] == [[]] * len(world.chains)
    world.relay()
    neighbours = dict.fromkeys(world.chains, 0)
    for left, right in world.spec.pairs():
        neighbours[left] += 1
        neighbours[right] += 1
        for here, there in ((left, right), (right, left)):
            for port in PORTS:
                end = channel(world, here, there, port)
                other = channel(world, there, here, OTHER[port])
                assert end["state"] == "OPEN"
                assert end["counterparty_channel_id"] == other["channel_id"]
                assert end["counterparty_port_id"] == OTHER[port]
    for name, chain in world.chains.items():
        assert [client["status"] for client in chain.query("ibc", "clients")] == ["active"] * neighbours[name]
        assert [end["state"] for end in chain.query("ibc", "connections")] == ["OPEN"] * neighbours[name]
        assert len(chain.query("ibc", "channels")) == len(PORTS) * neighbours[name]
    assert refusals(world) == []


def test_a_relayer_with_nothing_to_do_makes_no_blocks_and_sends_nothing(mesh_world: SimWorld) -> None:
    before = mesh_world.digest()
    mesh_world.relay()
    assert mesh_world.digest() == before
    mesh_world.mine(20)
    mesh_world.relay()
    for chain in mesh_world.chains.values():
        for height in range(chain.height - 19, chain.height + 1):
            assert chain.get(f"/v1/blocks/{height}")["txs"] == []
