"""The last number that is allowed and the first that is not; what applications and relayers are told of a handshake."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import GENESIS_TIME
from ibc_events import attributes, refused, sent
from ibc_probe import Answer, Say
from ibc_rig import Rig, channel_path
from meshsec_core.ibc import client
from meshsec_core.ibc.channel import ChannelCloseInit, ChannelOpenInit
from meshsec_core.ibc.connection import UNORDERED
from meshsec_core.ibc.packet import MAX_DATA_BYTES, Acknowledgement, RecvPacket, check_packet, elapsed
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.runtime.module import Msg

CHANNEL = "channel-0"
PACKET = Packet(1, "probe", CHANNEL, "probe", CHANNEL, b"hello", Height(), 2 * GENESIS_TIME)
LAST = 2**64 - 1


@pytest.fixture
def rig() -> Rig:
    """Two chains with an unordered channel between probes."""
    rig = Rig()
    rig.open("probe")
    return rig


@pytest.fixture
def offered() -> Rig:
    """Two chains with a connection, and a channel that a has proposed."""
    rig = Rig()
    rig.connect()
    rig.end(rig.a).port = rig.end(rig.b).port = "probe"
    rig.end(rig.a).channel = CHANNEL
    rig.a.send("relayer", ChannelOpenInit("probe", UNORDERED, "connection-0", "probe"))
    return rig


def test_the_first_nanosecond_is_a_timeout_like_any_other() -> None:
    assert elapsed(replace(PACKET, timeout_timestamp=1), Height(), 1)
    assert not elapsed(replace(PACKET, timeout_timestamp=0), Height(), 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": LAST},
        {"timeout_height": Height(LAST, LAST)},
        {"timeout_timestamp": LAST},
        {"data": b"x" * MAX_DATA_BYTES},
        {"data": b"x"},
    ],
)
def test_a_packet_may_hold_the_greatest_numbers_and_data(changes: dict[str, Any]) -> None:
    check_packet(replace(PACKET, **changes))


@pytest.mark.parametrize(
    "msg",
    [
        RecvPacket(replace(PACKET, sequence=0), b"", Height(1, 1)),
        Acknowledgement(replace(PACKET, sequence=0), b"ok", b"", Height(1, 1)),
        Timeout(replace(PACKET, sequence=0), b"", Height(1, 1), 0),
    ],
)
def test_what_no_packet_can_be_is_not_taken_for_one_that_was_settled(rig: Rig, msg: Msg) -> None:
    with refused(rig.a, "ibc/bad-packet"):
        rig.a.send("relayer", msg)


def test_nobody_answers_late_over_a_channel_that_has_closed(rig: Rig) -> None:
    packet = sent(rig.a.send("alice", Say(CHANNEL, b"later", timeout_timestamp=2 * GENESIS_TIME)))
    assert rig.deliver(packet, rig.b) == b""
    rig.b.send("relayer", ChannelCloseInit("probe", CHANNEL))
    with refused(rig.b, "ibc/channel-not-open"):
        rig.b.send("alice", Answer(packet, b"ok"))


def test_a_version_may_be_as_long_as_the_limit_and_not_longer(rig: Rig) -> None:
    rig.a.send("relayer", ChannelOpenInit("probe", UNORDERED, "connection-0", "probe", "v" * 4_096))
    with refused(rig.a, "ibc/bad-version"):
        rig.a.send("relayer", ChannelOpenInit("probe", UNORDERED, "connection-0", "probe", "v" * 4_097))


def test_the_other_end_must_have_a_name_that_an_end_can_have(offered: Rig) -> None:
    answer = offered.channel_try(UNORDERED, "probe-1")
    with refused(offered.b, "ibc/bad-identifier"):
        offered.b.send("relayer", replace(answer, counterparty_port_id="x"))
    offered.end(offered.b).channel = CHANNEL
    offered.b.send("relayer", answer)
    answered = offered.channel_ack("probe-1")
    with refused(offered.a, "ibc/bad-identifier"):
        offered.a.send("relayer", replace(answered, counterparty_channel_id="short"))


def test_an_application_is_told_both_ends_of_a_channel_in_every_step(offered: Rig) -> None:
    """Given ends that have different ids, so that none can stand for the other"""
    a, b = offered.end(offered.a), offered.end(offered.b)
    offered.b.send("relayer", ChannelOpenInit("probe", UNORDERED, "connection-0", "probe"))
    b.channel = "channel-1"

    offered.b.send("relayer", offered.channel_try(UNORDERED, "probe-1"))
    acknowledged = offered.a.send("relayer", offered.channel_ack("probe-1"))
    confirmed = offered.b.send("relayer", offered.channel_confirm())
    offered.a.send("relayer", ChannelCloseInit("probe", a.channel))

    assert offered.a.state.get("probe/proposed/channel-0") == b"ORDER_UNORDERED connection-0 probe probe "
    assert offered.b.state.get("probe/answered/channel-1") == b"ORDER_UNORDERED connection-0 probe probe channel-0 probe-1"
    assert offered.a.state.get("probe/opened/channel-0") == b"open,channel-1,probe-1"
    assert offered.b.state.get("probe/opened/channel-1") == b"open"
    assert offered.a.state.get("probe/closed/channel-0") == b"probe"
    for events, kind, own, other in (
        (acknowledged, "channel_open_ack", "channel-0", "channel-1"),
        (confirmed, "channel_open_confirm", "channel-1", "channel-0"),
    ):
        assert attributes(events, kind) == {
            "port_id": "probe",
            "channel_id": own,
            "counterparty_port_id": "probe",
            "counterparty_channel_id": other,
            "connection_id": "connection-0",
            "version": "probe-1",
        }
    assert channel_path(b).endswith("channel-1")


def test_a_client_tells_of_an_update_and_lists_what_it_knows_beyond_a_height() -> None:
    rig = Rig()
    rig.create_client(rig.a)
    for _ in range(3):
        rig.b.block()
        rig.a.block()
        events = rig.update(rig.a)
    assert attributes(events, "message") == {"module": "ibc_client"}
    known = [height for height, _ in client.known_heights(rig.a.state, "07-tendermint-0")]
    assert [height for height, _ in client.known_heights(rig.a.state, "07-tendermint-0", known[1])] == known[2:]
    assert [time for _, time in client.known_heights(rig.a.state, "07-tendermint-0")] == sorted(
        rig.b.consensus_state(height.height).timestamp for height in known
    )
    with pytest.raises(Rejected):
        client.get_client(rig.a.state, "07-tendermint-1")
