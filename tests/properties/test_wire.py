"""Every structure on the wire has exactly one spelling."""

import types
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire import ibc, ics23, tendermint
from meshsec_core.kernel.wire.proto import Message, decode, encode
from meshsec_core.kernel.wire.scalars import END_OF_TIME, ZERO_TIME, Kind

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
