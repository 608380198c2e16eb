"""Acknowledgements: written once, brought home once, and read as success only if they say so."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import GENESIS_TIME
from ibc_events import attributes, refused, sent
from ibc_probe import Answer, Say
from ibc_rig import TIMEOUT, Rig
from meshsec_core.ibc.packet import (
    COMMITMENTS,
    RECEIPTS,
    Acknowledgement,
    error_acknowledgement,
    refusal_in,
    result_acknowledgement,
)
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.wire.ibc import Height, Packet

CHANNEL = "channel-0"


@pytest.fixture
def rig() -> Rig:
    """Two chains with an unordered channel between probes."""
    rig = Rig()
    rig.open("probe")
    return rig


def say(rig: Rig, data: bytes = b"hello") -> Packet:
    """Send a packet from a to b."""
    return sent(rig.a.send("alice", Say(CHANNEL, data, timeout_timestamp=GENESIS_TIME + TIMEOUT)))


def test_an_acknowledgement_settles_the_packet_and_tells_the_application(rig: Rig) -> None:
    packet = say(rig)
    message = rig.acknowledging(packet, rig.deliver(packet, rig.b), rig.a)

    events = rig.a.send("relayer", message)

    assert not COMMITMENTS.has(rig.a.state, "probe", CHANNEL, 1)
    assert rig.a.state.get("probe/acknowledged") == b"1:ok:hello "
    assert [event.type for event in events] == ["acknowledge_packet", "message"]
    assert attributes(events, "acknowledge_packet")["packet_sequence"] == "1"
    before = rig.a.snapshot()
    assert rig.a.send("relayer", message) == []
    assert rig.a.send("relayer", Acknowledgement(packet, b"nonsense", b"", Height())) == []
    assert rig.a.snapshot() == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"acknowledgement": b"ok:hellO"}, "proof/wrong-value"),
        ({"acknowledgement": b""}, "proof/wrong-value"),
        ({"proof_acked": b""}, "proof/wrong-levels"),
        ({"proof_height": Height(1, 999)}, "ibc/unknown-consensus-state"),
    ],
)
def test_an_acknowledgement_that_was_not_written_is_refused(rig: Rig, changes: dict[str, Any], code: str) -> None:
    packet = say(rig)
    message = rig.acknowledging(packet, rig.deliver(packet, rig.b), rig.a)
    with refused(rig.a, code):
        rig.a.send("relayer", replace(message, **changes))


def test_the_acknowledgement_of_another_packet_is_refused(rig: Rig) -> None:
    first, second = say(rig), say(rig, b"refuse")
    rig.deliver(first, rig.b)
    message = rig.acknowledging(second, rig.deliver(second, rig.b), rig.a)
    with refused(rig.a, "proof/wrong-key"):
        rig.a.send("relayer", replace(message, packet=first))
    with refused(rig.a, "ibc/commitment-mismatch"):
        rig.a.send("relayer", replace(message, packet=replace(second, data=b"other")))
    with refused(rig.a, "ibc/wrong-counterparty"):
        rig.a.send("relayer", replace(message, packet=replace(second, destination_channel="channel-3")))


def test_an_application_may_answer_later_but_once_and_not_with_nothing(rig: Rig) -> None:
    packet = say(rig, b"later")
    assert rig.deliver(packet, rig.b) == b""
    assert RECEIPTS.has(rig.b.state, "probe", CHANNEL, 1)

    with refused(rig.b, "ibc/empty-acknowledgement"):
        rig.b.send("anyone", Answer(packet, b""))
    events = rig.b.send("anyone", Answer(packet, b"at last"))
    assert attributes(events, "write_acknowledgement")["packet_ack_hex"] == b"at last".hex()
    with refused(rig.b, "ibc/acknowledgement-exists"):
        rig.b.send("anyone", Answer(packet, b"again"))
    rig.a.send("relayer", rig.acknowledging(packet, b"at last", rig.a))
    assert not COMMITMENTS.has(rig.a.state, "probe", CHANNEL, 1)


@pytest.mark.parametrize(
    ("acknowledgement", "refusal"),
    [
        (b'{"result":"AQ=="}', None),
        (result_acknowledgement(b""), None),
        (error_acknowledgement("probe/refused"), "probe/refused"),
        (b'{"error":"ABCI code: 5"}', "ABCI code: 5"),
        (b'{"error":""}', "ibc/unreadable-acknowledgement"),
        (b'{"error":"x","result":"AQ=="}', "x"),
        (b"{}", "ibc/unreadable-acknowledgement"),
        (b"\xff", "ibc/unreadable-acknowledgement"),
        (b'{"result":1}', "ibc/unreadable-acknowledgement"),
        (b'{"result":"AQ==","more":1}', "ibc/unreadable-acknowledgement"),
        (b"[" * 100_000, "ibc/unreadable-acknowledgement"),
    ],
)
def test_an_acknowledgement_succeeds_only_if_it_says_so(acknowledgement: bytes, refusal: str | None) -> None:
    assert refusal_in(acknowledgement) == refusal


def test_the_usual_success_is_spelled_as_on_every_other_chain() -> None:
    assert result_acknowledgement(b"\x01") == b'{"result":"AQ=="}'
    assert sha256(result_acknowledgement(b"\x01")).hex() == "08f7557ed51826fe18d84512bf24ec75001edbaf2123a477df72a0a9f3640a7c"
