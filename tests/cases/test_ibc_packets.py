"""Packets: sent once, received at most once, acknowledged once; nothing a relayer says is believed without a proof."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import GENESIS_TIME
from ibc_events import attributes, refused, sent
from ibc_probe import Say
from ibc_rig import SECOND, TIMEOUT, TRUSTING_PERIOD, Rig, update_client
from meshsec_core.ibc.channel import NEXT_ACKNOWLEDGE, NEXT_RECEIVE, NEXT_SEND, ChannelCloseInit
from meshsec_core.ibc.client import verify_header
from meshsec_core.ibc.connection import ORDERED
from meshsec_core.ibc.packet import (
    ACKNOWLEDGEMENTS,
    COMMITMENTS,
    MAX_DATA_BYTES,
    RECEIPTS,
    RecvPacket,
)
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.kernel.wire.tendermint import Header

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


def say(rig: Rig, data: bytes = b"hello", **more: Any) -> Packet:
    """Send a packet from a to b."""
    more = more or {"timeout_timestamp": GENESIS_TIME + TIMEOUT}
    return sent(rig.a.send("alice", Say(CHANNEL, data, **more)))


def changed_paths(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return sorted(path for path in {**before, **after} if before.get(path) != after.get(path))


def freeze(rig: Rig) -> None:
    """Show a's client of b two blocks of one height."""

    def other(header: Header) -> Header:
        return replace(header, app_hash=b"f" * 32)

    trusted = rig.latest(rig.a)
    rig.sync(rig.a)
    rig.a.send("relayer", update_client("07-tendermint-0", rig.b.client_header(trusted, change=other)))


def test_sending_commits_to_the_packet_and_tells_everything_in_one_event(rig: Rig) -> None:
    before = rig.a.snapshot()
    events = rig.a.send("alice", Say(CHANNEL, b"hello", Height(1, 50), 2 * GENESIS_TIME))

    assert changed_paths(before, rig.a.snapshot()) == [
        f"ibc/commitments/ports/probe/channels/{CHANNEL}/sequences/1",
        f"ibc/nextSequenceSend/ports/probe/channels/{CHANNEL}",
    ]
    hashed = b"".join(number.to_bytes(8, "big") for number in (2 * GENESIS_TIME, 1, 50)) + sha256(b"hello")
    assert COMMITMENTS.get(rig.a.state, "probe", CHANNEL, 1) == sha256(hashed)
    assert [event.type for event in events] == ["send_packet", "message"]
    assert attributes(events, "message") == {"module": "ibc_channel"}
    assert attributes(events, "send_packet") == {
        "packet_data_hex": b"hello".hex(),
        "packet_timeout_height": "1-50",
        "packet_timeout_timestamp": str(2 * GENESIS_TIME),
        "packet_sequence": "1",
        "packet_src_port": "probe",
        "packet_src_channel": CHANNEL,
        "packet_dst_port": "probe",
        "packet_dst_channel": CHANNEL,
        "packet_channel_ordering": "ORDER_UNORDERED",
        "packet_connection": "connection-0",
        "connection_id": "connection-0",
    }


def test_packets_of_a_channel_are_numbered_from_one(rig: Rig) -> None:
    assert [say(rig).sequence for _ in range(3)] == [1, 2, 3]
    assert NEXT_SEND.get(rig.a.state, "probe", CHANNEL) == 4
    assert rig.a.query("ibc/packets", port_id="probe", channel_id=CHANNEL).sequences == (1, 2, 3)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Say("channel-9", b"x", timeout_timestamp=2 * GENESIS_TIME), "ibc/unknown-channel"),
        (Say(CHANNEL, b"", timeout_timestamp=2 * GENESIS_TIME), "ibc/bad-packet"),
        (Say(CHANNEL, b"x" * (MAX_DATA_BYTES + 1), timeout_timestamp=2 * GENESIS_TIME), "ibc/bad-packet"),
        (Say(CHANNEL, b"x"), "ibc/no-timeout"),
        (Say(CHANNEL, b"x", timeout_timestamp=-1), "ibc/bad-packet"),
        (Say(CHANNEL, b"x", timeout_timestamp=2**64), "ibc/bad-packet"),
        (Say(CHANNEL, b"x", Height(1, 2**64)), "ibc/bad-packet"),
        (Say(CHANNEL, b"x", Height(-1, 5)), "ibc/bad-packet"),
        (Say(CHANNEL, b"x", Height(1, 2)), "ibc/timeout-elapsed"),
        (Say(CHANNEL, b"x", Height(0, 9)), "ibc/timeout-elapsed"),
        (Say(CHANNEL, b"x", timeout_timestamp=GENESIS_TIME), "ibc/timeout-elapsed"),
    ],
)
def test_a_packet_that_could_not_arrive_is_not_sent(rig: Rig, message: Say, code: str) -> None:
    with refused(rig.a, code):
        rig.a.send("alice", message)


def test_whether_a_timeout_has_passed_is_judged_by_what_the_client_knows_of_the_destination(rig: Rig) -> None:
    known = rig.latest(rig.a)
    with refused(rig.a, "ibc/timeout-elapsed"):
        say(rig, timeout_height=known)
    say(rig, timeout_height=Height(known.revision, known.height + 1))
    time = rig.b.consensus_state(known.height).timestamp
    with refused(rig.a, "ibc/timeout-elapsed"):
        say(rig, timeout_timestamp=time)
    say(rig, timeout_timestamp=time + 1)


def test_nothing_is_sent_over_a_closed_channel(rig: Rig) -> None:
    rig.a.send("anyone", ChannelCloseInit("probe", CHANNEL))
    with refused(rig.a, "ibc/channel-not-open"):
        say(rig)


def test_receiving_writes_a_receipt_and_an_acknowledgement_and_tells_the_application(rig: Rig) -> None:
    packet = say(rig)
    message = rig.receiving(packet, rig.b)
    before = rig.b.snapshot()

    events = rig.b.send("relayer", message)

    assert changed_paths(before, rig.b.snapshot()) == [
        f"ibc/acks/ports/probe/channels/{CHANNEL}/sequences/1",
        f"ibc/receipts/ports/probe/channels/{CHANNEL}/sequences/1",
        "probe/received",
    ]
    assert RECEIPTS.get(rig.b.state, "probe", CHANNEL, 1) == b"\x01"
    assert ACKNOWLEDGEMENTS.get(rig.b.state, "probe", CHANNEL, 1) == sha256(b"ok:hello")
    kinds = ["recv_packet", "message", "probe/received", "write_acknowledgement", "message"]
    assert [event.type for event in events] == kinds
    written = attributes(events, "write_acknowledgement")
    assert written["packet_ack_hex"] == b"ok:hello".hex()
    assert written["packet_data_hex"] == b"hello".hex()
    assert "packet_ack_hex" not in attributes(events, "recv_packet")


FORGERIES: list[tuple[dict[str, Any], str]] = [
    ({"data": b"hellO"}, "proof/wrong-value"),
    ({"timeout_timestamp": GENESIS_TIME + TIMEOUT + 1}, "proof/wrong-value"),
    ({"timeout_height": Height(1, 500)}, "proof/wrong-value"),
    ({"sequence": 2}, "proof/wrong-key"),
    ({"source_port": "transfer"}, "ibc/wrong-counterparty"),
    ({"source_channel": "channel-1"}, "ibc/wrong-counterparty"),
    ({"destination_port": "transfer"}, "ibc/unknown-channel"),
    ({"destination_port": "nobody"}, "ibc/unbound-port"),
    ({"destination_channel": "channel-1"}, "ibc/unknown-channel"),
    ({"data": b""}, "ibc/bad-packet"),
    ({"sequence": 0}, "ibc/bad-packet"),
    ({"sequence": -1}, "ibc/bad-packet"),
    ({"sequence": 2**64}, "ibc/bad-packet"),
    ({"timeout_timestamp": 0}, "ibc/no-timeout"),
]


@pytest.mark.parametrize(("changes", "code"), FORGERIES)
def test_a_packet_that_was_not_sent_like_this_is_refused(rig: Rig, changes: dict[str, Any], code: str) -> None:
    message = rig.receiving(say(rig), rig.b)
    with refused(rig.b, code):
        rig.b.send("relayer", replace(message, packet=replace(message.packet, **changes)))
    rig.b.send("relayer", message)


def test_a_proof_of_another_state_than_the_named_height_is_refused(rig: Rig) -> None:
    early = rig.sync(rig.b)
    message = rig.receiving(say(rig), rig.b)
    say(rig)
    late = rig.sync(rig.b)
    for height, code in (
        (early, "proof/wrong-root"),
        (late, "proof/wrong-root"),
        (Height(1, 999), "ibc/unknown-consensus-state"),
    ):
        with refused(rig.b, code):
            rig.b.send("relayer", replace(message, proof_height=height))
    rig.b.send("relayer", message)


@pytest.mark.parametrize(
    ("ruin", "code"),
    [
        (lambda proof: b"", "proof/wrong-levels"),
        (lambda proof: proof[:-1], "wire/truncated"),
        (lambda proof: proof + b"\x00", "wire/unknown-field"),
        (lambda proof: proof[:-1] + bytes([proof[-1] ^ 1]), "proof/wrong-root"),
        (lambda proof: proof * 2, "proof/wrong-levels"),
    ],
)
def test_a_damaged_proof_is_refused(rig: Rig, ruin: Any, code: str) -> None:
    message = rig.receiving(say(rig), rig.b)
    with refused(rig.b, code):
        rig.b.send("relayer", replace(message, proof_commitment=ruin(message.proof_commitment)))


def test_a_proof_that_the_packet_is_absent_does_not_prove_that_it_was_sent(rig: Rig) -> None:
    message = rig.receiving(replace(say(rig), sequence=7), rig.b)
    with refused(rig.b, "proof/wrong-kind"):
        rig.b.send("relayer", message)


def test_receiving_again_changes_nothing_whatever_the_proof_says(rig: Rig) -> None:
    message = rig.receiving(say(rig), rig.b)
    rig.b.send("relayer", message)
    before = rig.b.snapshot()

    assert rig.b.send("relayer", message) == []
    assert rig.b.send("relayer", RecvPacket(message.packet, b"", Height())) == []
    rig.b.block(time_step=TIMEOUT)
    assert rig.b.send("relayer", message) == []
    assert rig.b.snapshot() == before
    rig.b.send("anyone", ChannelCloseInit("probe", CHANNEL))
    assert rig.b.send("relayer", message) == []


def test_a_refused_packet_is_answered_with_the_code_and_what_the_application_did_is_undone(rig: Rig) -> None:
    packet = say(rig, b"refuse")
    message = rig.receiving(packet, rig.b)
    before = rig.b.snapshot()

    events = rig.b.send("relayer", message)

    assert changed_paths(before, rig.b.snapshot()) == [
        f"ibc/acks/ports/probe/channels/{CHANNEL}/sequences/1",
        f"ibc/receipts/ports/probe/channels/{CHANNEL}/sequences/1",
    ]
    answer = b'{"error":"probe/refused"}'
    assert attributes(events, "write_acknowledgement")["packet_ack_hex"] == answer.hex()
    assert attributes(events, "ibccallbackerror-probe/received") == {"sequence": "1"}
    assert "probe/received" not in [event.type for event in events]
    rig.a.send("relayer", rig.acknowledging(packet, answer, rig.a))
    assert rig.a.state.get("probe/acknowledged") == b"1:" + answer + b" "


@pytest.mark.parametrize("by", ["height", "time"])
def test_a_packet_arrives_until_just_before_its_timeout(rig: Rig, by: str) -> None:
    for late in (True, False):
        height, time = rig.b.ctx.height + 3, rig.b.ctx.time + 3 * SECOND
        packet = say(rig, timeout_height=Height(1, height)) if by == "height" else say(rig, timeout_timestamp=time)
        message = rig.receiving(packet, rig.b)
        rig.b.block()
        if late:
            rig.b.block()
            assert (rig.b.ctx.height, rig.b.ctx.time) == (height, time)
            with refused(rig.b, "ibc/timeout-elapsed"):
                rig.b.send("relayer", message)
        else:
            rig.b.send("relayer", message)
            assert RECEIPTS.has(rig.b.state, "probe", CHANNEL, packet.sequence)


def test_unordered_packets_arrive_in_any_order(rig: Rig) -> None:
    packets = [say(rig, b"%d" % number) for number in range(3)]
    for packet in reversed(packets):
        rig.relay(packet, rig.a)
    assert rig.b.state.get("probe/received") == b"3:2 2:1 1:0 "
    assert NEXT_RECEIVE.get(rig.b.state, "probe", CHANNEL) == 1


def test_ordered_packets_arrive_and_are_acknowledged_in_order_only(ordered: Rig) -> None:
    first, second = say(ordered), say(ordered)
    early = ordered.receiving(second, ordered.b)
    with refused(ordered.b, "ibc/out-of-order"):
        ordered.b.send("relayer", early)

    answers = [ordered.deliver(packet, ordered.b) for packet in (first, second)]
    assert NEXT_RECEIVE.get(ordered.b.state, "probe", CHANNEL) == 3
    assert not RECEIPTS.has(ordered.b.state, "probe", CHANNEL, 1)

    late = ordered.acknowledging(second, answers[1], ordered.a)
    with refused(ordered.a, "ibc/out-of-order"):
        ordered.a.send("relayer", late)
    ordered.a.send("relayer", ordered.acknowledging(first, answers[0], ordered.a))
    ordered.a.send("relayer", late)
    assert NEXT_ACKNOWLEDGE.get(ordered.a.state, "probe", CHANNEL) == 3


def test_an_ordered_packet_that_was_received_is_not_received_again(ordered: Rig) -> None:
    message = ordered.receiving(say(ordered), ordered.b)
    ordered.b.send("relayer", message)
    before = ordered.b.snapshot()
    assert ordered.b.send("relayer", message) == []
    assert ordered.b.snapshot() == before


def test_nothing_is_received_or_acknowledged_over_a_closed_channel(rig: Rig) -> None:
    first, second = say(rig), say(rig, b"later")
    acknowledge = rig.acknowledging(first, rig.deliver(first, rig.b), rig.a)
    receive = rig.receiving(second, rig.b)
    for chain in (rig.a, rig.b):
        chain.send("anyone", ChannelCloseInit("probe", CHANNEL))
    with refused(rig.a, "ibc/channel-not-open"):
        rig.a.send("relayer", acknowledge)
    with refused(rig.b, "ibc/channel-not-open"):
        rig.b.send("relayer", receive)


def test_a_frozen_client_proves_nothing_and_sends_nothing(rig: Rig) -> None:
    packet = say(rig)
    acknowledge = rig.acknowledging(packet, rig.deliver(packet, rig.b), rig.a)
    freeze(rig)
    with refused(rig.a, "ibc/client-not-active"):
        rig.a.send("relayer", acknowledge)
    with refused(rig.a, "ibc/client-not-active"):
        say(rig)
    with refused(rig.a, "ibc/client-not-active"):
        verify_header(rig.a.ctx, "07-tendermint-0", rig.b.client_header(Height(1, 1)))


def test_an_expired_client_proves_nothing_and_sends_nothing(rig: Rig) -> None:
    message = rig.receiving(say(rig, timeout_timestamp=2 * GENESIS_TIME), rig.b)
    rig.b.block(time_step=TRUSTING_PERIOD)
    rig.a.block(time_step=TRUSTING_PERIOD)
    with refused(rig.b, "ibc/client-not-active"):
        rig.b.send("relayer", message)
    with refused(rig.a, "ibc/client-not-active"):
        say(rig, timeout_timestamp=2 * GENESIS_TIME)


def test_relayers_can_ask_what_is_left_to_do(rig: Rig) -> None:
    for data in (b"one", b"two", b"later"):
        packet = say(rig, data)
        if data != b"one":
            rig.deliver(packet, rig.b)
    rig.a.send("relayer", rig.acknowledging(replace(packet, sequence=2, data=b"two"), b"ok:two", rig.a))

    asked = {"port_id": "probe", "channel_id": CHANNEL, "sequences": "1,2,3"}
    assert rig.a.query("ibc/packets", port_id="probe", channel_id=CHANNEL).sequences == (1, 3)
    assert rig.b.query("ibc/unreceived", **asked).sequences == (1,)
    assert rig.b.query("ibc/acknowledged", **asked).sequences == (2,)
    assert rig.a.query("ibc/unacknowledged", **asked).sequences == (1, 3)
    with refused(rig.a, "ibc/bad-sequences"):
        rig.a.query("ibc/unreceived", port_id="probe", channel_id=CHANNEL, sequences="1,x")


def test_unreceived_on_an_ordered_channel_is_what_comes_next(ordered: Rig) -> None:
    ordered.deliver(say(ordered), ordered.b)
    asked = ordered.b.query("ibc/unreceived", port_id="probe", channel_id=CHANNEL, sequences="1,2,3")
    assert asked.sequences == (2, 3)
    assert ordered.b.query("ibc/channels")[0].ordering == ORDERED
