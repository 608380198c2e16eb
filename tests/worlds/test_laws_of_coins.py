"""Escrow is vouchers: the law across chains that exchange coins notices every unit that is too many or too few."""

import pytest

from meshes import transfer
from meshsec.world.sim import SimWorld
from meshsec_core.ibc.laws import LAWS, escrow_equals_vouchers, pairs
from meshsec_core.ibc.transfer import ESCROWS, TRACES
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.types import ChainId
from meshsec_core.modules.bank import SUPPLIES
from meshsec_core.runtime.module import View

OSMOSIS, JUNO, AXELAR = ChainId("osmosis-1"), ChainId("juno-1"), ChainId("axelar-1")


@pytest.fixture
def world() -> SimWorld:
    """Ten coins of osmosis are on juno, four of them have gone on to axelar."""
    world = SimWorld("triangle", seed=2)
    transfer(world, "osmosis", "juno", 10)
    world.settle()
    (voucher,) = world.juno.query("transfer", "denoms")
    transfer(world, "juno", "axelar", 4, voucher["denom"], sender="bob")
    world.settle()
    return world


def views(world: SimWorld) -> dict[ChainId, View]:
    """Every chain's state, of which a test may change what it likes."""
    return {
        node.replica.genesis.chain_id: View(Overlay(node.replica.state), node.replica.app.machine, 0, 0)
        for node in world.nodes.values()
    }


def escrows(view: View) -> dict[tuple[str, ...], int]:
    return dict(ESCROWS.items(view.store))


def test_every_transfer_channel_is_judged_from_both_ends(world: SimWorld) -> None:
    assert len(list(pairs(views(world)))) == 6
    assert len(list(pairs({OSMOSIS: views(world)[OSMOSIS], JUNO: views(world)[JUNO]}))) == 2
    assert [law.name for law in LAWS if law.always] == ["escrow equals vouchers"]


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("where", ["escrow", "voucher", "voucher that went on"])
def test_one_unit_more_or_less_breaks_the_law(world: SimWorld, where: str, by: int) -> None:
    state = views(world)
    escrow_equals_vouchers(state)
    if where == "escrow":
        ((channel, denom),) = escrows(state[OSMOSIS])
        ESCROWS.put(state[OSMOSIS].store, channel, denom, 10 + by)
    else:
        store = state[JUNO if where == "voucher" else AXELAR].store
        ((name,), _) = next(iter(TRACES.items(store)))
        SUPPLIES.put(store, f"ibc/{name}", (10 if where == "voucher" else 4) + by)
    with pytest.raises(InvariantViolated):
        escrow_equals_vouchers(state)


def test_vouchers_that_nothing_backs_break_the_law(world: SimWorld) -> None:
    state = views(world)
    (held,) = escrows(state[OSMOSIS])
    forgotten = Overlay(state[OSMOSIS].store)
    ESCROWS.delete(forgotten, *held)
    with pytest.raises(InvariantViolated):
        escrow_equals_vouchers({**state, OSMOSIS: View(forgotten, state[OSMOSIS].machine, 0, 0)})


def test_while_a_packet_is_under_way_escrow_may_exceed_vouchers_but_never_the_other_way(world: SimWorld) -> None:
    world.relayer("pause")
    transfer(world, "osmosis", "juno", 7)
    world.mine(3)
    state = views(world)
    assert sum(escrows(state[OSMOSIS]).values()) == 17
    escrow_equals_vouchers(state)
    ((channel, denom),) = escrows(state[OSMOSIS])
    ESCROWS.put(state[OSMOSIS].store, channel, denom, 9)
    with pytest.raises(InvariantViolated):
        escrow_equals_vouchers(state)
