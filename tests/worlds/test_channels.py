"""Channels that a mesh lists: relayers open them, between chains that secure each other and chains that do not."""

from typing import Any

import pytest

from meshes import held, supply, transfer
from meshsec.world.sim import SimWorld
from meshsec.world.ways import channel_to, denom_of
from meshsec_core.ibc.channel import ChannelCloseInit, ChannelOpenInit
from meshsec_core.ibc.echo import Say
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import mesh_yaml
from meshsec_sdk.errors import TxRejected

LISTED = """\
chains: {osmosis: , juno: , axelar: }
links:
  - {provider: osmosis, consumer: juno}
channels:
  - {from: juno/echo, to: osmosis/echo, ordering: ordered}
  - {from: osmosis/echo, to: juno/echo}
  - {from: juno/transfer, to: axelar/transfer}
"""


@pytest.fixture
def world() -> SimWorld:
    return SimWorld(mesh_yaml.loads(LISTED), seed=3)


def ends(world: SimWorld, chain: str) -> list[tuple[str, str, str, str]]:
    found = world.chain(chain).query("ibc", "channels")
    return sorted((end["port_id"], end["ordering"], end["chain_id"], end["state"]) for end in found)


def echo(world: SimWorld, chain: str, ordering: str) -> str:
    """The id of the echo channel of one ordering."""
    found = world.chain(chain).query("ibc", "channels")
    (end,) = [end for end in found if (end["port_id"], end["ordering"]) == ("echo", f"ORDER_{ordering}")]
    return str(end["channel_id"])


def talk(world: SimWorld, chain: str, ordering: str) -> Any:
    found = {each["channel"]: each["conversation"] for each in world.chain(chain).query("echo", "conversations")}
    return found[echo(world, chain, ordering)]


def test_listed_channels_are_open_when_the_mesh_is(world: SimWorld) -> None:
    assert ends(world, "osmosis") == [
        ("echo", "ORDER_ORDERED", "juno-1", "OPEN"),
        ("echo", "ORDER_UNORDERED", "juno-1", "OPEN"),
        ("mesh-provider", "ORDER_UNORDERED", "juno-1", "OPEN"),
        ("transfer", "ORDER_UNORDERED", "juno-1", "OPEN"),
    ]
    assert ends(world, "axelar") == [("transfer", "ORDER_UNORDERED", "juno-1", "OPEN")]


def test_chains_that_only_a_channel_joins_exchange_coins(world: SimWorld) -> None:
    transfer(world, "juno", "axelar", 10)
    world.settle()
    (voucher,) = world.axelar.query("transfer", "denoms")
    assert supply(world.axelar, voucher["denom"]) == 10
    assert list(held(world.juno).values()) == [10]


def test_relayers_carry_an_ordered_and_an_unordered_channel_between_the_same_ports(world: SimWorld) -> None:
    ids = {ordering: echo(world, "osmosis", ordering) for ordering in ("ORDERED", "UNORDERED")}
    for number in range(5):
        words = (Say(channel, f"{ordering} {number}") for ordering, channel in ids.items())
        world.osmosis.user("alice").send(*words)
    world.settle()
    for ordering in ids:
        here, there = talk(world, "osmosis", ordering), talk(world, "juno", ordering)
        assert (here["said"], here["answered"], there["heard"]) == ("5", "5", "5")
    assert talk(world, "juno", "ORDERED")["last_text"] == "ORDERED 4"


def test_coins_and_channels_are_named_by_the_chains_they_lead_to(world: SimWorld) -> None:
    transfer(world, "osmosis", "juno", 10)
    world.settle()
    voucher = denom_of(world.juno, "osmosis/uosmo")
    assert (world.juno.balance("bob", "osmosis/uosmo"), world.juno.balance("bob", voucher)) == (10, 10)
    transfer(world, "juno", "axelar", 4, voucher, sender="bob")
    world.settle()
    assert world.axelar.balance("bob", "juno/osmosis/uosmo") == 4
    assert [denom_of(world.juno, text) for text in ("ujuno", voucher)] == ["ujuno", voucher]
    assert channel_to(world.osmosis, "juno", "echo") == max(
        echo(world, "osmosis", ordering) for ordering in ("ORDERED", "UNORDERED")
    )
    for chain, partner, code in (("osmosis", "axelar", "world/no-channel"), ("osmosis", "atlantis", "world/unknown-chain")):
        with pytest.raises(Rejected) as refusal:
            channel_to(world.chain(chain), partner)
        assert refusal.value.code == code


def test_a_channel_that_is_proposed_in_place_of_a_closed_one_is_opened_and_the_old_one_gives_back_what_it_held(
    world: SimWorld,
) -> None:
    """Given words under way on an ordered channel whose end its opener has closed, and a relayer that is killed
    When alice proposes another channel between the same ports, and the relayer is killed once more
    Then the words come back, the new channel is open, and both relayer lives serve it
    """
    old = echo(world, "juno", "ORDERED")
    world.relayer("pause")
    world.juno.user("bob").send(Say(old, "one"), Say(old, "two"))
    world.juno.user("relayer/main").send(ChannelCloseInit("echo", old))
    world.crash("relayer")
    hop = world.juno.query("ibc", "channel", port_id="echo", channel_id=old)["connection_id"]
    world.juno.user("alice").send(ChannelOpenInit("echo", "ORDER_ORDERED", hop, "echo"))
    world.relayer("resume")
    world.settle()

    talks = {each["channel"]: each["conversation"] for each in world.juno.query("echo", "conversations")}
    assert (talks[old]["said"], talks[old]["timed_out"]) == ("2", "2")
    assert [end for end in ends(world, "juno") if end[:3] == ("echo", "ORDER_ORDERED", "osmosis-1")] == [
        ("echo", "ORDER_ORDERED", "osmosis-1", "CLOSED"),
        ("echo", "ORDER_ORDERED", "osmosis-1", "OPEN"),
    ]
    new = max((channel for channel in talks), key=lambda name: int(name.removeprefix("channel-")))
    for word in ("three", "four"):
        world.juno.user("bob").send(Say(new, word))
        world.settle()
        world.crash("relayer")
    assert {each["channel"]: each["conversation"]["answered"] for each in world.juno.query("echo", "conversations")}[new] == "2"


def test_a_channel_that_its_opener_closes_at_one_end_is_closed_at_the_other_by_the_relayer(world: SimWorld) -> None:
    closing = ChannelCloseInit("echo", echo(world, "osmosis", "UNORDERED"))
    with pytest.raises(TxRejected) as refusal:
        world.osmosis.user("alice").send(closing)
    assert refusal.value.code == "echo/not-the-opener"
    world.relayer("pause")
    world.osmosis.user("alice").send(Say(closing.channel_id, "too late"))
    world.osmosis.user("relayer/main").send(closing)
    world.relayer("resume")
    world.settle()
    for chain in ("osmosis", "juno"):
        assert ends(world, chain)[:2] == [
            ("echo", "ORDER_ORDERED", "osmosis-1" if chain == "juno" else "juno-1", "OPEN"),
            ("echo", "ORDER_UNORDERED", "osmosis-1" if chain == "juno" else "juno-1", "CLOSED"),
        ]
    assert talk(world, "osmosis", "UNORDERED")["timed_out"] == "1"
    with pytest.raises(TxRejected) as refusal:
        world.osmosis.user("relayer/main").send(ChannelCloseInit("transfer", "channel-0"))
    assert refusal.value.code == "transfer/cannot-close"
