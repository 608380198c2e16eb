"""What tests read from chains: events, packets in them, supplies, and refusals that leave no trace."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from harness import Chain
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.modules import bank
from meshsec_core.runtime.module import Event


def attributes(events: list[Event], kind: str) -> Mapping[str, str]:
    """Return the attributes of the one event of a type."""
    found = [event for event in events if event.type == kind]
    if len(found) != 1:
        raise InvariantViolated(f"{len(found)} events of type {kind} among {[event.type for event in events]}")
    return dict(found[0].attributes)


def attribute(events: list[Event], kind: str, name: str) -> str:
    """Return one attribute of the one event of a type."""
    return attributes(events, kind)[name]


def sent(events: list[Event]) -> Packet:
    """Read the packet that was sent from its event, as a relayer does."""
    said = attributes(events, "send_packet")
    return Packet(
        int(said["packet_sequence"]),
        said["packet_src_port"],
        said["packet_src_channel"],
        said["packet_dst_port"],
        said["packet_dst_channel"],
        bytes.fromhex(said["packet_data_hex"]),
        Height.parse(said["packet_timeout_height"]),
        int(said["packet_timeout_timestamp"]),
    )


def supply(chain: Chain, denom: str) -> int:
    """Return how much of a denomination exists."""
    return bank.supply(chain.state, Denom(denom))


@contextmanager
def refused(chain: Chain, code: str) -> Iterator[None]:
    """Expect a refusal with this code that leaves no trace in the chain's state."""
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        yield
    assert refusal.value.code == code, str(refusal.value)
    assert chain.snapshot() == before
