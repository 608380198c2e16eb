"""CometBFT's hashes and sign-bytes.

All hashes are SHA-256; trees are RFC 6962: a leaf is H(0, leaf), a node H(1, left, right), split at the largest power of two.

Source: cometbft v0.38 crypto/merkle, types/block.go, types/canonical.go, types/part_set.go, types/params.go.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.proto import Table, encode, field
from meshsec_core.kernel.wire.scalars import (
    BYTES,
    ENUM,
    INT64,
    KEY,
    OUT_OF_RANGE,
    TEXT,
    UINT32,
    UINT64,
    sized,
    timestamp,
    varint,
)
from meshsec_core.kernel.wire.tendermint import (
    BLOCK_ID,
    PROPOSAL,
    Block,
    BlockId,
    Commit,
    DuplicateVoteEvidence,
    Evidence,
    Header,
    PartSetHeader,
    Proposal,
    Validator,
)

EMPTY_HASH: Final = sha256(b"").digest()
"""Root of a tree without leaves."""

PART_BYTES: Final = 65_536
"""Length of every part of a block but the last."""

PAIRS_REMEMBERED = 256
"""Digests of two leaves of headers: enough for every proposer of a large set in turn."""
IDS_REMEMBERED = 128
STEPS_REMEMBERED = 128
"""What the votes of one step for one block have in common."""

_VERSION: Final = Table((field(1, UINT64), field(2, UINT64)))
_RESULT: Final = Table((field(1, UINT32), field(2, BYTES), field(5, INT64), field(6, INT64)))
_PARAMS: Final = Table((field(1, INT64), field(2, INT64)))


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root of a tree over leaves in their order."""
    return _root([sha256(b"\x00" + leaf).digest() for leaf in leaves])


def _over_two(left: bytes, right: bytes) -> bytes:
    """Return the root over two leaves."""
    return sha256(b"\x01" + sha256(b"\x00" + left).digest() + sha256(b"\x00" + right).digest()).digest()


def _root(level: list[bytes]) -> bytes:
    """Return the root over digests of one level of a tree, from left to right."""
    while len(level) > 1:
        pairs = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[-1:] if len(level) & 1 else pairs
    return level[0] if level else EMPTY_HASH


def _bytes_value(value: bytes) -> bytes:
    return b"\x0a" + sized(value) if value else b""


@lru_cache(IDS_REMEMBERED)
def _spelled(block: BlockId) -> bytes:
    """Encode a block id as a header names it; whoever hosts or follows a chain hashes a header more than once."""
    return encode(block)


@lru_cache(PAIRS_REMEMBERED)
def _context(version_block: int, version_app: int, chain_id: str) -> bytes:
    """Return the root of the first two leaves of a header's tree."""
    return _over_two(_VERSION.emit((version_block, version_app)), b"\x0a" + TEXT.emit(chain_id) if chain_id else b"")


@lru_cache(PAIRS_REMEMBERED)
def _pair(left: bytes, right: bytes) -> bytes:
    """Return the root of two neighbouring leaves that are bytes; most are as in the header before."""
    return _over_two(_bytes_value(left), _bytes_value(right))


def header_hash(header: Header) -> bytes:
    """Return a header's hash, which names its block; empty if the header has no validators hash."""
    if not header.validators_hash:
        return b""
    height = b"\x08" + INT64.emit(header.height) if header.height else b""
    return _root(
        [
            _context(header.version_block, header.version_app, header.chain_id),
            _over_two(height, timestamp(header.time)),
            _over_two(_spelled(header.last_block_id), _bytes_value(header.last_commit_hash)),
            _pair(header.data_hash, header.validators_hash),
            _pair(header.next_validators_hash, header.consensus_hash),
            _pair(header.app_hash, header.last_results_hash),
            _pair(header.evidence_hash, header.proposer_address),
        ]
    )


def validators_hash(validators: Iterable[Validator]) -> bytes:
    """Return the hash of validators in their order: keys and powers, not addresses or priorities.

    Raises:
        Rejected: `wire/bad-key`, `wire/out-of-range`.
    """
    return merkle_root(
        b"\x0a\x22\x0a" + KEY.emit(validator.public_key) + (b"\x10" + INT64.emit(validator.power) if validator.power else b"")
        for validator in validators
    )


def commit_hash(commit: Commit) -> bytes:
    """Return the hash of a commit's signatures, the next header's `last_commit_hash`."""
    return merkle_root(map(encode, commit.signatures))


def data_hash(txs: Iterable[bytes]) -> bytes:
    """Return the hash of a block's transactions; the leaves are their hashes."""
    return merkle_root(sha256(tx).digest() for tx in txs)


def evidence_hash(evidence: Iterable[Evidence]) -> bytes:
    """Return the hash of a block's evidence."""
    return merkle_root(map(encode, evidence))


def evidence_id(evidence: Evidence) -> bytes:
    """Return what names one fault: of an attack only the conflicting header and the common height, not who collected what.

    The header's hash loses its last byte and gets a zero byte instead; the height is a zigzag varint. That is how the reference
    does it.
    """
    if isinstance(evidence, DuplicateVoteEvidence):
        return sha256(encode(evidence)).digest()
    name = header_hash(evidence.conflicting_block.signed_header.header)[:31].ljust(32, b"\0")
    height = evidence.common_height
    return sha256(name + varint(2 * height if height >= 0 else -2 * height - 1)).digest()


def results_hash(results: Iterable[tuple[int, bytes, int, int]]) -> bytes:
    """Return the hash of a block's results, each (code, data, gas wanted, gas used)."""
    return merkle_root(map(_RESULT.emit, results))


def consensus_hash(max_bytes: int, max_gas: int) -> bytes:
    """Return the hash of the consensus parameters; it covers only the largest block size and gas (-1: no limit)."""
    return sha256(_PARAMS.emit((max_bytes, max_gas))).digest()


def part_set(block: bytes) -> tuple[PartSetHeader, tuple[bytes, ...]]:
    """Cut an encoded block into parts and name them."""
    parts = tuple(block[at : at + PART_BYTES] for at in range(0, len(block), PART_BYTES))
    return PartSetHeader(len(parts), merkle_root(parts)), parts


def block_id(block: Block) -> BlockId:
    """Name a block."""
    parts, _ = part_set(encode(block))
    return BlockId(header_hash(block.header), parts)


def _fixed(tag: bytes, value: int) -> bytes:
    if not -(2**63) <= value < 2**63:
        raise Rejected(OUT_OF_RANGE, value=value)
    return tag + value.to_bytes(8, "little", signed=True) if value else b""


def _named(tag: bytes, block: BlockId | None) -> bytes:
    return b"" if block is None or block == BlockId() else tag + BLOCK_ID.emit(block)


def _chain(tag: bytes, chain_id: str) -> bytes:
    return tag + TEXT.emit(chain_id) if chain_id else b""


@lru_cache(STEPS_REMEMBERED)
def _around_time(chain_id: str, kind: int, height: int, round: int, block: BlockId | None) -> tuple[bytes, bytes]:  # noqa: A002
    start = b"\x08" + ENUM.emit(kind) if kind else b""
    return (
        start + _fixed(b"\x11", height) + _fixed(b"\x19", round) + _named(b"\x22", block) + b"\x2a",
        _chain(b"\x32", chain_id),
    )


def vote_sign_bytes(chain_id: str, kind: int, height: int, round: int, block: BlockId | None, time: int) -> bytes:  # noqa: A002
    """Return what a vote's signature covers. None and the zero block id are a vote for no block.

    The votes of one step differ in their time only, so the rest is kept from vote to vote.
    """
    before, after = _around_time(chain_id, kind, height, round, block)
    return sized(before + sized(timestamp(time)) + after)


def proposal_sign_bytes(chain_id: str, proposal: Proposal) -> bytes:
    """Return what a proposal's signature covers."""
    return sized(
        b"\x08"
        + ENUM.emit(PROPOSAL)
        + _fixed(b"\x11", proposal.height)
        + _fixed(b"\x19", proposal.round)
        + (b"\x20" + INT64.emit(proposal.pol_round) if proposal.pol_round else b"")
        + _named(b"\x2a", proposal.block_id)
        + b"\x32"
        + sized(timestamp(proposal.time))
        + _chain(b"\x3a", chain_id)
    )
