"""ICS-23 proofs: structs with their protobuf tables. `meshsec_core.kernel.merkle.ics23` is what checks them.

Batch and compressed proofs are not offered; the official libraries are dropping them.

Source: cosmos/ics23 proto/cosmos/ics23/v1/proofs.proto; ibc-go proto/ibc/core/commitment/v2.
"""

from typing import ClassVar, Final

from meshsec_core.kernel.wire.proto import Fields, Message, OneOf, field, message, optional, repeated, usual
from meshsec_core.kernel.wire.scalars import BOOL, BYTES, ENUM, INT32, PACKED_INT32

HASH_NONE = 0
HASH_SHA256 = 1

LENGTH_NONE = 0
LENGTH_VAR_PROTO = 1


class LeafOp(Message, frozen=True):
    """How a key and a value become a leaf's hash."""

    hash: int = HASH_NONE
    prehash_key: int = HASH_NONE
    prehash_value: int = HASH_NONE
    length: int = LENGTH_NONE
    """What is put in front of key and value: nothing, or their length as a varint."""
    prefix: bytes = b""

    proto: ClassVar[Fields] = (field(1, ENUM), field(2, ENUM), field(3, ENUM), field(4, ENUM), field(5, BYTES))


class InnerOp(Message, frozen=True):
    """How a child's hash becomes its parent's: hash(prefix, child, suffix)."""

    hash: int = HASH_NONE
    prefix: bytes = b""
    suffix: bytes = b""

    proto: ClassVar[Fields] = (field(1, ENUM), field(2, BYTES), field(3, BYTES))


_FIRST: Final = b"\x27\x08\x01\x12\x01\x01\x1a\x20"
_SECOND: Final = b"\x25\x08\x01\x12\x21\x01"


def _spell_step(step: InnerOp) -> bytes | None:
    if step.hash == HASH_SHA256 and step.prefix[:1] == b"\x01":
        if len(step.prefix) == 1 and len(step.suffix) == 32:
            return _FIRST + step.suffix
        if len(step.prefix) == 33 and not step.suffix:
            return _SECOND[:-1] + step.prefix
    return None


def _see_step(raw: bytes, at: int, end: int) -> tuple[InnerOp, int] | None:
    if raw.startswith(_FIRST, at, end) and at + 40 <= end:
        return InnerOp(HASH_SHA256, b"\x01", raw[at + 8 : at + 40]), at + 40
    if raw.startswith(_SECOND, at, end) and at + 38 <= end:
        return InnerOp(HASH_SHA256, raw[at + 5 : at + 38]), at + 38
    return None


STEP = usual(InnerOp, _spell_step, _see_step)
"""An `InnerOp`, mostly a step from a first or a second child in a tree of ours: a proof holds some thirty of them."""


class ExistenceProof(Message, frozen=True):
    """A key's value, and the path from its leaf to the root."""

    key: bytes
    value: bytes
    leaf: LeafOp
    path: tuple[InnerOp, ...] = ()

    proto: ClassVar[Fields] = (field(1, BYTES), field(2, BYTES), field(3, message(LeafOp)), repeated(4, STEP))


class NonExistenceProof(Message, frozen=True):
    """A key's absence: its two neighbours exist, or its only one at an edge."""

    key: bytes
    left: ExistenceProof | None = None
    right: ExistenceProof | None = None

    proto: ClassVar[Fields] = (
        field(1, BYTES),
        optional(2, message(ExistenceProof)),
        optional(3, message(ExistenceProof)),
    )


CommitmentProof = ExistenceProof | NonExistenceProof
"""Travels in a oneof: use `encode_commitment` and `decode_commitment`."""

COMMITMENT = OneOf((1, ExistenceProof), (2, NonExistenceProof))


class MerkleProof(Message, frozen=True):
    """Proofs of nested trees, the leaf tree first."""

    proofs: tuple[CommitmentProof, ...]

    proto: ClassVar[Fields] = (repeated(1, COMMITMENT.kind),)


class InnerSpec(Message, frozen=True):
    """What the inner ops of a tree may look like."""

    child_order: tuple[int, ...]
    child_size: int
    min_prefix_length: int
    max_prefix_length: int
    empty_child: bytes = b""
    hash: int = HASH_SHA256

    proto: ClassVar[Fields] = (
        field(1, PACKED_INT32),
        field(2, INT32),
        field(3, INT32),
        field(4, INT32),
        field(5, BYTES),
        field(6, ENUM),
    )


class ProofSpec(Message, frozen=True):
    """What proofs of one kind of tree must look like."""

    leaf_spec: LeafOp
    inner_spec: InnerSpec
    max_depth: int = 0
    """0 stands for the limit of the verifier."""
    min_depth: int = 0
    prehash_key_before_comparison: bool = False

    proto: ClassVar[Fields] = (
        field(1, message(LeafOp)),
        field(2, message(InnerSpec)),
        field(3, INT32),
        field(4, INT32),
        field(5, BOOL),
    )


TENDERMINT_SPEC = ProofSpec(
    LeafOp(HASH_SHA256, HASH_NONE, HASH_SHA256, LENGTH_VAR_PROTO, b"\x00"),
    InnerSpec((0, 1), 32, 1, 1),
)
"""The spec of our trees."""


def encode_commitment(proof: CommitmentProof) -> bytes:
    """Encode a proof of one tree with the oneof around it."""
    return COMMITMENT.encode(proof)


def decode_commitment(raw: bytes) -> CommitmentProof:
    """Decode what `encode_commitment` gives.

    Raises:
        Rejected: a `wire/…` code.
    """
    proof: CommitmentProof = COMMITMENT.decode(raw)
    return proof
