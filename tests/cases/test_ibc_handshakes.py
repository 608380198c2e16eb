"""Opening and closing connections and channels: every step proves the other end, and a step that does not fit is refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from ibc_events import attributes, refused
from ibc_rig import TRUSTING_PERIOD, Rig, channel_path
from meshsec_core.ibc.channel import (
    CHANNELS,
    NEXT_ACKNOWLEDGE,
    NEXT_RECEIVE,
    NEXT_SEND,
    ChannelCloseConfirm,
    ChannelCloseInit,
    ChannelOpenInit,
    client_of,
)
from meshsec_core.ibc.connection import CONNECTIONS, ORDERED, SUPPORTED, UNORDERED, ConnectionOpenInit
from meshsec_core.ibc.transfer import TRANSFER
from meshsec_core.kernel.wire.ibc import (
    ORDER_ORDERED,
    STATE_CLOSED,
    STATE_INIT,
    STATE_OPEN,
    STATE_TRYOPEN,
    Channel,
    ChannelCounterparty,
    ConnectionCounterparty,
    ConnectionEnd,
    Height,
    MerklePrefix,
    Version,
)

CLIENT = "07-tendermint-0"
CONNECTION = "connection-0"
CHANNEL = "channel-0"
IBC_PREFIX = MerklePrefix(b"ibc")


@pytest.fixture
def clients() -> Rig:
    """Two chains that follow each other."""
    rig = Rig()
    rig.create_client(rig.a)
    rig.create_client(rig.b)
    return rig


@pytest.fixture
def proposed(clients: Rig) -> Rig:
    """Chain a has proposed a connection."""
    clients.a.send("relayer", ConnectionOpenInit(CLIENT, CLIENT))
    clients.end(clients.a).connection = CONNECTION
    clients.end(clients.b).connection = CONNECTION
    return clients


@pytest.fixture
def connected() -> Rig:
    """Two chains with an open connection."""
    rig = Rig()
    rig.connect()
    return rig


@pytest.fixture
def offered(connected: Rig) -> Rig:
    """Chain a has proposed an ordered channel."""
    connected.a.send("relayer", ChannelOpenInit("probe", ORDERED, CONNECTION, "probe"))
    for chain in (connected.a, connected.b):
        connected.end(chain).port, connected.end(chain).channel = "probe", CHANNEL
    return connected


def end(state: int, connection: str = CONNECTION, versions: tuple[Version, ...] = SUPPORTED) -> ConnectionEnd:
    return ConnectionEnd(CLIENT, versions, state, ConnectionCounterparty(CLIENT, connection, IBC_PREFIX), 0)


def test_a_connection_opens_in_four_steps(clients: Rig) -> None:
    a, b = clients.a, clients.b
    events = a.send("relayer", ConnectionOpenInit(CLIENT, CLIENT))
    assert CONNECTIONS.get(a.state, CONNECTION) == end(STATE_INIT, connection="")
    assert attributes(events, "connection_open_init") == {
        "connection_id": CONNECTION,
        "client_id": CLIENT,
        "counterparty_client_id": CLIENT,
        "counterparty_connection_id": "",
    }
    assert attributes(events, "message") == {"module": "ibc_connection"}
    clients.end(a).connection = clients.end(b).connection = CONNECTION

    b.send("relayer", clients.connection_try())
    assert CONNECTIONS.get(b.state, CONNECTION) == end(STATE_TRYOPEN)

    a.send("relayer", clients.connection_ack())
    assert CONNECTIONS.get(a.state, CONNECTION) == end(STATE_OPEN)

    events = b.send("relayer", clients.connection_confirm())
    assert CONNECTIONS.get(b.state, CONNECTION) == end(STATE_OPEN)
    assert attributes(events, "connection_open_confirm")["counterparty_connection_id"] == CONNECTION
    assert [view.state for view in b.query("ibc/connections")] == ["OPEN"]


def test_many_connections_can_share_a_client(clients: Rig) -> None:
    for _ in range(3):
        clients.a.send("relayer", ConnectionOpenInit(CLIENT, CLIENT))
    assert [view.connection_id for view in clients.a.query("ibc/connections")] == [f"connection-{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "07-tendermint-9"}, "ibc/unknown-client"),
        ({"counterparty_client_id": "a/b/c"}, "ibc/bad-identifier"),
        ({"counterparty_client_id": "abc"}, "ibc/bad-identifier"),
        ({"counterparty_prefix": ""}, "ibc/bad-identifier"),
        ({"version": Version("2", (ORDERED,))}, "ibc/no-common-version"),
        ({"version": Version("1", ("ORDER_RANDOM",))}, "ibc/no-common-version"),
        ({"version": Version("1", ())}, "ibc/no-common-version"),
    ],
)
def test_a_proposal_that_cannot_work_is_refused(clients: Rig, changes: dict[str, Any], code: str) -> None:
    with refused(clients.a, code):
        clients.a.send("relayer", replace(ConnectionOpenInit(CLIENT, CLIENT), **changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"counterparty_client_id": "07-tendermint-1"}, "proof/wrong-value"),
        ({"counterparty_connection_id": "connection-1"}, "proof/wrong-key"),
        ({"counterparty_connection_id": "connection/0"}, "ibc/bad-identifier"),
        ({"counterparty_versions": (Version("1", (UNORDERED, ORDERED)),)}, "proof/wrong-value"),
        ({"counterparty_versions": (Version("9", (ORDERED,)),)}, "ibc/no-common-version"),
        ({"counterparty_versions": ()}, "ibc/no-common-version"),
        ({"counterparty_prefix": "bank"}, "proof/wrong-key"),
        ({"proof_height": Height(1, 99)}, "ibc/unknown-consensus-state"),
        ({"proof_init": b""}, "proof/wrong-levels"),
    ],
)
def test_an_answer_to_what_was_not_proposed_is_refused(proposed: Rig, changes: dict[str, Any], code: str) -> None:
    answer = proposed.connection_try()
    with refused(proposed.b, code):
        proposed.b.send("relayer", replace(answer, **changes))
    proposed.b.send("relayer", answer)


def test_a_proof_of_the_right_value_at_another_height_is_refused(proposed: Rig) -> None:
    answer = proposed.connection_try()
    proposed.a.send("relayer", ConnectionOpenInit(CLIENT, CLIENT))
    proposed.sync(proposed.b)
    with refused(proposed.b, "proof/wrong-root"):
        proposed.b.send("relayer", replace(answer, proof_height=proposed.latest(proposed.b)))


def test_the_answer_picks_the_features_that_both_sides_have(clients: Rig) -> None:
    only = Version("1", (ORDERED,))
    clients.a.send("relayer", ConnectionOpenInit(CLIENT, CLIENT, version=only))
    clients.end(clients.a).connection = clients.end(clients.b).connection = CONNECTION

    clients.b.send("relayer", replace(clients.connection_try(), counterparty_versions=(only,)))
    assert CONNECTIONS.get(clients.b.state, CONNECTION) == end(STATE_TRYOPEN, versions=(only,))

    acknowledge = clients.connection_ack()
    with refused(clients.a, "ibc/no-common-version"):
        clients.a.send("relayer", acknowledge)
    clients.a.send("relayer", replace(acknowledge, version=only))
    with refused(clients.a, "ibc/ordering-not-negotiated"):
        clients.a.send("relayer", ChannelOpenInit("probe", UNORDERED, CONNECTION, "probe"))


def test_handshake_steps_out_of_turn_are_refused(proposed: Rig) -> None:
    proposed.b.send("relayer", proposed.connection_try())
    acknowledge = proposed.connection_ack()
    early = proposed.connection_confirm()
    with refused(proposed.b, "proof/wrong-value"):
        proposed.b.send("relayer", early)
    with refused(proposed.a, "ibc/unknown-connection"):
        proposed.a.send("relayer", replace(acknowledge, connection_id="connection-7"))
    proposed.a.send("relayer", acknowledge)
    with refused(proposed.a, "ibc/connection-state"):
        proposed.a.send("relayer", acknowledge)
    confirm = proposed.connection_confirm()
    proposed.b.send("relayer", confirm)
    with refused(proposed.b, "ibc/connection-state"):
        proposed.b.send("relayer", confirm)


def test_the_version_that_the_other_side_picked_must_be_proven(proposed: Rig) -> None:
    proposed.b.send("relayer", proposed.connection_try())
    acknowledge = proposed.connection_ack()
    with refused(proposed.a, "proof/wrong-value"):
        proposed.a.send("relayer", replace(acknowledge, version=Version("1", (ORDERED,))))


def channel(state: int, channel_id: str = CHANNEL) -> Channel:
    return Channel(state, ORDER_ORDERED, ChannelCounterparty("probe", channel_id), (CONNECTION,), "probe-1")


def test_a_channel_opens_in_four_steps_and_starts_counting_at_one(connected: Rig) -> None:
    a, b = connected.a, connected.b
    events = a.send("relayer", ChannelOpenInit("probe", ORDERED, CONNECTION, "probe"))
    assert CHANNELS.get(a.state, "probe", CHANNEL) == channel(STATE_INIT, "")
    assert attributes(events, "channel_open_init") == {
        "port_id": "probe",
        "channel_id": CHANNEL,
        "counterparty_port_id": "probe",
        "counterparty_channel_id": "",
        "connection_id": CONNECTION,
        "version": "probe-1",
    }
    assert attributes(events, "message") == {"module": "ibc_channel"}
    for chain in (a, b):
        connected.end(chain).port, connected.end(chain).channel = "probe", CHANNEL

    b.send("relayer", connected.channel_try(ORDERED, "probe-1"))
    assert CHANNELS.get(b.state, "probe", CHANNEL) == channel(STATE_TRYOPEN)

    a.send("relayer", connected.channel_ack("probe-1"))
    assert CHANNELS.get(a.state, "probe", CHANNEL) == channel(STATE_OPEN)

    b.send("relayer", connected.channel_confirm())
    assert CHANNELS.get(b.state, "probe", CHANNEL) == channel(STATE_OPEN)
    assert a.state.get(f"probe/opened/{CHANNEL}") == f"open,{CHANNEL},probe-1".encode()
    assert b.state.get(f"probe/opened/{CHANNEL}") == b"open"
    for counter in (NEXT_SEND, NEXT_RECEIVE, NEXT_ACKNOWLEDGE):
        assert counter.get(b.state, "probe", CHANNEL) == 1
    assert client_of(b.state, "probe", CHANNEL) == CLIENT
    view = b.query("ibc/channel", port_id="probe", channel_id=CHANNEL)
    assert (view.state, view.ordering, view.chain_id) == ("OPEN", "ORDER_ORDERED", "osmo-1")


def test_a_channel_may_be_proposed_before_its_connection_is_open(proposed: Rig) -> None:
    proposed.a.send("relayer", ChannelOpenInit("probe", ORDERED, CONNECTION, "probe"))
    proposed.b.send("relayer", proposed.connection_try())
    for chain in (proposed.a, proposed.b):
        proposed.end(chain).port, proposed.end(chain).channel = "probe", CHANNEL
    answer = proposed.channel_try(ORDERED, "probe-1")
    with refused(proposed.b, "ibc/connection-not-open"):
        proposed.b.send("relayer", answer)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"port_id": "nobody"}, "ibc/unbound-port"),
        ({"ordering": "ORDER_NONE"}, "ibc/bad-ordering"),
        ({"connection_id": "connection-9"}, "ibc/unknown-connection"),
        ({"counterparty_port_id": "a/b"}, "ibc/bad-identifier"),
        ({"version": "refuse"}, "probe/refused-version"),
        ({"version": "x" * 4097}, "ibc/bad-version"),
        ({"port_id": "transfer"}, "transfer/bad-channel"),
        ({"port_id": "transfer", "ordering": UNORDERED, "version": "ics20-2"}, "transfer/bad-version"),
    ],
)
def test_a_channel_that_cannot_work_is_refused(connected: Rig, changes: dict[str, Any], code: str) -> None:
    with refused(connected.a, code):
        connected.a.send("relayer", replace(ChannelOpenInit("probe", ORDERED, CONNECTION, "probe"), **changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"port_id": "nobody"}, "ibc/unbound-port"),
        ({"port_id": "transfer", "ordering": UNORDERED}, "proof/wrong-value"),
        ({"ordering": UNORDERED}, "proof/wrong-value"),
        ({"connection_id": "connection-9"}, "ibc/unknown-connection"),
        ({"counterparty_port_id": "transfer"}, "proof/wrong-key"),
        ({"counterparty_channel_id": "channel-1"}, "proof/wrong-key"),
        ({"counterparty_channel_id": "c/annel-1"}, "ibc/bad-identifier"),
        ({"counterparty_version": "probe-2"}, "proof/wrong-value"),
        ({"proof_height": Height(0, 1)}, "ibc/unknown-consensus-state"),
    ],
)
def test_an_answer_to_another_channel_than_was_proposed_is_refused(offered: Rig, changes: dict[str, Any], code: str) -> None:
    answer = offered.channel_try(ORDERED, "probe-1")
    with refused(offered.b, code):
        offered.b.send("relayer", replace(answer, **changes))
    offered.b.send("relayer", answer)


def test_channel_steps_out_of_turn_are_refused(offered: Rig) -> None:
    a, b = offered.a, offered.b
    b.send("relayer", offered.channel_try(ORDERED, "probe-1"))
    early = offered.channel_confirm()
    with refused(b, "proof/wrong-value"):
        b.send("relayer", early)
    acknowledge = offered.channel_ack("probe-1")
    with refused(a, "proof/wrong-value"):
        a.send("relayer", replace(acknowledge, counterparty_version="probe-2"))
    with refused(a, "proof/wrong-key"):
        a.send("relayer", replace(acknowledge, counterparty_channel_id="channel-1"))
    with refused(a, "ibc/unknown-channel"):
        a.send("relayer", replace(acknowledge, channel_id="channel-1"))
    a.send("relayer", acknowledge)
    with refused(a, "ibc/channel-state"):
        a.send("relayer", acknowledge)
    confirm = offered.channel_confirm()
    b.send("relayer", confirm)
    with refused(b, "ibc/channel-state"):
        b.send("relayer", confirm)


def test_a_channel_closes_at_one_end_and_then_by_proof_at_the_other() -> None:
    rig = Rig()
    a, b = rig.open("probe", ORDERED)
    rig.sync(rig.b)
    early = ChannelCloseConfirm(b.port, b.channel, rig.a.prove(channel_path(a)), rig.a.height)
    with refused(rig.b, "proof/wrong-value"):
        rig.b.send("relayer", early)

    events = rig.a.send("anyone", ChannelCloseInit(a.port, a.channel))
    assert attributes(events, "channel_close_init")["counterparty_channel_id"] == b.channel
    assert CHANNELS.get(rig.a.state, a.port, a.channel) == channel(STATE_CLOSED)
    height = rig.sync(rig.b)
    confirm = ChannelCloseConfirm(b.port, b.channel, rig.a.prove(channel_path(a)), height)
    events = rig.b.send("relayer", confirm)

    assert attributes(events, "channel_close_confirm")["channel_id"] == b.channel
    assert CHANNELS.get(rig.b.state, b.port, b.channel) == channel(STATE_CLOSED)
    assert rig.b.state.get(f"probe/closed/{b.channel}") == b"probe"
    with refused(rig.b, "ibc/channel-state"):
        rig.b.send("relayer", confirm)
    with refused(rig.a, "ibc/channel-state"):
        rig.a.send("anyone", ChannelCloseInit(a.port, a.channel))


def test_an_expired_client_opens_and_closes_nothing() -> None:
    rig = Rig()
    a, _ = rig.open("probe", ORDERED)
    rig.a.block(time_step=TRUSTING_PERIOD)
    for message in (
        ConnectionOpenInit(CLIENT, CLIENT),
        ChannelOpenInit("probe", ORDERED, CONNECTION, "probe"),
        ChannelCloseInit(a.port, a.channel),
    ):
        with refused(rig.a, "ibc/client-not-active"):
            rig.a.send("relayer", message)


def test_a_transfer_channel_opens_only_if_the_other_side_agrees_to_its_version() -> None:
    rig = Rig()
    for said in ("ics20-2", ""):
        with refused(rig.a, "transfer/bad-version"):
            TRANSFER.ports["transfer"].on_open_ack(rig.a.ctx, "transfer", CHANNEL, CHANNEL, said)


def test_nobody_closes_a_transfer_channel() -> None:
    rig = Rig()
    a, _ = rig.open("transfer")
    with refused(rig.a, "transfer/cannot-close"):
        rig.a.send("anyone", ChannelCloseInit(a.port, a.channel))
