"""Which step a half-open connection or channel needs next, and which of several is gone on with: the stored ends decide."""

from typing import Any

import pytest

from meshsec_core.ibc.channel import CHANNELS, ChannelOpenAck, ChannelOpenConfirm, ChannelOpenInit, ChannelOpenTry
from meshsec_core.ibc.connection import (
    CONNECTIONS,
    OWN_PREFIX,
    SUPPORTED,
    ConnectionOpenAck,
    ConnectionOpenConfirm,
    ConnectionOpenInit,
    ConnectionOpenTry,
)
from meshsec_core.kernel.wire.ibc import (
    STATE_CLOSED,
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    Channel,
    ChannelCounterparty,
    ConnectionCounterparty,
    ConnectionEnd,
    Height,
)
from meshsec_relayer.config import ChannelConfig
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.directory import Directory
from meshsec_relayer.engine.handshake import Connected, Joined, Step, Wanted, channel_step, connection_step
from meshsec_relayer.engine.selection import find_channel, find_connection

PROOF, HEIGHT = b"proof", Height(1, 9)
CONFIG = ChannelConfig(proposer="a", port="probe", counterparty_port="echo")
WANTED = Wanted("ORDER_UNORDERED", "v1")


def end(state: int, other: str, client: str = "client-a", other_client: str = "client-b") -> ConnectionEnd:
    return ConnectionEnd(client, SUPPORTED, state, ConnectionCounterparty(other_client, other, OWN_PREFIX))


def theirs(state: int, other: str) -> ConnectionEnd:
    return end(state, other, "client-b", "client-a")


def a_end(state: int, other: str = "") -> Connected:
    return Connected("a", "client-a", "connection-1" if state else "", end(state, other) if state else None)


def b_end(state: int, other: str = "connection-1") -> Connected:
    return Connected("b", "client-b", "connection-2" if state else "", theirs(state, other) if state else None)


def taken(step: Step | None) -> tuple[str, str, Any]:
    """Return on which chain, proving which key, and with which message a step is taken."""
    assert step is not None
    return step.host, step.key, step.build(PROOF, HEIGHT)


def test_a_connection_is_opened_in_four_steps() -> None:
    assert taken(connection_step(a_end(0), b_end(0))) == ("a", "", ConnectionOpenInit("client-a", "client-b"))
    answer = ConnectionOpenTry("client-b", "client-a", "connection-1", SUPPORTED, PROOF, HEIGHT)
    assert taken(connection_step(a_end(STATE_INIT), b_end(0))) == ("b", CONNECTIONS.key("connection-1"), answer)
    ack = ConnectionOpenAck("connection-1", "connection-2", SUPPORTED[0], PROOF, HEIGHT)
    assert taken(connection_step(a_end(STATE_INIT), b_end(STATE_TRYOPEN))) == ("a", CONNECTIONS.key("connection-2"), ack)
    confirm = ConnectionOpenConfirm("connection-2", PROOF, HEIGHT)
    opened = a_end(STATE_OPEN, "connection-2")
    assert taken(connection_step(opened, b_end(STATE_TRYOPEN))) == ("b", CONNECTIONS.key("connection-1"), confirm)
    assert connection_step(opened, b_end(STATE_OPEN)) is None


def test_a_connection_that_the_other_chain_has_proposed_is_answered_here() -> None:
    host, key, message = taken(connection_step(a_end(0), b_end(STATE_INIT, "")))
    assert (host, key, message.counterparty_connection_id) == ("a", CONNECTIONS.key("connection-2"), "connection-2")


def test_what_a_step_rests_on_is_the_end_as_it_is_stored() -> None:
    step = connection_step(a_end(STATE_INIT), b_end(0))
    assert step is not None
    assert step.expected == CONNECTIONS.encode(end(STATE_INIT, ""))


def channel(state: int, other: str, port: str = "echo", hop: str = "connection-1", ordering: int = 1) -> Channel:
    return Channel(state, ordering, ChannelCounterparty(port, other), (hop,), "v1")


def a_channel(state: int, other: str = "") -> Joined:
    return Joined("a", "probe", "channel-1" if state else "", channel(state, other) if state else None)


def b_channel(state: int, other: str = "channel-1") -> Joined:
    stored = channel(state, other, "probe", "connection-2") if state else None
    return Joined("b", "echo", "channel-2" if state else "", stored)


OPEN = {"a": a_end(STATE_OPEN, "connection-2"), "b": b_end(STATE_OPEN)}


def test_a_channel_is_opened_in_four_steps() -> None:
    proposal = ChannelOpenInit("probe", "ORDER_UNORDERED", "connection-1", "echo", "v1")
    assert taken(channel_step(a_channel(0), b_channel(0), WANTED, OPEN, "")) == ("a", "", proposal)
    answer = ChannelOpenTry("echo", "ORDER_UNORDERED", "connection-2", "probe", "channel-1", "v1", PROOF, HEIGHT)
    found = taken(channel_step(a_channel(STATE_INIT), b_channel(0), WANTED, OPEN, ""))
    assert found == ("b", CHANNELS.key("probe", "channel-1"), answer)
    ack = ChannelOpenAck("probe", "channel-1", "channel-2", "v1", PROOF, HEIGHT)
    found = taken(channel_step(a_channel(STATE_INIT), b_channel(STATE_TRYOPEN), WANTED, OPEN, ""))
    assert found == ("a", CHANNELS.key("echo", "channel-2"), ack)
    confirm = ChannelOpenConfirm("echo", "channel-2", PROOF, HEIGHT)
    found = taken(channel_step(a_channel(STATE_OPEN, "channel-2"), b_channel(STATE_TRYOPEN), WANTED, OPEN, ""))
    assert found == ("b", CHANNELS.key("probe", "channel-1"), confirm)
    assert channel_step(a_channel(STATE_OPEN, "channel-2"), b_channel(STATE_OPEN), WANTED, OPEN, "") is None


@pytest.mark.parametrize(
    ("a", "b"), [(a_channel(STATE_CLOSED, "channel-2"), b_channel(STATE_OPEN)), (a_channel(STATE_OPEN), b_channel(STATE_CLOSED))]
)
def test_a_closed_channel_is_not_opened_again(a: Joined, b: Joined) -> None:
    assert channel_step(a, b, WANTED, OPEN, "") is None


def test_a_channel_is_proposed_as_soon_as_its_connection_exists_and_answered_when_it_is_open() -> None:
    nothing = {"a": a_end(0), "b": b_end(0)}
    assert channel_step(a_channel(0), b_channel(0), WANTED, nothing, "") is None
    proposed = {"a": a_end(STATE_INIT), "b": b_end(0)}
    assert taken(channel_step(a_channel(0), b_channel(0), WANTED, proposed, ""))[0] == "a"
    half = {"a": a_end(STATE_OPEN, "connection-2"), "b": b_end(STATE_TRYOPEN)}
    assert channel_step(a_channel(STATE_INIT), b_channel(0), WANTED, half, "") is None
    assert taken(channel_step(a_channel(STATE_INIT), b_channel(0), WANTED, half, "b"))[0] == "b"


def directory(name: str, **connections: ConnectionEnd) -> Directory:
    found = Directory(Chain(name, f"{name}-1", name))
    found.connections = {key.replace("_", "-"): value for key, value in connections.items()}
    return found


USABLE = (("client-a",), ("client-b",))


def ids(pair: tuple[Any, Any] | None) -> tuple[str, str] | None:
    return None if pair is None else (pair[0].id, pair[1].id)


def test_ends_belong_together_only_if_each_names_the_other() -> None:
    """Given two proposals on a, of which the second has been answered."""
    first = directory("a", connection_1=end(STATE_INIT, ""), connection_3=end(STATE_INIT, ""))
    second = directory("b", connection_2=theirs(STATE_TRYOPEN, "connection-3"))
    assert ids(find_connection(first, second, USABLE, "")) == ("connection-3", "connection-2")


def test_a_connection_that_names_another_end_is_not_believed() -> None:
    first = directory("a", connection_1=end(STATE_OPEN, "connection-9"))
    second = directory("b", connection_2=theirs(STATE_OPEN, "connection-1"))
    assert find_connection(first, second, USABLE, "") is None


def test_the_farthest_is_gone_on_with_the_oldest_among_equals_and_before_them_the_one_used_before() -> None:
    first = directory("a", connection_1=end(STATE_OPEN, "connection-2"), connection_3=end(STATE_OPEN, "connection-4"))
    second = directory("b", connection_2=theirs(STATE_OPEN, "connection-1"), connection_4=theirs(STATE_OPEN, "connection-3"))
    assert ids(find_connection(first, second, USABLE, "")) == ("connection-1", "connection-2")
    assert ids(find_connection(first, second, USABLE, "connection-3")) == ("connection-3", "connection-4")
    second.connections["connection-2"] = theirs(STATE_TRYOPEN, "connection-1")
    assert ids(find_connection(first, second, USABLE, "")) == ("connection-3", "connection-4")


def test_a_connection_over_a_client_that_may_not_be_used_is_left_alone() -> None:
    first = directory("a", connection_1=end(STATE_OPEN, "connection-2", "client-x"))
    second = directory("b", connection_2=end(STATE_OPEN, "connection-1", "client-b", "client-x"))
    assert find_connection(first, second, USABLE, "connection-1") is None


def test_a_proposal_of_the_other_chain_is_found_too() -> None:
    second = directory("b", connection_2=theirs(STATE_INIT, ""))
    assert ids(find_connection(directory("a"), second, USABLE, "")) == ("", "connection-2")


def channels(name: str, **found: Channel) -> Directory:
    chain = directory(name)
    chain.channels = {("probe" if name == "a" else "echo", key.replace("_", "-")): value for key, value in found.items()}
    return chain


def test_a_channel_fits_by_ports_ordering_and_connection() -> None:
    none = ("", "")
    good = channel(STATE_INIT, "")
    assert ids(find_channel(channels("a", channel_1=good), channels("b"), CONFIG, OPEN, ())) == ("channel-1", "")
    for bad in (
        channel(STATE_INIT, "", port="else"),
        channel(STATE_INIT, "", hop="connection-7"),
        channel(STATE_INIT, "", ordering=2),
    ):
        assert ids(find_channel(channels("a", channel_1=bad), channels("b"), CONFIG, OPEN, ())) == none


def test_of_several_channels_the_farthest_the_oldest_and_before_them_the_one_used_before_is_served() -> None:
    first = channels("a", channel_1=channel(STATE_CLOSED, "channel-2"), channel_3=channel(STATE_OPEN, "channel-4"))
    first.channels[("probe", "channel-5")] = channel(STATE_OPEN, "channel-6")
    back = {name: channel(STATE_OPEN, other, "probe", "connection-2") for name, other in _BACK.items()}
    second = channels("b", **back)
    assert ids(find_channel(first, second, CONFIG, OPEN, ())) == ("channel-3", "channel-4")
    assert ids(find_channel(first, second, CONFIG, OPEN, ("channel-5",))) == ("channel-5", "channel-6")
    assert ids(find_channel(first, second, CONFIG, OPEN, ("channel-1",))) == ("channel-3", "channel-4")


def test_a_closed_channel_is_served_if_there_is_none_in_its_place() -> None:
    first = channels("a", channel_1=channel(STATE_CLOSED, "channel-2"))
    second = channels("b", channel_2=channel(STATE_CLOSED, "channel-1", "probe", "connection-2"))
    assert ids(find_channel(first, second, CONFIG, OPEN, ("channel-1",))) == ("channel-1", "channel-2")
    first.channels[("probe", "channel-3")] = channel(STATE_INIT, "")
    assert ids(find_channel(first, second, CONFIG, OPEN, ("channel-1",))) == ("channel-3", "")


_BACK = {"channel_2": "channel-1", "channel_4": "channel-3", "channel_6": "channel-5"}
