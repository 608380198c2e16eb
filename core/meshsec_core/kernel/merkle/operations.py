"""How the operations of ICS-23 proofs hash: leaves, steps, and whole paths.

Source: cosmos/ics23 proto/cosmos/ics23/v1/proofs.proto, its comments on HashOp, LengthOp, LeafOp and InnerOp.
"""

import hashlib
from collections.abc import Callable

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ics23 import HASH_NONE, ExistenceProof, InnerOp, LeafOp
from meshsec_core.kernel.wire.scalars import varint

EMPTY = "proof/empty"
WRONG_SIZE = "proof/wrong-size"
UNSUPPORTED = "proof/unsupported"


def _exactly(size: int, data: bytes) -> bytes:
    if len(data) != size:
        raise Rejected(WRONG_SIZE, bytes=len(data), wanted=size)
    return data


_HASHES: dict[int, Callable[[bytes], bytes]] = {
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
    6: lambda data: hashlib.new("sha512_256", data).digest(),
    7: lambda data: hashlib.blake2b(data).digest(),
    8: lambda data: hashlib.blake2s(data).digest(),
}
"""By HashOp; Keccak-256, RIPEMD-160, its Bitcoin variant and BLAKE3 are not offered."""

_LENGTHS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda data: data,
    1: lambda data: varint(len(data)) + data,
    3: lambda data: len(data).to_bytes(4, "big") + data,
    4: lambda data: len(data).to_bytes(4, "little") + data,
    5: lambda data: len(data).to_bytes(8, "big") + data,
    6: lambda data: len(data).to_bytes(8, "little") + data,
    7: lambda data: _exactly(32, data),
    8: lambda data: _exactly(64, data),
}
"""What a LengthOp puts in front, or demands; RLP is not offered."""


def hashed(op: int, data: bytes) -> bytes:
    """Hash with the function that a HashOp names.

    Raises:
        Rejected: UNSUPPORTED.
    """
    function = _HASHES.get(op)
    if function is None:
        raise Rejected(UNSUPPORTED, hash_op=op)
    return function(data)


def prehashed(op: int, data: bytes) -> bytes:
    """Do what `hashed` does, where no hash at all is possible too.

    Raises:
        Rejected: UNSUPPORTED.
    """
    return data if op == HASH_NONE else hashed(op, data)


def apply_leaf(leaf: LeafOp, key: bytes, value: bytes) -> bytes:
    """Return the hash of a leaf.

    Raises:
        Rejected: EMPTY for an empty key or value, WRONG_SIZE, UNSUPPORTED.
    """
    if not key or not value:
        raise Rejected(EMPTY)
    measured = _LENGTHS.get(leaf.length)
    if measured is None:
        raise Rejected(UNSUPPORTED, length_op=leaf.length)
    front = measured(prehashed(leaf.prehash_key, key))
    return hashed(leaf.hash, leaf.prefix + front + measured(prehashed(leaf.prehash_value, value)))


def apply_step(step: InnerOp, child: bytes) -> bytes:
    """Return the hash of a branch, given the hash of its child on the path.

    Raises:
        Rejected: EMPTY for an empty child, UNSUPPORTED.
    """
    if not child:
        raise Rejected(EMPTY)
    return hashed(step.hash, step.prefix + child + step.suffix)


def calculate(proof: ExistenceProof) -> bytes:
    """Return the hash that a proof leads to. It says nothing unless the proof has the form of the tree: see `ics23.check`.

    Raises:
        Rejected: as `apply_leaf` and `apply_step`.
    """
    digest = apply_leaf(proof.leaf, proof.key, proof.value)
    for step in proof.path:
        digest = apply_step(step, digest)
    return digest
