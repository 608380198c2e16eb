"""IBC's identifiers, commitments and values against those that ibc-go's tests publish."""

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    ORDER_UNORDERED,
    STATE_INIT,
    STATE_OPEN,
    Channel,
    ChannelCounterparty,
    ClientState,
    ConnectionCounterparty,
    ConnectionEnd,
    ConsensusState,
    Fraction,
    Height,
    MerklePrefix,
    Packet,
    Version,
    ack_commitment,
    any_decode,
    any_encode,
    escrow_address,
    packet_commitment,
    revision_of,
    voucher_denom,
)
from meshsec_core.kernel.wire.ics23 import TENDERMINT_SPEC
from meshsec_core.kernel.wire.proto import decode, encode

HELLO = Packet(1, "transfer", "channel-0", "transfer", "channel-1", b"hello", Height(1, 100), 0)


def test_a_packet_commitment_equals_ibc_gos() -> None:
    assert packet_commitment(HELLO).hex() == "2211dbf1b345bcb6660027ab253333e0b1ce1489f55343310fd62b7de5a62da3"


def test_a_packet_commitment_covers_data_and_timeouts_but_not_the_route() -> None:
    moved = Packet(9, "a", "b", "c", "d", b"hello", Height(1, 100), 0)
    assert packet_commitment(moved) == packet_commitment(HELLO)
    changed = [
        Packet(1, "transfer", "channel-0", "transfer", "channel-1", b"hallo", Height(1, 100), 0),
        Packet(1, "transfer", "channel-0", "transfer", "channel-1", b"hello", Height(0, 100), 0),
        Packet(1, "transfer", "channel-0", "transfer", "channel-1", b"hello", Height(1, 101), 0),
        Packet(1, "transfer", "channel-0", "transfer", "channel-1", b"hello", Height(1, 100), 1),
    ]
    assert len({packet_commitment(packet) for packet in [HELLO, *changed]}) == 5


def test_a_timeout_beyond_64_bits_has_no_commitment() -> None:
    with pytest.raises(Rejected) as refused:
        packet_commitment(Packet(1, "a", "b", "c", "d", b"", Height(), 2**64))
    assert refused.value.code == "wire/out-of-range"


def test_an_acknowledgement_commitment_equals_ibc_gos() -> None:
    assert ack_commitment(b'{"result":"AQ=="}').hex() == "08f7557ed51826fe18d84512bf24ec75001edbaf2123a477df72a0a9f3640a7c"


def test_a_voucher_of_uatom_has_its_well_known_denomination() -> None:
    denom = voucher_denom("transfer/channel-0/uatom")
    assert denom == "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"


def test_the_escrow_address_of_the_first_transfer_channel_is_the_published_one() -> None:
    assert escrow_address("transfer", "channel-0").hex() == "ed23c6f4443f49c4b08f856350a5d2c65a203235"


@pytest.mark.parametrize(
    ("chain_id", "revision"),
    [
        ("mini-1", 1),
        ("mini", 0),
        ("mini-0", 0),
        ("mini-01", 0),
        ("mini-12", 12),
        ("a-b-3", 3),
        ("-1", 0),
        ("mini--1", 0),
        ("mini-1-", 0),
        ("mini-1\n", 0),
        ("mini-１", 0),
        ("mini-18446744073709551615", 2**64 - 1),
        ("mini-18446744073709551616", 0),
        ("mini-" + "9" * 5000, 0),
    ],
)
def test_a_chain_id_names_its_revision_behind_the_last_dash(chain_id: str, revision: int) -> None:
    assert revision_of(chain_id) == revision


def test_heights_are_ordered_by_revision_first() -> None:
    assert Height(1, 9) < Height(1, 10) < Height(2, 1)
    assert max(Height(1, 500), Height(2, 3)) == Height(2, 3)


def test_heights_are_read_as_they_are_written() -> None:
    for height in (Height(), Height(1, 10), Height(0, 2**64 - 1)):
        assert Height.parse(str(height)) == height


def test_only_the_zero_height_is_none() -> None:
    assert Height().is_zero
    assert not Height(1, 0).is_zero
    assert not Height(0, 1).is_zero


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "01-1", "1-01", "1-1-1", " 1-1", "1-1\n", "1-18446744073709551616", "+1-1", "１-1"]
)
def test_other_spellings_of_a_height_are_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        Height.parse(text)
    assert refused.value.code == "wire/bad-height"


def test_a_packet_is_spelled_field_by_field() -> None:
    packet = Packet(1, "a", "b", "c", "d", b"\x07", Height(1, 2), 3)
    assert encode(packet).hex() == "0801" + "120161" + "1a0162" + "220163" + "2a0164" + "320107" + "3a0408011002" + "4003"
    assert decode(Packet, encode(packet)) == packet


def test_a_connection_end_is_spelled_field_by_field() -> None:
    end = ConnectionEnd(
        "07-tendermint-0",
        (Version("1", ("ORDER_ORDERED", "ORDER_UNORDERED")),),
        STATE_INIT,
        ConnectionCounterparty("07-tendermint-1", "", MerklePrefix(b"ibc")),
    )
    assert encode(end).hex() == (
        "0a0f" + b"07-tendermint-0".hex()
        + "1223" + "0a0131" + "120d" + b"ORDER_ORDERED".hex() + "120f" + b"ORDER_UNORDERED".hex()
        + "1801"
        + "2218" + "0a0f" + b"07-tendermint-1".hex() + "1a050a03696263"
    )  # fmt: skip
    assert decode(ConnectionEnd, encode(end)) == end


def test_a_channel_is_spelled_field_by_field() -> None:
    channel = Channel(STATE_OPEN, ORDER_UNORDERED, ChannelCounterparty("p", "c"), ("connection-0",), "v")
    assert encode(channel).hex() == "0803" + "1001" + "1a060a0170120163" + "220c" + b"connection-0".hex() + "2a0176"


def test_a_client_state_is_spelled_field_by_field() -> None:
    client = ClientState(
        chain_id="a-1",
        trust_level=Fraction(1, 3),
        trusting_period=14 * 86_400 * 10**9,
        unbonding_period=21 * 86_400 * 10**9,
        max_clock_drift=10 * 10**9,
        frozen_height=Height(),
        latest_height=Height(1, 5),
        proof_specs=(TENDERMINT_SPEC, TENDERMINT_SPEC),
        upgrade_path=("upgrade",),
    )
    spec = "4219" + encode(TENDERMINT_SPEC).hex()
    assert encode(client).hex() == (
        "0a03" + b"a-1".hex()
        + "120408011003"
        + "1a0408" + "80ea49"
        + "220408" + "80df6e"
        + "2a02080a"
        + "3200"
        + "3a0408011005"
        + spec + spec
        + "4a07" + b"upgrade".hex()
    )  # fmt: skip
    assert decode(ClientState, encode(client)) == client


def test_a_consensus_state_always_carries_its_time_and_root() -> None:
    assert encode(ConsensusState(0, b"", b"")).hex() == "0a001200"
    assert encode(ConsensusState(1, b"\x0a", b"\x0b")).hex() == "0a021001" + "12030a010a" + "1a010b"


def test_an_any_names_the_type_of_its_bytes() -> None:
    wrapped = any_encode(CLIENT_STATE_URL, b"\x01")
    assert wrapped.hex() == "0a2b" + b"/ibc.lightclients.tendermint.v1.ClientState".hex() + "120101"
    assert any_decode(wrapped) == (CLIENT_STATE_URL, b"\x01")
    with pytest.raises(Rejected) as refused:
        any_decode(wrapped + b"\x1a\x00")
    assert refused.value.code == "wire/unknown-field"
