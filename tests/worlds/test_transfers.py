"""ICS-20 over real light clients: every coin is accounted for, whether it arrives, comes back, or is refused."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from meshes import channel, held, refusals, supply, transfer
from meshsec.pytest_plugin import MeshFactory
from meshsec.world.sim import SimWorld
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import voucher_denom
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import USER_COINS


def voucher(world: SimWorld, *way: str) -> str:
    """Denomination of the first chain's coin at the end of a way."""
    path = world.chain(way[0]).names.denom
    for source, target in pairwise(way):
        path = f"transfer/{channel(world, target, source)['channel_id']}/{path}"
    return voucher_denom(path)


def test_coins_go_there_and_come_back_and_escrow_equals_vouchers_all_the_way(mesh_world: SimWorld) -> None:
    osmosis, juno = mesh_world.osmosis, mesh_world.juno
    way, denom = channel(mesh_world, "osmosis", "juno")["channel_id"], voucher(mesh_world, "osmosis", "juno")
    total = supply(osmosis, "uosmo")

    transfer(mesh_world, "osmosis", "juno", 250_000)
    assert held(osmosis) == {(way, "uosmo"): 250_000}
    assert supply(juno, denom) == 0
    mesh_world.settle()
    assert osmosis.user("alice").balance() == USER_COINS - 250_000
    assert juno.user("bob").balance(denom) == supply(juno, denom) == 250_000

    transfer(mesh_world, "juno", "osmosis", 100_000, denom, sender="bob", receiver=osmosis.user("carol").address)
    assert supply(juno, denom) == 150_000
    mesh_world.settle()
    assert osmosis.user("carol").balance() == USER_COINS + 100_000
    assert juno.user("bob").balance(denom) == supply(juno, denom) == 150_000
    assert held(osmosis) == {(way, "uosmo"): 150_000}

    transfer(mesh_world, "juno", "osmosis", 150_000, denom, sender="bob", receiver=osmosis.user("alice").address)
    mesh_world.settle()
    assert osmosis.user("alice").balance() == USER_COINS - 100_000
    assert held(osmosis) == {}
    assert (supply(juno, denom), supply(osmosis, "uosmo")) == (0, total)
    assert refusals(mesh_world) == []


def test_coins_that_cross_two_chains_carry_their_way_in_their_name_and_unwind_it(mesh_factory: MeshFactory) -> None:
    world = mesh_factory("triangle")
    first, second = voucher(world, "osmosis", "juno"), voucher(world, "osmosis", "juno", "axelar")
    transfer(world, "osmosis", "juno", 1_000)
    world.settle()
    transfer(world, "juno", "axelar", 600, first, sender="bob")
    world.settle()
    known = [(found["denom"], found["base"]) for found in world.axelar.query("transfer", "denoms")]
    assert (known, supply(world.axelar, second)) == ([(second, "uosmo")], 600)
    assert held(world.juno) == {(channel(world, "juno", "axelar")["channel_id"], first): 600}
    transfer(world, "axelar", "juno", 600, second, sender="bob")
    world.settle()
    transfer(world, "juno", "osmosis", 1_000, first, sender="bob", receiver=world.osmosis.user("alice").address)
    world.settle()
    assert world.osmosis.user("alice").balance() == USER_COINS
    assert [held(chain) for chain in world.chains.values()] == [{}] * 3


def stop_until_late(world: SimWorld) -> dict[str, str]:
    world.relayer("stop")
    return {"timeout_timestamp": str(world.now + 60 * SECOND)}


def short_of_blocks(world: SimWorld) -> dict[str, Any]:
    world.relayer("stop")
    return {"timeout_height": {"revision": "1", "height": str(world.juno.height + 3)}}


def nobodys_address(world: SimWorld) -> dict[str, str]:
    return {"receiver": "juno1nobody"}


def other_prefix(world: SimWorld) -> dict[str, str]:
    return {"receiver": world.osmosis.user("bob").address}


@pytest.mark.parametrize(
    ("prepare", "event"),
    [
        (stop_until_late, "timeout"),
        (short_of_blocks, "timeout"),
        (nobodys_address, "fungible_token_packet"),
        (other_prefix, "fungible_token_packet"),
    ],
)
def test_what_does_not_arrive_comes_back_to_the_last_coin(
    mesh_world: SimWorld, prepare: Callable[[SimWorld], dict[str, Any]], event: str
) -> None:
    osmosis, juno = mesh_world.osmosis, mesh_world.juno
    before = supply(osmosis, "uosmo"), juno.user("bob").balance()
    transfer(mesh_world, "osmosis", "juno", 77_777, **prepare(mesh_world))
    assert osmosis.user("alice").balance() == USER_COINS - 77_777
    mesh_world.advance("2m")
    mesh_world.relayer("start")
    start = osmosis.height
    mesh_world.settle()
    assert osmosis.user("alice").balance() == USER_COINS
    assert held(osmosis) == {}
    assert (supply(osmosis, "uosmo"), juno.user("bob").balance()) == before
    assert juno.query("transfer", "denoms") == []
    blocks = [osmosis.get(f"/v1/blocks/{height}") for height in range(start - 10, osmosis.height + 1)]
    assert [found["type"] for block in blocks for found in block["events"]].count(event) == 1


def test_vouchers_that_do_not_arrive_come_back_as_vouchers(mesh_world: SimWorld) -> None:
    denom = voucher(mesh_world, "osmosis", "juno")
    transfer(mesh_world, "osmosis", "juno", 500)
    mesh_world.settle()
    transfer(mesh_world, "juno", "osmosis", 200, denom, sender="bob", receiver="osmo1nobody")
    assert supply(mesh_world.juno, denom) == 300
    mesh_world.settle()
    assert mesh_world.juno.user("bob").balance(denom) == supply(mesh_world.juno, denom) == 500
    assert list(held(mesh_world.osmosis).values()) == [500]


def test_a_packet_that_is_late_on_both_clocks_is_not_received_even_if_the_relayer_tries_first(mesh_world: SimWorld) -> None:
    """Given a transfer whose timeout passes while the relayer sleeps
    When the relayer comes back
    Then juno never receives it, and it is timed out once
    """
    transfer(mesh_world, "osmosis", "juno", 9, **stop_until_late(mesh_world))
    mesh_world.advance("1h")
    mesh_world.relayer("start")
    mesh_world.settle()
    kinds = [
        found["type"]
        for chain in mesh_world.chains.values()
        for height in range(19, chain.height + 1)
        for found in chain.get(f"/v1/blocks/{height}")["events"]
    ]
    assert (kinds.count("timeout_packet"), kinds.count("recv_packet"), kinds.count("write_acknowledgement")) == (1, 0, 0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 0}, "bank/bad-amount"),
        ({"amount": USER_COINS + 1}, "bank/insufficient-funds"),
        ({"denom": "ibc/" + "0" * 64}, "transfer/unknown-denom"),
        ({"channel": "channel-99"}, "ibc/unknown-channel"),
        ({"timeout_timestamp": "1"}, "ibc/timeout-elapsed"),
        ({"receiver": "x" * 2_049}, "transfer/too-long"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_leaves_no_trace(
    mesh_world: SimWorld, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(TxRejected) as refusal:
        transfer(mesh_world, "osmosis", "juno", **({"amount": 1} | fields))
    assert refusal.value.code == code
    assert mesh_world.osmosis.user("alice").balance() == USER_COINS
    assert held(mesh_world.osmosis) == {}
