"""CometBFT 0.38's blocks, votes, validator sets and evidence: structs with their protobuf tables (package `tendermint.types`).

Times are nanoseconds since the epoch; `ZERO_TIME` stands for no time.

Source: cometbft v0.38 proto/tendermint/types, proto/tendermint/version, proto/tendermint/crypto.
"""

from typing import ClassVar, Final

from meshsec_core.kernel.wire.proto import Fields, Message, OneOf, constant, field, group, message, optional, repeated, usual
from meshsec_core.kernel.wire.scalars import (
    BYTES,
    ENUM,
    INT32,
    INT64,
    KEY,
    TEXT,
    TIME,
    UINT32,
    UINT64,
    ZERO_TIME,
    sized,
    timestamp,
)

BLOCK_PROTOCOL = 11
"""Version of the block structure that every Go light client asks for."""

FLAG_ABSENT = 1
FLAG_COMMIT = 2
FLAG_NIL = 3

PREVOTE = 1
PRECOMMIT = 2
PROPOSAL = 32


class PartSetHeader(Message, frozen=True):
    """Names a block's bytes cut into parts."""

    total: int = 0
    hash: bytes = b""
    """Merkle root of the parts."""

    proto: ClassVar[Fields] = (field(1, UINT32), field(2, BYTES))


_NAMED: Final = b"\x48\x0a\x20"
_CUT_ONCE: Final = b"\x12\x24\x08\x01\x12\x20"


class BlockId(Message, frozen=True):
    """Names a block: the hash of its header and its part set. The zero value stands for no block (nil)."""

    hash: bytes = b""
    parts: PartSetHeader = PartSetHeader()

    proto: ClassVar[Fields] = (field(1, BYTES), field(2, message(PartSetHeader)))


def _spell_id(block: BlockId) -> bytes | None:
    parts = block.parts
    if len(block.hash) == 32 and parts.total == 1 and len(parts.hash) == 32:
        return _NAMED + block.hash + _CUT_ONCE + parts.hash
    return None


def _see_id(raw: bytes, at: int, end: int) -> tuple[BlockId, int] | None:
    stop = at + 73
    if stop <= end and raw.startswith(_NAMED, at) and raw.startswith(_CUT_ONCE, at + 35):
        return BlockId(raw[at + 3 : at + 35], PartSetHeader(1, raw[at + 41 : stop])), stop
    return None


BLOCK_ID = usual(BlockId, _spell_id, _see_id)
"""A `BlockId`, mostly of a block of one part."""


class Header(Message, frozen=True):
    """A block's header: its context, and the roots of everything it rests on."""

    version_block: int
    version_app: int
    chain_id: str
    height: int
    time: int
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    """Root of the state after the block before this one."""
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes

    proto: ClassVar[Fields] = (
        group(1, field(1, UINT64), field(2, UINT64)),
        field(2, TEXT),
        field(3, INT64),
        field(4, TIME),
        field(5, BLOCK_ID),
        *(field(number, BYTES) for number in range(6, 15)),
    )


class CommitSig(Message, frozen=True):
    """One validator's part in a commit; its position in the commit is the validator's in the set."""

    flag: int = FLAG_ABSENT
    address: bytes = b""
    time: int = ZERO_TIME
    signature: bytes = b""

    proto: ClassVar[Fields] = (field(1, ENUM), field(2, BYTES), field(3, TIME), field(4, BYTES))


_SIGNED: Final = b"\x08\x02\x12\x14"
"""The flag for the block, and the tag and length of an address."""


def _spell_signature(part: CommitSig) -> bytes | None:
    if part.flag == FLAG_COMMIT and len(part.address) == 20 and len(part.signature) == 64:
        return sized(_SIGNED + part.address + b"\x1a" + sized(timestamp(part.time)) + b"\x22\x40" + part.signature)
    return None


def _see_signature(raw: bytes, at: int, end: int) -> tuple[CommitSig, int] | None:
    if not (at < end and 96 < (size := raw[at]) < 128 and (stop := at + 1 + size) <= end):
        return None
    if not (raw.startswith(_SIGNED, at + 1) and raw[at + 25] == 0x1A):
        return None
    time, rest = TIME.read(raw, at + 26, stop)
    if not (rest + 66 == stop and raw.startswith(b"\x22\x40", rest)):
        return None
    return CommitSig(FLAG_COMMIT, raw[at + 5 : at + 25], time, raw[rest + 2 : stop]), stop


SIGNATURE = usual(CommitSig, _spell_signature, _see_signature)
"""A `CommitSig`, mostly for the block, with an address of 20 bytes and a signature of 64."""


class Commit(Message, frozen=True):
    """The precommits that decided a block. The zero value precedes the first block."""

    height: int = 0
    round: int = 0
    block_id: BlockId = BlockId()
    signatures: tuple[CommitSig, ...] = ()

    proto: ClassVar[Fields] = (
        field(1, INT64),
        field(2, INT32),
        field(3, BLOCK_ID),
        repeated(4, SIGNATURE),
    )


class SignedHeader(Message, frozen=True):
    """A header and the commit that decided it."""

    header: Header
    commit: Commit

    proto: ClassVar[Fields] = (field(1, message(Header)), field(2, message(Commit)))


class Validator(Message, frozen=True):
    """A member of a validator set."""

    address: bytes
    """First 20 bytes of the public key's SHA-256."""
    public_key: bytes
    """Ed25519, 32 bytes."""
    power: int
    priority: int = 0
    """Proposer priority; not covered by the set's hash."""

    proto: ClassVar[Fields] = (field(1, BYTES), group(2, field(1, KEY)), field(3, INT64), field(4, INT64))


class ValidatorSet(Message, frozen=True):
    """A validator set as it travels; `meshsec_core.consensus.validators` is what computes with one."""

    validators: tuple[Validator, ...]
    proposer: Validator | None = None
    total_power: int = 0

    proto: ClassVar[Fields] = (repeated(1, message(Validator)), optional(2, message(Validator)), field(3, INT64))


class LightBlock(Message, frozen=True):
    """All that a light client needs of one height."""

    signed_header: SignedHeader
    validators: ValidatorSet

    proto: ClassVar[Fields] = (field(1, message(SignedHeader)), field(2, message(ValidatorSet)))


class Vote(Message, frozen=True):
    """A prevote or precommit of one validator."""

    kind: int
    """PREVOTE or PRECOMMIT."""
    height: int
    round: int
    block_id: BlockId
    time: int
    address: bytes
    index: int
    """Position in the validator set."""
    signature: bytes = b""

    proto: ClassVar[Fields] = (
        field(1, ENUM),
        field(2, INT64),
        field(3, INT32),
        field(4, BLOCK_ID),
        field(5, TIME),
        field(6, BYTES),
        field(7, INT32),
        field(8, BYTES),
    )


class Proposal(Message, frozen=True):
    """A proposer's signed word for a block in one round."""

    height: int
    round: int
    pol_round: int
    """Round in which more than 2/3 prevoted for this block, or -1."""
    block_id: BlockId
    time: int
    signature: bytes = b""

    proto: ClassVar[Fields] = (
        constant(1, ENUM, PROPOSAL),
        field(2, INT64),
        field(3, INT32),
        field(4, INT32),
        field(5, BLOCK_ID),
        field(6, TIME),
        field(7, BYTES),
    )


class DuplicateVoteEvidence(Message, frozen=True, tag="duplicate-vote", tag_field="type"):
    """Two votes of one validator in one step for different blocks, the lesser block id first."""

    vote_a: Vote
    vote_b: Vote
    total_power: int
    validator_power: int
    time: int
    """Header time of the height of the votes."""

    proto: ClassVar[Fields] = (
        field(1, message(Vote)),
        field(2, message(Vote)),
        field(3, INT64),
        field(4, INT64),
        field(5, TIME),
    )


class LightClientAttackEvidence(Message, frozen=True, tag="light-client-attack", tag_field="type"):
    """A light block that conflicts with the chain, signed by enough validators to fool a light client."""

    conflicting_block: LightBlock
    common_height: int
    """The last height at which both chains agree."""
    byzantine_validators: tuple[Validator, ...]
    total_power: int
    time: int

    proto: ClassVar[Fields] = (
        field(1, message(LightBlock)),
        field(2, INT64),
        repeated(3, message(Validator)),
        field(4, INT64),
        field(5, TIME),
    )


Evidence = DuplicateVoteEvidence | LightClientAttackEvidence

EVIDENCE = OneOf((1, DuplicateVoteEvidence), (2, LightClientAttackEvidence))


class Block(Message, frozen=True):
    """A whole block."""

    header: Header
    txs: tuple[bytes, ...]
    evidence: tuple[Evidence, ...]
    last_commit: Commit

    proto: ClassVar[Fields] = (
        field(1, message(Header)),
        group(2, repeated(1, BYTES)),
        group(3, repeated(1, EVIDENCE.kind)),
        field(4, message(Commit)),
    )


def encode_evidence(evidence: Evidence) -> bytes:
    """Encode with the wrapper that says which kind of evidence it is. Hashes cover it without the wrapper."""
    return EVIDENCE.encode(evidence)


def decode_evidence(raw: bytes) -> Evidence:
    """Decode what `encode_evidence` gives.

    Raises:
        Rejected: a `wire/…` code.
    """
    evidence: Evidence = EVIDENCE.decode(raw)
    return evidence
