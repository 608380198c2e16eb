"""The verifier of ICS-23 proofs: one tree by a spec, and the two nested trees under an app hash.

What is accepted is what the official Go library accepts, short of batch and compressed proofs, of trees that are not binary, and
of malformed proofs on which it panics.

Source: cosmos/ics23 v0.11 for Go; ICS-23 "Vector Commitments".
"""

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.operations import EMPTY, UNSUPPORTED, calculate, prehashed
from meshsec_core.kernel.wire.ics23 import (
    HASH_NONE,
    HASH_SHA256,
    LENGTH_NONE,
    LENGTH_VAR_PROTO,
    TENDERMINT_SPEC,
    CommitmentProof,
    ExistenceProof,
    InnerOp,
    InnerSpec,
    LeafOp,
    MerkleProof,
    NonExistenceProof,
    ProofSpec,
)
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.scalars import read_varint

WRONG_KEY = "proof/wrong-key"
WRONG_VALUE = "proof/wrong-value"
WRONG_ROOT = "proof/wrong-root"
WRONG_KIND = "proof/wrong-kind"
WRONG_LEVELS = "proof/wrong-levels"
BAD_LEAF = "proof/bad-leaf"
BAD_STEP = "proof/bad-step"
BAD_DEPTH = "proof/bad-depth"
OUT_OF_ORDER = "proof/out-of-order"
NOT_NEIGHBOURS = "proof/not-neighbours"

DEFAULT_MAX_DEPTH = 128

IAVL_SPEC = ProofSpec(
    LeafOp(HASH_SHA256, HASH_NONE, HASH_SHA256, LENGTH_VAR_PROTO, b"\x00"),
    InnerSpec((0, 1), 33, 4, 12),
)
"""Cosmos SDK's AVL trees."""

SMT_SPEC = ProofSpec(
    LeafOp(HASH_SHA256, HASH_SHA256, HASH_SHA256, LENGTH_NONE, b"\x00"),
    InnerSpec((0, 1), 32, 1, 1, bytes(32)),
    max_depth=256,
    prehash_key_before_comparison=True,
)
"""Sparse Merkle trees over hashed keys."""

Specs = tuple[ProofSpec, ProofSpec]
"""Of two nested trees, the inner one first."""

NESTED_SPECS: Specs = (TENDERMINT_SPEC, TENDERMINT_SPEC)
"""Of our state."""


def verify_value(root: bytes, store: str, key: bytes, value: bytes, proof: bytes, specs: Specs = NESTED_SPECS) -> None:
    """Check that `value` is under `key` of `store` in the state whose app hash is `root`.

    Args:
        root: the app hash in the header after the height that is proven.
        store: the key of the store's root in the outer tree, such as `ibc`.
        key: the path below the store.
        value: what the key must hold.
        proof: protobuf of MerkleProof, the store's tree first.
        specs: of the two trees, in the same order.

    Raises:
        Rejected: a `proof/…` or `wire/…` code.
    """
    inner, outer = _levels(proof)
    if not isinstance(inner, ExistenceProof):
        raise Rejected(WRONG_KIND)
    _match(inner, key, value)
    verify_membership(specs[1], root, outer, store.encode(), existence_root(specs[0], inner))


def verify_absence(root: bytes, store: str, key: bytes, proof: bytes, specs: Specs = NESTED_SPECS) -> None:
    """Check that nothing is under `key` of `store` in the state whose app hash is `root`; see `verify_value`.

    Raises:
        Rejected: a `proof/…` or `wire/…` code.
    """
    inner, outer = _levels(proof)
    if not isinstance(inner, NonExistenceProof):
        raise Rejected(WRONG_KIND)
    verify_membership(specs[1], root, outer, store.encode(), absence_root(specs[0], inner, key))


def _levels(raw: bytes) -> tuple[CommitmentProof, CommitmentProof]:
    proofs = decode(MerkleProof, raw).proofs
    if len(proofs) != 2:
        raise Rejected(WRONG_LEVELS, levels=len(proofs))
    return proofs[0], proofs[1]


def verify_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes, value: bytes) -> None:
    """Check that a tree with this root holds `value` under `key`.

    Raises:
        Rejected: a `proof/…` code.
    """
    if not isinstance(proof, ExistenceProof):
        raise Rejected(WRONG_KIND)
    _match(proof, key, value)
    if existence_root(spec, proof) != root:
        raise Rejected(WRONG_ROOT)


def verify_non_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes) -> None:
    """Check that a tree with this root holds nothing under `key`.

    Raises:
        Rejected: a `proof/…` code.
    """
    if not isinstance(proof, NonExistenceProof):
        raise Rejected(WRONG_KIND)
    if absence_root(spec, proof, key) != root:
        raise Rejected(WRONG_ROOT)


def _match(proof: ExistenceProof, key: bytes, value: bytes) -> None:
    if proof.key != key:
        raise Rejected(WRONG_KEY)
    if proof.value != value:
        raise Rejected(WRONG_VALUE)


def existence_root(spec: ProofSpec, proof: ExistenceProof) -> bytes:
    """Return the root of the tree that holds the proof's key and value, after checking the proof's form.

    Raises:
        Rejected: as `check` and `calculate`.
    """
    check(spec, proof)
    return calculate(proof)


def absence_root(spec: ProofSpec, proof: NonExistenceProof, key: bytes) -> bytes:
    """Return the root of the tree in which the proof's neighbours leave no room for `key`.

    Raises:
        Rejected: as `existence_root` for each neighbour; EMPTY without any; WRONG_ROOT if they are of two trees; OUT_OF_ORDER if
            the key is not between them; NOT_NEIGHBOURS if another key may be.
    """
    left, right = proof.left, proof.right
    order = _ordered(spec, key)
    roots = [existence_root(spec, side) for side in (left, right) if side is not None]
    if not roots:
        raise Rejected(EMPTY)
    if roots[0] != roots[-1]:
        raise Rejected(WRONG_ROOT)
    if (left is not None and _ordered(spec, left.key) >= order) or (right is not None and _ordered(spec, right.key) <= order):
        raise Rejected(OUT_OF_ORDER)
    if not _adjacent(spec.inner_spec, left, right):
        raise Rejected(NOT_NEIGHBOURS)
    return roots[0]


def _ordered(spec: ProofSpec, key: bytes) -> bytes:
    """Return what a tree sorts by: its keys, or their hashes."""
    return prehashed(spec.leaf_spec.prehash_key, key) if spec.prehash_key_before_comparison else key


def check(spec: ProofSpec, proof: ExistenceProof) -> None:
    """Check that a proof has the form that a spec prescribes; without it a branch could be passed off as a leaf.

    Raises:
        Rejected: BAD_LEAF, BAD_DEPTH, BAD_STEP, or UNSUPPORTED for trees that are not binary.
    """
    check_leaf(spec, proof.leaf)
    depth = len(proof.path)
    if not spec.min_depth <= depth <= (spec.max_depth or DEFAULT_MAX_DEPTH):
        raise Rejected(BAD_DEPTH, depth=depth)
    shape = spec.inner_spec
    if shape.child_order != (0, 1) or shape.child_size < 1:
        raise Rejected(UNSUPPORTED)
    shortest, longest = shape.min_prefix_length, shape.max_prefix_length + shape.child_size
    leaf_prefix, child_size, op, iavl = spec.leaf_spec.prefix, shape.child_size, shape.hash, _is_iavl(spec)
    for layer, step in enumerate(proof.path, 1):
        prefix = step.prefix
        if (
            step.hash != op
            or prefix.startswith(leaf_prefix)
            or not shortest <= len(prefix) <= longest
            or len(step.suffix) % child_size
            or (iavl and _iavl_rest(prefix, layer) not in (1, 34))
        ):
            raise Rejected(BAD_STEP, layer=layer)


def check_leaf(spec: ProofSpec, leaf: LeafOp) -> None:
    """Check a leaf's operation against a spec.

    Raises:
        Rejected: BAD_LEAF.
    """
    wanted = spec.leaf_spec
    if leaf == wanted and not _is_iavl(spec):
        return
    if (
        leaf.hash != wanted.hash
        or leaf.prehash_key != wanted.prehash_key
        or leaf.prehash_value != wanted.prehash_value
        or leaf.length != wanted.length
        or not leaf.prefix.startswith(wanted.prefix)
        or (_is_iavl(spec) and _iavl_rest(leaf.prefix, 0) != 0)
    ):
        raise Rejected(BAD_LEAF)


def _is_iavl(spec: ProofSpec) -> bool:
    """Tell whether a spec is the one of IAVL trees, by the fields that the official libraries compare."""
    leaf, inner, iavl = spec.leaf_spec, spec.inner_spec, IAVL_SPEC.inner_spec
    return (
        inner.child_size == iavl.child_size
        and inner.min_prefix_length == iavl.min_prefix_length
        and inner.max_prefix_length == iavl.max_prefix_length
        and inner.hash == iavl.hash
        and len(inner.child_order) == len(iavl.child_order)
        and msgspec.structs.replace(leaf, prefix=IAVL_SPEC.leaf_spec.prefix) == IAVL_SPEC.leaf_spec
    )


def _iavl_rest(prefix: bytes, layer: int) -> int:
    """Read height, size and version, which begin an IAVL prefix; return how many bytes follow, or -1 if they are not there."""
    at = 0
    least = layer
    for _ in range(3):
        try:
            number, at = read_varint(prefix, at, len(prefix))
        except Rejected:
            return -1
        if number & 1 or number >> 1 < least:  # zigzag: odd is negative
            return -1
        least = 0
    return len(prefix) - at


def _adjacent(shape: InnerSpec, left: ExistenceProof | None, right: ExistenceProof | None) -> bool:
    """Tell whether no key lies between two leaves, or beyond the only one.

    Where their paths part the left one must come from the first child and the right one from the second; below that, the left
    path must keep to the right edge and the right path to the left edge.
    """
    before = left.path if left is not None else ()
    after = right.path if right is not None else ()
    if left is not None and right is not None:
        shared = 0
        for one, other in zip(reversed(before), reversed(after), strict=False):
            if (one.prefix, one.suffix) != (other.prefix, other.suffix):
                break
            shared += 1
        before, after = before[: len(before) - shared], after[: len(after) - shared]
        if not before or not after or not (_fits(shape, before[-1], 0) and _fits(shape, after[-1], 1)):
            return False
        before, after = before[:-1], after[:-1]
    return all(is_last(shape, step) for step in before) and all(is_first(shape, step) for step in after)


def _fits(shape: InnerSpec, step: InnerOp, child: int) -> bool:
    """Tell whether the bytes around a step's hash leave the place of the first (0) or second (1) child to it."""
    own = len(step.prefix) - child * shape.child_size
    return shape.min_prefix_length <= own <= shape.max_prefix_length and len(step.suffix) == (1 - child) * shape.child_size


def is_first(shape: InnerSpec, step: InnerOp) -> bool:
    """Tell whether no key lies left of a step: it comes from the first child, or the first child is empty."""
    return _fits(shape, step, 0) or (_fits(shape, step, 1) and step.prefix[-shape.child_size :] == shape.empty_child)


def is_last(shape: InnerSpec, step: InnerOp) -> bool:
    """Tell whether no key lies right of a step: it comes from the second child, or the second child is empty."""
    return _fits(shape, step, 1) or (_fits(shape, step, 0) and step.suffix == shape.empty_child)
