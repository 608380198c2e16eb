"""Every structure on the wire has exactly one spelling."""

import types
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire import ibc, ics23, tendermint
from meshsec_core.kernel.wire.proto import Message, decode, encode, message
from meshsec_core.kernel.wire.scalars import END_OF_TIME, ZERO_TIME, Kind, Read, read_varint

INT64 = st.integers(-(2**63), 2**63 - 1)
RANGES = {
    "uint64": st.integers(0, 2**64 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int64": INT64,
    "int32": st.integers(-(2**31), 2**31 - 1),
    "enum": st.integers(0, 2**31 - 1),
    "time": st.integers(ZERO_TIME, END_OF_TIME - 1) | st.just(ZERO_TIME) | st.integers(0, 10**10),
    "duration": INT64 | st.integers(-(10**10), 10**10),
}
FEW = {"min_size": 0, "max_size": 3}

MESSAGES = sorted(
    {
        kind
        for module in (tendermint, ics23, ibc)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
    },
    key=lambda kind: kind.__name__,
)


def of_hint(hint: Any, kind: Kind | None) -> st.SearchStrategy[Any]:
    """Values of a type hint, in the range of the field's kind."""
    if hint is int:
        return RANGES[kind.name] if kind is not None and kind.name in RANGES else RANGES["enum"]
    if hint is bytes:
        return st.binary(max_size=40)
    if hint is str:
        return st.text(max_size=12)
    if hint is bool:
        return st.booleans()
    if hint is type(None):
        return st.none()
    if get_origin(hint) is types.UnionType:
        return st.one_of([of_hint(member, kind) for member in get_args(hint)])
    if get_origin(hint) is tuple:
        element = of_hint(get_args(hint)[0], None if kind is None or kind.name == "packed int32" else kind)
        return st.lists(element, **FEW).map(tuple)
    return of_message(hint)


def of_message(kind: type[Message]) -> st.SearchStrategy[Any]:
    """Values of a struct."""
    hints = get_type_hints(kind)
    names = kind.__struct_fields__
    rows: list[Kind | None] = []
    for row in kind.proto:
        rows.extend([row.kind] if row.width is None else [None] * row.width)
    parts = {
        name: st.binary(min_size=32, max_size=32) if name == "public_key" else of_hint(hints[name], row)
        for name, row in zip(names, rows, strict=True)
    }
    return st.builds(kind, **parts)


def attempt(kind: type[Message], raw: bytes) -> Message | None:
    """The value, or None if it is refused in the way refusals are made."""
    try:
        return decode(kind, raw)
    except Rejected:
        return None


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_what_is_decoded_is_what_was_encoded(kind: type[Message]) -> None:
    @given(of_message(kind))
    @settings(max_examples=15, deadline=None)
    def holds(value: Message) -> None:
        assert decode(kind, encode(value)) == value

    holds()


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_bytes_that_are_accepted_after_an_alteration_are_the_one_spelling_of_another_value(kind: type[Message]) -> None:
    @given(of_message(kind), st.data())
    @settings(max_examples=30, deadline=None)
    def holds(value: Message, data: st.DataObject) -> None:
        raw = encode(value)
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(st.binary(max_size=3))
        altered = raw[:at] + put + raw[at + cut :]
        accepted = attempt(kind, altered)
        if accepted is not None:
            assert encode(accepted) == altered
            assert (accepted == value) == (altered == raw)

    holds()


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused_by_a_code_or_is_the_one_spelling_of_a_value(noise: bytes) -> None:
    for kind in (ibc.Packet, ibc.Height, ibc.Channel, tendermint.BlockId, tendermint.CommitSig, ics23.ProofSpec):
        accepted = attempt(kind, noise)
        assert accepted is None or encode(accepted) == noise


@given(of_hint(tendermint.Evidence, None))
@settings(max_examples=20, deadline=None)
def test_evidence_survives_its_wrapper_and_canonical_json(evidence: tendermint.Evidence) -> None:
    assert tendermint.decode_evidence(tendermint.encode_evidence(evidence)) == evidence
    assert codec.decode(codec.encode(evidence), tendermint.Evidence) == evidence  # type: ignore[arg-type]


@given(of_hint(ics23.CommitmentProof, None))
@settings(max_examples=20, deadline=None)
def test_a_proof_of_one_tree_survives_its_wrapper(proof: ics23.CommitmentProof) -> None:
    assert ics23.decode_commitment(ics23.encode_commitment(proof)) == proof


@given(of_message(ibc.Packet))
@settings(max_examples=30, deadline=None)
def test_packets_survive_canonical_json(packet: ibc.Packet) -> None:
    assert codec.decode(codec.encode(packet), ibc.Packet) == packet


IN_ONE_FORM = {tendermint.BlockId: tendermint.BLOCK_ID, tendermint.CommitSig: tendermint.SIGNATURE, ics23.InnerOp: ics23.STEP}
"""Messages that are spelled and read without their table if they come in their usual form."""

DIGEST = bytes(range(200, 232))
ADDRESS = bytes(range(100, 120))
USUAL = (
    tendermint.BlockId(DIGEST, tendermint.PartSetHeader(1, DIGEST[::-1])),
    tendermint.CommitSig(tendermint.FLAG_COMMIT, ADDRESS, 1_700_000_000 * 10**9, DIGEST * 2),
    tendermint.CommitSig(tendermint.FLAG_COMMIT, ADDRESS, 1_700_000_000 * 10**9 + 999_000_000, DIGEST * 2),
    ics23.InnerOp(1, b"\x01", DIGEST),
    ics23.InnerOp(1, b"\x01" + DIGEST),
)


def verdict(read: Read, raw: bytes, start: int, end: int) -> tuple[Any, ...]:
    """What a reader gives, or the code and facts with which it refuses."""
    try:
        return read(raw, start, end)
    except Rejected as refusal:
        return refusal.code, refusal.facts


@pytest.mark.parametrize("value", USUAL, ids=lambda value: type(value).__name__)
def test_the_usual_form_and_all_that_is_near_it_are_read_and_refused_as_by_the_table(value: Message) -> None:
    """Every byte is changed, in every way that could matter, in front of other bytes and cut at every length."""
    by_table, kind = message(type(value)), IN_ONE_FORM[type(value)]
    raw = by_table.emit(value)
    assert kind.read(b"-" + raw, 1, len(raw) + 1) == (value, len(raw) + 1)
    for at, byte in enumerate(raw):
        for other in {byte, byte ^ 1, (byte + 1) % 256, (byte - 1) % 256, byte ^ 128, 0, 1, 2, 32, 127, 255}:
            near = raw[:at] + bytes((other,)) + raw[at + 1 :] + b"\x22\x01"
            for end in (at, len(raw) - 1, len(raw), len(raw) + 1, len(raw) + 2):
                assert verdict(kind.read, near, 0, end) == verdict(by_table.read, near, 0, end)


@pytest.mark.parametrize("value", USUAL, ids=lambda value: type(value).__name__)
def test_the_usual_form_and_all_that_is_near_it_are_spelled_as_by_the_table(value: Message) -> None:
    by_table, kind = message(type(value)), IN_ONE_FORM[type(value)]
    for name in value.__struct_fields__:
        now = getattr(value, name)
        near: tuple[Any, ...] = ()
        match now:
            case bytes():
                near = (now, now[:-1], now + b"\x01", b"")
            case int():
                near = (now, 0, 1, 3, now + 1)
            case tendermint.PartSetHeader():
                near = tuple(tendermint.PartSetHeader(total, now.hash[:size]) for total in (0, 1, 2, 200) for size in (0, 31, 32))
        for other in near:
            changed = msgspec.structs.replace(value, **{name: other})
            assert kind.emit(changed) == by_table.emit(changed)


@given(st.lists(st.sampled_from((0, 1, 127, 128, 129, 255)), max_size=12).map(bytes), st.integers(0, 12))
@settings(max_examples=500, deadline=None)
def test_a_varint_is_its_digits_or_is_refused(raw: bytes, end: int) -> None:
    """The reader takes short cuts for one, two and five digits; here there are none."""
    end = min(end, len(raw))
    digits = next((raw[: at + 1] for at in range(end) if raw[at] < 128), None)
    found = verdict(read_varint, raw, 0, end)
    if digits is None or len(digits) > 10:
        assert found[0] == ("wire/out-of-range" if end >= 10 else "wire/truncated")
    elif len(digits) > 1 and digits[-1] == 0:
        assert found[0] == "wire/padded-varint"
    else:
        value = sum((digit & 127) << 7 * place for place, digit in enumerate(digits))
        assert found == ((value, len(digits)) if value < 2**64 else ("wire/out-of-range", {"at": len(digits)}))
