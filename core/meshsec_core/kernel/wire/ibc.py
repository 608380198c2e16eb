"""ibc-go's v1 values, packets and hashes: structs with their protobuf tables.

Source: ibc-go proto/ibc/core, proto/ibc/lightclients/tendermint/v1; ICS-02, 03, 04, 07, 20, 24.
"""

import re
from functools import lru_cache
from typing import ClassVar, Final

from meshsec_core.kernel.crypto import ADDRESS_BYTES, sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ics23 import ProofSpec
from meshsec_core.kernel.wire.proto import Fields, Message, decode, encode, field, group, message, remembered, repeated
from meshsec_core.kernel.wire.scalars import BYTES, DURATION, ENUM, OUT_OF_RANGE, TEXT, TIME, UINT64
from meshsec_core.kernel.wire.tendermint import SignedHeader, ValidatorSet

BAD_HEIGHT = "wire/bad-height"

STATE_UNINITIALIZED = 0
STATE_INIT = 1
STATE_TRYOPEN = 2
STATE_OPEN = 3
STATE_CLOSED = 4
"""Of channels only; connections do not close."""

ORDER_NONE = 0
ORDER_UNORDERED = 1
ORDER_ORDERED = 2

CLIENT_STATE_URL = "/ibc.lightclients.tendermint.v1.ClientState"
CONSENSUS_STATE_URL = "/ibc.lightclients.tendermint.v1.ConsensusState"
HEADER_URL = "/ibc.lightclients.tendermint.v1.Header"
MISBEHAVIOUR_URL = "/ibc.lightclients.tendermint.v1.Misbehaviour"

CHAINS_REMEMBERED = 1_024
"""Chain ids whose revision is kept."""

_REVISION: Final = re.compile(r".*[^\n-]-([1-9][0-9]*)")
_HEIGHT: Final = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")


@lru_cache(CHAINS_REMEMBERED)
def revision_of(chain_id: str) -> int:
    """Return the number behind the last dash of a chain id, or 0 if it has none that fits 64 bits."""
    match = _REVISION.fullmatch(chain_id)
    revision = int(match[1]) if match and len(match[1]) <= 20 else 0
    return revision if revision < 2**64 else 0


class Height(Message, frozen=True, order=True):
    """A height of a chain that may restart at height 1 under a new revision. Ordered by revision, then height."""

    revision: int = 0
    height: int = 0

    proto: ClassVar[Fields] = (field(1, UINT64), field(2, UINT64))

    def __str__(self) -> str:
        return f"{self.revision}-{self.height}"

    @property
    def is_zero(self) -> bool:
        """Tell whether this is the zero height, which stands for none."""
        return self.revision == 0 and self.height == 0

    @classmethod
    def parse(cls, text: str) -> "Height":
        """Read `revision-height`.

        Raises:
            Rejected: `wire/bad-height`.
        """
        match = _HEIGHT.fullmatch(text)
        if match is None or int(match[1]) >= 2**64 or int(match[2]) >= 2**64:
            raise Rejected(BAD_HEIGHT, height=text[:50])
        return cls(int(match[1]), int(match[2]))


class Packet(Message, frozen=True):
    """What one chain says to another over a channel."""

    sequence: int
    source_port: str
    source_channel: str
    destination_port: str
    destination_channel: str
    data: bytes
    timeout_height: Height
    """Height of the destination from which the packet may no longer be received; zero for none."""
    timeout_timestamp: int
    """Block time of the destination from which the packet may no longer be received, in nanoseconds; 0 for none."""

    proto: ClassVar[Fields] = (
        field(1, UINT64),
        field(2, TEXT),
        field(3, TEXT),
        field(4, TEXT),
        field(5, TEXT),
        field(6, BYTES),
        field(7, message(Height)),
        field(8, UINT64),
    )


class Version(Message, frozen=True):
    """A connection version and its features."""

    identifier: str
    features: tuple[str, ...]

    proto: ClassVar[Fields] = (field(1, TEXT), repeated(2, TEXT))


class MerklePrefix(Message, frozen=True):
    """The name of the store that holds IBC values."""

    key_prefix: bytes

    proto: ClassVar[Fields] = (field(1, BYTES),)


class ConnectionCounterparty(Message, frozen=True):
    """The other end of a connection; its id is empty until it is known."""

    client_id: str
    connection_id: str
    prefix: MerklePrefix

    proto: ClassVar[Fields] = (field(1, TEXT), field(2, TEXT), field(3, message(MerklePrefix)))


class ConnectionEnd(Message, frozen=True):
    """One end of a connection."""

    client_id: str
    versions: tuple[Version, ...]
    state: int
    counterparty: ConnectionCounterparty
    delay_period: int = 0
    """Nanoseconds that must pass between a client's update and a packet proven by it."""

    proto: ClassVar[Fields] = (
        field(1, TEXT),
        repeated(2, message(Version)),
        field(3, ENUM),
        field(4, message(ConnectionCounterparty)),
        field(5, UINT64),
    )


class ChannelCounterparty(Message, frozen=True):
    """The other end of a channel; its id is empty until it is known."""

    port_id: str
    channel_id: str

    proto: ClassVar[Fields] = (field(1, TEXT), field(2, TEXT))


class Channel(Message, frozen=True):
    """One end of a channel."""

    state: int
    ordering: int
    counterparty: ChannelCounterparty
    connection_hops: tuple[str, ...]
    version: str

    proto: ClassVar[Fields] = (
        field(1, ENUM),
        field(2, ENUM),
        field(3, message(ChannelCounterparty)),
        repeated(4, TEXT),
        field(5, TEXT),
    )


class Fraction(Message, frozen=True):
    """A part of voting power."""

    numerator: int
    denominator: int

    proto: ClassVar[Fields] = (field(1, UINT64), field(2, UINT64))


class ClientState(Message, frozen=True):
    """A light client's rules and how far it has come."""

    chain_id: str
    trust_level: Fraction
    trusting_period: int
    """Nanoseconds, as are the next two."""
    unbonding_period: int
    max_clock_drift: int
    frozen_height: Height
    latest_height: Height
    proof_specs: tuple[ProofSpec, ...]
    upgrade_path: tuple[str, ...] = ()

    proto: ClassVar[Fields] = (
        field(1, TEXT),
        field(2, message(Fraction)),
        field(3, DURATION),
        field(4, DURATION),
        field(5, DURATION),
        field(6, message(Height)),
        field(7, message(Height)),
        repeated(8, message(ProofSpec)),
        repeated(9, TEXT),
    )


class ConsensusState(Message, frozen=True):
    """What a light client knows of one height."""

    timestamp: int
    root: bytes
    """The header's app hash."""
    next_validators_hash: bytes

    proto: ClassVar[Fields] = (field(1, TIME), group(2, field(1, BYTES)), field(3, BYTES))


_SET = remembered(ValidatorSet, 16)
"""Headers one after another carry the same sets: the one that is trusted next to the one that signed."""


class ClientHeader(Message, frozen=True):
    """A header for a light client, with the validators that it trusts already."""

    signed_header: SignedHeader
    validator_set: ValidatorSet
    trusted_height: Height
    trusted_validators: ValidatorSet

    proto: ClassVar[Fields] = (
        field(1, message(SignedHeader)),
        field(2, _SET),
        field(3, message(Height)),
        field(4, _SET),
    )


class ClientMisbehaviour(Message, frozen=True):
    """Two headers that one honest chain cannot have made."""

    header_1: ClientHeader
    header_2: ClientHeader

    proto: ClassVar[Fields] = (field(2, message(ClientHeader)), field(3, message(ClientHeader)))


class AnyValue(Message, frozen=True):
    """google.protobuf.Any: bytes that name their type."""

    type_url: str
    value: bytes

    proto: ClassVar[Fields] = (field(1, TEXT), field(2, BYTES))


def any_encode(type_url: str, value: bytes) -> bytes:
    """Wrap an encoded message in google.protobuf.Any."""
    return encode(AnyValue(type_url, value))


def any_decode(raw: bytes) -> tuple[str, bytes]:
    """Return the type URL and the encoded message of a google.protobuf.Any.

    Raises:
        Rejected: a `wire/…` code.
    """
    wrapped = decode(AnyValue, raw)
    return wrapped.type_url, wrapped.value


def _be64(value: int) -> bytes:
    if not 0 <= value < 2**64:
        raise Rejected(OUT_OF_RANGE, value=value)
    return value.to_bytes(8)


def packet_commitment(packet: Packet) -> bytes:
    """Return what the sender stores for a packet. Ports, channels and sequence are bound by the path, not by these bytes.

    Raises:
        Rejected: `wire/out-of-range` if a timeout has no 64-bit spelling.
    """
    timeout = packet.timeout_height
    return sha256(
        _be64(packet.timeout_timestamp) + _be64(timeout.revision) + _be64(timeout.height) + sha256(packet.data),
    )


def ack_commitment(acknowledgement: bytes) -> bytes:
    """Return what the receiver stores for an acknowledgement."""
    return sha256(acknowledgement)


def voucher_denom(path: str) -> str:
    """Return the denomination of a voucher by its full path, such as `transfer/channel-0/uatom`."""
    return "ibc/" + sha256(path.encode()).hex().upper()


def escrow_address(port: str, channel: str) -> bytes:
    """Return the 20-byte address that holds coins sent over a channel."""
    return sha256(b"ics20-1\x00" + f"{port}/{channel}".encode())[:ADDRESS_BYTES]
