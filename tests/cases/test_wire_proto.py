"""Protobuf is refused in every spelling but one, and each refusal says why."""

import pytest

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.wire.ibc import Channel, ChannelCounterparty, ClientState, Fraction, Height
from meshsec_core.kernel.wire.ics23 import (
    TENDERMINT_SPEC,
    ExistenceProof,
    InnerOp,
    LeafOp,
    MerkleProof,
    ProofSpec,
    decode_commitment,
)
from meshsec_core.kernel.wire.proto import Message, OneOf, Table, decode, encode, field, message, remembered
from meshsec_core.kernel.wire.scalars import BYTES, DURATION, ENUM, INT64, TIME, UINT64, ZERO_TIME, Kind, varint
from meshsec_core.kernel.wire.tendermint import (
    BlockId,
    Commit,
    CommitSig,
    PartSetHeader,
    Proposal,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    decode_evidence,
)


def code_of(kind: type[Message], spelled: str) -> str:
    with pytest.raises(Rejected) as refused:
        decode(kind, bytes.fromhex(spelled))
    return refused.value.code


def unencodable(value: Message) -> str:
    with pytest.raises(Rejected) as refused:
        encode(value)
    return refused.value.code


def test_fields_are_written_in_order_without_defaults() -> None:
    assert encode(Height(1, 300)).hex() == "080110ac02"
    assert encode(Height(0, 5)).hex() == "1005"
    assert encode(Height(0, 0)) == b""
    assert decode(Height, b"") == Height(0, 0)


def test_messages_that_cannot_be_absent_are_written_even_empty() -> None:
    assert encode(BlockId()).hex() == "1200"
    assert encode(Commit()).hex() == "1a021200"
    assert encode(CommitSig()).hex() == "08011a0b088092b8c398feffffff01"
    assert encode(Channel(1, 2, ChannelCounterparty("", ""), (), "")).hex() == "080110021a00"


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2**28, "8080808001"),
        (2**35 - 1, "ffffffff7f"),
        (2**35, "808080808001"),
        (2**64 - 1, "ffffffffffffffffff01"),
    ],
)
def test_varints_are_base_128_from_the_least_digit(value: int, spelled: str) -> None:
    assert varint(value).hex() == spelled


def test_negative_integers_take_ten_bytes() -> None:
    proposal = Proposal(1, 0, -1, BlockId(), ZERO_TIME)
    spelled = encode(proposal)
    assert bytes.fromhex("20ffffffffffffffffff01") in spelled
    assert decode(Proposal, spelled) == proposal


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("1801", "wire/unknown-field"),
        ("0a0101", "wire/wrong-type"),
        ("090100000000000000", "wire/wrong-type"),
        ("10010801", "wire/field-order"),
        ("08010802", "wire/field-order"),
        ("0800", "wire/explicit-default"),
        ("088100", "wire/padded-varint"),
        ("880001", "wire/padded-varint"),
        ("08", "wire/truncated"),
        ("0880", "wire/truncated"),
        ("08ffffffffffffffffff02", "wire/out-of-range"),
        ("08ffffffffffffffffffff01", "wire/out-of-range"),
        ("00", "wire/unknown-field"),
        ("80808080808080808080", "wire/out-of-range"),
    ],
)
def test_other_spellings_of_a_height_are_refused(spelled: str, code: str) -> None:
    assert code_of(Height, spelled) == code


@pytest.mark.parametrize(
    ("kind", "spelled", "code"),
    [
        (BlockId, "", "wire/missing-field"),
        (BlockId, "0a05aa1200", "wire/truncated"),
        (BlockId, "0a001200", "wire/explicit-default"),
        (BlockId, "12021210", "wire/truncated"),
        (BlockId, "12001200", "wire/field-order"),
        (BlockId, "1203080118", "wire/unknown-field"),
        (PartSetHeader, "088080808010", "wire/out-of-range"),
        (PartSetHeader, "120261", "wire/truncated"),
        (Commit, "08858080808080808080021a021200", "wire/out-of-range"),
        (SignedHeader, "", "wire/missing-field"),
        (Channel, "080110021a002a01ff", "wire/bad-text"),
        (Channel, "080110021a002a02c080", "wire/bad-text"),
        (Channel, "08ffffffffffffffffff0110021a00", "wire/out-of-range"),
        (Validator, "0a010112010a", "wire/truncated"),
        (Validator, "0a01011200", "wire/missing-field"),
        (Validator, "0a010112030a0101", "wire/bad-key"),
        (Validator, "0a01011222" + "1220" + "00" * 32, "wire/unknown-field"),
        (ValidatorSet, "12001800", "wire/missing-field"),
        (ProofSpec, "0a001204" + "0a020001" + "2802", "wire/out-of-range"),
        (ProofSpec, "0a001202" + "0a00", "wire/explicit-default"),
        (ProofSpec, "0a001204" + "0a020080", "wire/truncated"),
        (Proposal, "08012a021200320b088092b8c398feffffff01", "wire/wrong-constant"),
        (MerkleProof, "0a00", "wire/not-exactly-one"),
        (MerkleProof, "0a04" + "0a02" + "1a00" + "0a04", "wire/truncated"),
        (MerkleProof, "0a06" + "0a02" + "1a00" + "1200", "wire/not-exactly-one"),
        (MerkleProof, "0a04" + "1a02" + "1a00", "wire/unknown-field"),
    ],
)
def test_other_spellings_of_messages_are_refused(kind: type[Message], spelled: str, code: str) -> None:
    assert code_of(kind, spelled) == code


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("0800", "wire/explicit-default"),
        ("08011000", "wire/explicit-default"),
        ("10010801", "wire/bad-time"),
        ("08010802", "wire/bad-time"),
        ("1801", "wire/bad-time"),
        ("1080" + "94ebdc03", "wire/bad-time"),
        ("10ffffffffffffffffff01", "wire/bad-time"),
        ("08ff91b8c398feffffff01", "wire/bad-time"),
        ("0880dcefffaf07", "wire/bad-time"),
    ],
)
def test_other_spellings_of_a_time_are_refused(time: str, code: str) -> None:
    assert code_of(CommitSig, "08011a" + f"{len(time) // 2:02x}" + time) == code


@pytest.mark.parametrize("nanoseconds", [0, 1, -1, ZERO_TIME, 253_402_300_799_999_999_999, -1_000_000_000])
def test_times_from_year_1_to_year_9999_are_spelled_with_positive_nanoseconds(nanoseconds: int) -> None:
    spelled = TIME.emit(nanoseconds)
    assert TIME.read(spelled, 0, len(spelled)) == (nanoseconds, len(spelled))


@pytest.mark.parametrize("nanoseconds", [ZERO_TIME - 1, 253_402_300_800_000_000_000])
def test_other_times_have_no_spelling(nanoseconds: int) -> None:
    assert unencodable(CommitSig(time=nanoseconds)) == "wire/bad-time"


@pytest.mark.parametrize(
    ("nanoseconds", "spelled"),
    [
        (0, "00"),
        (1_209_600 * 10**9, "0408" + "80ea49"),
        (-1, "0b10ffffffffffffffffff01"),
        (-1_000_000_001, "1608ffffffffffffffffff0110ffffffffffffffffff01"),
    ],
)
def test_durations_carry_their_sign_in_both_parts(nanoseconds: int, spelled: str) -> None:
    assert DURATION.emit(nanoseconds).hex() == spelled
    assert DURATION.read(bytes.fromhex(spelled), 0, len(spelled) // 2)[0] == nanoseconds


@pytest.mark.parametrize(
    "parts", ["080110ffffffffffffffffff01", "08ffffffffffffffffff011001", "1080" + "94ebdc03", "08ffffffffff7f"]
)
def test_durations_of_mixed_sign_or_beyond_64_bits_are_refused(parts: str) -> None:
    raw = bytes([len(parts) // 2]) + bytes.fromhex(parts)
    with pytest.raises(Rejected) as refused:
        DURATION.read(raw, 0, len(raw))
    assert refused.value.code == "wire/bad-time"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (Height(-1, 0), "wire/out-of-range"),
        (Height(0, 2**64), "wire/out-of-range"),
        (PartSetHeader(2**32), "wire/out-of-range"),
        (Commit(2**63), "wire/out-of-range"),
        (Commit(1, 2**31), "wire/out-of-range"),
        (CommitSig(-1), "wire/out-of-range"),
        (Validator(b"", b"short", 1), "wire/bad-key"),
        (ClientState("a-1", Fraction(1, 3), 2**63, 1, 1, Height(), Height(), ()), "wire/bad-time"),
    ],
)
def test_values_out_of_range_have_no_spelling(value: Message, code: str) -> None:
    assert unencodable(value) == code


@pytest.mark.parametrize("height", [-(2**63), -(2**62) - 1, -1, 2**62, 2**63 - 1])
def test_heights_fill_64_bits(height: int) -> None:
    assert decode(Commit, encode(Commit(height))) == Commit(height)


def test_an_ed25519_key_is_the_only_key_a_validator_may_have() -> None:
    validator = Validator(b"\x01", bytes(range(32)), 5, -2)
    spelled = encode(validator)
    assert spelled.hex() == "0a010112220a20" + bytes(range(32)).hex() + "180520feffffffffffffffff01"
    assert decode(Validator, spelled) == validator


def test_a_vote_is_spelled_field_by_field() -> None:
    vote = Vote(1, 2, 3, BlockId(b"h", PartSetHeader(4, b"p")), 5, b"a", 6, b"s")
    assert encode(vote).hex() == "080110021803" + "220a0a01681205" + "0804120170" + "2a021005" + "320161" + "3806" + "420173"
    assert decode(Vote, encode(vote)) == vote


def test_the_spec_of_our_trees_is_spelled_as_ibc_go_spells_it() -> None:
    assert encode(TENDERMINT_SPEC).hex() == "0a090801180120012a0100" + "120c0a02000110201801200130" + "01"


def test_an_absent_suffix_is_omitted() -> None:
    assert encode(InnerOp(1, b"\x01")).hex() == "0801120101"


@pytest.mark.parametrize("hash_op", [1, 2])
@pytest.mark.parametrize(
    "prefix", [b"\x01", b"\x00", b"\x01" + b"x" * 31, b"\x01" + b"x" * 32, b"\x00" + b"x" * 32, b"\x01" + b"x" * 33]
)
@pytest.mark.parametrize("suffix", [b"", b"s" * 31, b"s" * 32, b"s" * 33])
def test_every_step_is_spelled_like_any_other_message(hash_op: int, prefix: bytes, suffix: bytes) -> None:
    """Also the two forms that are spelled without the table; before and behind another step."""
    spelled = b"\x08" + bytes([hash_op]) + b"\x12" + bytes([len(prefix)]) + prefix
    spelled += b"\x1a" + bytes([len(suffix)]) + suffix if suffix else b""
    step, other = InnerOp(hash_op, prefix, suffix), InnerOp(2, b"o")
    raw_step, raw_other = b"\x22" + bytes([len(spelled)]) + spelled, b"\x22\x05\x08\x02\x12\x01o"

    for steps, raw in (((step, other), raw_step + raw_other), ((other, step), raw_other + raw_step)):
        proof = ExistenceProof(b"k", b"v", LeafOp(), steps)
        assert encode(proof) == b"\x0a\x01k\x12\x01v\x1a\x00" + raw
        assert decode(ExistenceProof, encode(proof)) == proof
    with pytest.raises(Rejected) as error:
        decode(ExistenceProof, encode(ExistenceProof(b"k", b"v", LeafOp(), (step,)))[:-1])
    assert error.value.code.startswith("wire/")


def test_a_proof_travels_in_a_oneof() -> None:
    proof = ExistenceProof(b"k", b"v", LeafOp())
    assert encode(MerkleProof((proof,))).hex() == "0a0a0a080a016b1201761a00"
    assert decode_commitment(bytes.fromhex("0a080a016b1201761a00")) == proof


def test_evidence_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Rejected) as refused:
        decode_evidence(bytes.fromhex("1a00"))
    assert refused.value.code == "wire/unknown-field"
    with pytest.raises(Rejected) as refused:
        decode_evidence(b"")
    assert refused.value.code == "wire/not-exactly-one"


def test_tables_that_could_not_be_encoded_in_order_are_our_bug() -> None:
    with pytest.raises(InvariantViolated):
        Table((field(2, UINT64), field(1, BYTES)))
    with pytest.raises(InvariantViolated):
        Table((field(1, INT64), field(1, ENUM)))


def test_a_table_that_does_not_describe_its_struct_is_our_bug() -> None:
    class Short(Message, frozen=True):
        one: int = 0
        two: int = 0
        proto = (field(1, UINT64),)

    with pytest.raises(InvariantViolated):
        encode(Short())


def test_a_value_that_is_no_member_of_a_oneof_is_our_bug() -> None:
    with pytest.raises(InvariantViolated):
        OneOf((1, Height)).encode(Fraction(1, 3))


def test_a_message_that_is_remembered_reads_like_one_that_is_not_whatever_came_before() -> None:
    def outcome(kind: Kind, raw: bytes) -> object:
        try:
            return kind.read(raw, 0, len(raw))
        except Rejected as refusal:
            return refusal.code

    plain, kept = message(ValidatorSet), remembered(ValidatorSet, 2)
    members = tuple(Validator(bytes([at]) * 20, bytes([at]) * 32, 10 + at, -at) for at in range(3))
    raw = plain.emit(ValidatorSet(members, members[1], 33))
    assert kept.emit(ValidatorSet(members, members[1], 33)) == raw
    damaged = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw)) for bit in range(8)]
    for found in [raw, raw, raw[:-1], *damaged, raw]:
        assert outcome(kept, found) == outcome(kept, found) == outcome(plain, found)
