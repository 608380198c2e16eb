"""Packets that can never be received go back to whoever sent them, and no packet is both received and given back."""

from typing import Any

import pytest
from msgspec.structs import replace

from ibc_events import attributes, refused, sent
from ibc_probe import Say
from ibc_rig import SECOND, TRUSTING_PERIOD, Rig, channel_path, unreceived_path
from meshsec_core.ibc.channel import CHANNELS, ChannelCloseInit
from meshsec_core.ibc.connection import ORDERED
from meshsec_core.ibc.packet import COMMITMENTS
from meshsec_core.ibc.timeout import TimeoutOnClose
from meshsec_core.kernel.wire.ibc import STATE_CLOSED, STATE_OPEN, Height, Packet

CHANNEL = "channel-0"


@pytest.fixture
def rig() -> Rig:
    """Two chains with an unordered channel between probes."""
    rig = Rig()
    rig.open("probe")
    return rig


@pytest.fixture
def ordered() -> Rig:
    """Two chains with an ordered channel between probes."""
    rig = Rig()
    rig.open("probe", ORDERED)
    return rig


def say(rig: Rig, seconds: int = 5, blocks: int = 0) -> Packet:
    """Send a packet from a that times out at b after some seconds, or blocks."""
    height = Height(1, rig.b.ctx.height + blocks) if blocks else Height()
    time = 0 if blocks else rig.b.ctx.time + seconds * SECOND
    return sent(rig.a.send("alice", Say(CHANNEL, b"hello", height, time)))


def wait(rig: Rig, blocks: int = 5) -> None:
    rig.b.blocks(blocks)
    rig.a.blocks(blocks)


def state_of(rig: Rig) -> int:
    return CHANNELS.get(rig.a.state, "probe", CHANNEL).state


@pytest.mark.parametrize("how", [{"seconds": 5}, {"blocks": 5}])
def test_a_packet_that_never_arrived_is_given_back(rig: Rig, how: dict[str, int]) -> None:
    packet = say(rig, **how)
    wait(rig)

    events = rig.a.send("relayer", rig.timing_out(packet, rig.a))

    assert [event.type for event in events] == ["timeout_packet", "message"]
    assert attributes(events, "timeout_packet")["packet_sequence"] == "1"
    assert not COMMITMENTS.has(rig.a.state, "probe", CHANNEL, 1)
    assert rig.a.state.get("probe/timed-out") == b"1:hello "
    assert state_of(rig) == STATE_OPEN


@pytest.mark.parametrize("how", [{"seconds": 5}, {"blocks": 5}])
def test_a_packet_is_given_back_only_from_the_very_block_that_reaches_its_timeout(rig: Rig, how: dict[str, int]) -> None:
    packet = say(rig, **how)
    wait(rig, 3)
    early = rig.timing_out(packet, rig.a)
    assert rig.b.ctx.time + SECOND == packet.timeout_timestamp or rig.b.ctx.height + 1 == packet.timeout_height.height
    with refused(rig.a, "ibc/timeout-not-reached"):
        rig.a.send("relayer", early)
    rig.a.send("relayer", rig.timing_out(packet, rig.a))


def test_the_clock_that_counts_is_the_destinations(rig: Rig) -> None:
    packet = say(rig)
    rig.a.blocks(50)
    early = rig.timing_out(packet, rig.a)
    with refused(rig.a, "ibc/timeout-not-reached"):
        rig.a.send("relayer", early)


def test_a_received_packet_is_not_given_back(rig: Rig) -> None:
    packet = say(rig)
    rig.deliver(packet, rig.b)
    wait(rig)
    late = rig.timing_out(packet, rig.a)
    with refused(rig.a, "proof/wrong-kind"):
        rig.a.send("relayer", late)


def test_a_packet_that_was_given_back_cannot_be_received(rig: Rig) -> None:
    packet = say(rig)
    receive = rig.receiving(packet, rig.b)
    wait(rig)
    rig.a.send("relayer", rig.timing_out(packet, rig.a))
    with refused(rig.b, "ibc/timeout-elapsed"):
        rig.b.send("relayer", receive)


def test_giving_back_again_changes_nothing_whatever_the_proof_says(rig: Rig) -> None:
    packet = say(rig)
    wait(rig)
    message = rig.timing_out(packet, rig.a)
    rig.a.send("relayer", message)
    before = rig.a.snapshot()
    assert rig.a.send("relayer", message) == []
    assert rig.a.send("relayer", replace(message, proof_unreceived=b"", proof_height=Height())) == []
    assert rig.a.snapshot() == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timeout_timestamp": 1}, "ibc/commitment-mismatch"),
        ({"data": b"x"}, "ibc/commitment-mismatch"),
        ({"destination_channel": "channel-1"}, "ibc/wrong-counterparty"),
        ({"source_channel": "channel-1"}, "ibc/unknown-channel"),
        ({"source_port": "nobody"}, "ibc/unbound-port"),
    ],
)
def test_a_packet_that_was_not_sent_is_not_given_back(rig: Rig, changes: dict[str, Any], code: str) -> None:
    packet = say(rig)
    wait(rig)
    message = rig.timing_out(packet, rig.a)
    with refused(rig.a, code):
        rig.a.send("relayer", replace(message, packet=replace(packet, **changes)))


def test_an_expired_client_gives_nothing_back(rig: Rig) -> None:
    packet = say(rig)
    wait(rig)
    message = rig.timing_out(packet, rig.a)
    rig.a.block(time_step=TRUSTING_PERIOD)
    with refused(rig.a, "ibc/client-not-active"):
        rig.a.send("relayer", message)


def test_the_absence_of_another_receipt_gives_nothing_back(rig: Rig) -> None:
    first, second = say(rig), say(rig)
    rig.deliver(first, rig.b)
    wait(rig)
    absent = rig.timing_out(second, rig.a)
    with refused(rig.a, "proof/out-of-order"):
        rig.a.send("relayer", replace(absent, packet=first))
    stale = replace(absent, proof_height=Height(1, 3))
    with refused(rig.a, "ibc/timeout-not-reached"):
        rig.a.send("relayer", stale)
    rig.a.send("relayer", absent)


def test_a_timeout_closes_an_ordered_channel(ordered: Rig) -> None:
    first, second = say(ordered), say(ordered)
    wait(ordered)

    events = ordered.a.send("relayer", ordered.timing_out(first, ordered.a, next_sequence=1, ordered=True))

    assert [event.type for event in events] == ["timeout_packet", "message", "channel_close", "message"]
    assert attributes(events, "channel_close")["channel_id"] == CHANNEL
    assert state_of(ordered) == STATE_CLOSED
    with refused(ordered.a, "ibc/channel-not-open"):
        say(ordered)
    events = ordered.a.send("relayer", ordered.timing_out(second, ordered.a, next_sequence=1, ordered=True))
    assert [event.type for event in events] == ["timeout_packet", "message"]
    assert ordered.a.state.get("probe/timed-out") == b"1:hello 2:hello "


def test_an_ordered_packet_is_given_back_only_if_the_destination_still_waits_for_it(ordered: Rig) -> None:
    first, second = say(ordered), say(ordered)
    ordered.deliver(first, ordered.b)
    wait(ordered)
    late = ordered.timing_out(first, ordered.a, next_sequence=2, ordered=True)
    for said, code in ((2, "ibc/packet-received"), (1, "proof/wrong-value")):
        with refused(ordered.a, code):
            ordered.a.send("relayer", replace(late, next_sequence_recv=said))
    good = replace(late, packet=second)
    for impossible in (0, -1, 2**64):
        with refused(ordered.a, "ibc/packet-received"):
            ordered.a.send("relayer", replace(good, next_sequence_recv=impossible))
    ordered.a.send("relayer", good)
    assert state_of(ordered) == STATE_CLOSED


def closing(rig: Rig, packet: Packet, ordered: bool = False, next_sequence: int = 1) -> TimeoutOnClose:
    """Build the message that gives a packet back because the other end is closed."""
    height = rig.sync(rig.a)
    unreceived = rig.b.prove(unreceived_path(packet, ordered))
    return TimeoutOnClose(packet, unreceived, rig.b.prove(channel_path(rig.end(rig.b))), height, next_sequence)


def test_a_packet_to_a_closed_end_is_given_back_before_its_timeout(rig: Rig) -> None:
    packet = say(rig, seconds=1_000)
    early = closing(rig, packet)
    with refused(rig.a, "proof/wrong-value"):
        rig.a.send("relayer", early)
    rig.b.send("anyone", ChannelCloseInit("probe", CHANNEL))

    message = closing(rig, packet)
    events = rig.a.send("relayer", message)

    assert [event.type for event in events] == ["timeout_packet", "message"]
    assert rig.a.state.get("probe/timed-out") == b"1:hello "
    before = rig.a.snapshot()
    assert rig.a.send("relayer", message) == []
    assert rig.a.snapshot() == before


def test_a_packet_that_arrived_before_the_other_end_closed_is_not_given_back(rig: Rig) -> None:
    packet = say(rig, seconds=1_000)
    rig.deliver(packet, rig.b)
    rig.b.send("anyone", ChannelCloseInit("probe", CHANNEL))
    message = closing(rig, packet)
    with refused(rig.a, "proof/wrong-kind"):
        rig.a.send("relayer", message)


def test_an_ordered_channel_closes_with_its_other_end(ordered: Rig) -> None:
    first, second = say(ordered, seconds=1_000), say(ordered, seconds=1_000)
    ordered.deliver(first, ordered.b)
    ordered.b.send("anyone", ChannelCloseInit("probe", CHANNEL))
    message = closing(ordered, second, ordered=True, next_sequence=2)
    with refused(ordered.a, "ibc/packet-received"):
        ordered.a.send("relayer", replace(message, packet=first))
    ordered.a.send("relayer", message)
    assert state_of(ordered) == STATE_CLOSED
    assert ordered.a.state.get("probe/timed-out") == b"2:hello "
