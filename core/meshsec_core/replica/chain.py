"""Blocks: how the next one is built on the tip, and what makes one acceptable."""

from dataclasses import dataclass, replace
from functools import cached_property

from meshsec_core.consensus.commits import median_time, verify_commit
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ChainId
from meshsec_core.kernel.wire.hashes import (
    commit_hash,
    consensus_hash,
    data_hash,
    evidence_hash,
    header_hash,
    part_set,
    results_hash,
)
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import (
    BLOCK_PROTOCOL,
    FLAG_ABSENT,
    Block,
    BlockId,
    Commit,
    DuplicateVoteEvidence,
    Evidence,
    Header,
    PartSetHeader,
)
from meshsec_core.runtime.genesis import Genesis
from meshsec_core.runtime.module import Block as AppBlock
from meshsec_core.runtime.module import Misbehaviour, VoteSeen

BAD_BLOCK = "consensus/bad-block"

APP_VERSION = 1
MAX_BLOCK_BYTES = 22_020_096
"""CometBFT's default; covered by the consensus hash."""
MAX_GAS = -1
CONSENSUS_HASH = consensus_hash(MAX_BLOCK_BYTES, MAX_GAS)

NO_BLOCK = BlockId(b"", PartSetHeader(0, b""))
NO_COMMIT = Commit(0, 0, NO_BLOCK, ())

MILLISECOND = SECOND // 1_000
"""Least distance between a block's time and a vote for it; exact, no rounding."""


@dataclass(frozen=True)
class Tip:
    """What consensus knows behind the last block. `commit` is the one seen for that block."""

    chain_id: ChainId
    height: int
    time: int
    block_id: BlockId
    commit: Commit
    last_validators: ValidatorSet
    """Who voted on the last block."""
    validators: ValidatorSet
    """Who votes on the next one."""
    next_validators: ValidatorSet
    """Who votes on the one after that."""
    app_hash: bytes
    results_hash: bytes

    @cached_property
    def commit_hash(self) -> bytes:
        """Root over the commit, as the next header carries it."""
        return commit_hash(self.commit)

    @cached_property
    def next_time(self) -> int:
        """Time of the next block: the weighted median of the last commit, or this tip's own before the first block."""
        return self.time if self.height == 0 else median_time(self.commit, self.last_validators)


def genesis_tip(genesis: Genesis, powers: tuple[tuple[bytes, int], ...], app_hash: bytes) -> Tip:
    """Return the tip before the first block."""
    first = ValidatorSet.genesis(powers)
    return Tip(
        genesis.chain_id, 0, genesis.time, NO_BLOCK, NO_COMMIT, first, first, first.next_set(()), app_hash, results_hash([])
    )


def advance(
    tip: Tip, block: Block, identity: BlockId, commit: Commit, powers: tuple[tuple[bytes, int], ...], hashes: tuple[bytes, bytes]
) -> Tip:
    """Return the tip behind a committed block.

    Args:
        powers: what the application wants from two heights on.
        hashes: of the application and of the results.
    """
    current = {validator.public_key: validator.power for validator in tip.next_validators.validators}
    wanted = dict(powers)
    updates = [(key, power) for key, power in wanted.items() if current.get(key) != power]
    updates += [(key, 0) for key in current if key not in wanted]
    return Tip(
        tip.chain_id,
        block.header.height,
        block.header.time,
        identity,
        commit,
        tip.validators,
        tip.next_validators,
        tip.next_validators.next_set(tuple(updates)),
        *hashes,
    )


def build_block(tip: Tip, txs: tuple[bytes, ...], evidence: tuple[Evidence, ...], proposer: bytes) -> Block:
    """Build the next block on the tip."""
    header = Header(
        version_block=BLOCK_PROTOCOL,
        version_app=APP_VERSION,
        chain_id=tip.chain_id,
        height=tip.height + 1,
        time=tip.next_time,
        last_block_id=tip.block_id,
        last_commit_hash=tip.commit_hash,
        data_hash=data_hash(txs),
        validators_hash=tip.validators.hash,
        next_validators_hash=tip.next_validators.hash,
        consensus_hash=CONSENSUS_HASH,
        app_hash=tip.app_hash,
        last_results_hash=tip.results_hash,
        evidence_hash=evidence_hash(evidence),
        proposer_address=proposer,
    )
    return Block(header, txs, evidence, tip.commit)


def check_block(tip: Tip, block: Block, verify: Verify) -> None:
    """Check everything about a proposed block that does not need the application or the evidence pool.

    Raises:
        Rejected: `consensus/bad-block` with the field that does not fit the tip; whatever the last commit's check refuses.
    """
    resting = tip if block.last_commit == tip.commit else replace(tip, commit=block.last_commit)
    expected = build_block(resting, block.txs, block.evidence, block.header.proposer_address)
    for field in Header.__struct_fields__:
        if getattr(expected.header, field) != getattr(block.header, field):
            raise Rejected(BAD_BLOCK, field=field, height=block.header.height)
    if tip.validators.index_of(block.header.proposer_address) is None:
        raise Rejected(BAD_BLOCK, field="proposer_address", height=block.header.height)
    if tip.height == 0:
        if block.last_commit != NO_COMMIT:
            raise Rejected(BAD_BLOCK, field="last_commit", height=block.header.height)
    elif block.last_commit != tip.commit:
        verify_commit(tip.chain_id, tip.last_validators, tip.block_id, tip.height, block.last_commit, verify)
    if tip.height and block.header.time <= tip.time:
        raise Rejected(BAD_BLOCK, field="time", height=block.header.height)


def as_seen_by_app(tip: Tip, block: Block, identity: BlockId) -> AppBlock:
    """Translate a block for the application: who signed the last commit, and who is guilty of what."""
    last = tip.last_validators.roster
    signatures = block.last_commit.signatures
    votes = (
        tuple(
            VoteSeen(address, power, signature.flag != FLAG_ABSENT)
            for address, power, signature in zip(last.addresses, last.powers, signatures, strict=True)
        )
        if tip.height
        else ()
    )
    guilty = tuple(fault for item in block.evidence for fault in _faults(item))
    header = block.header
    return AppBlock(tip.chain_id, header.height, header.time, header.proposer_address, votes, guilty, identity.hash)


def _faults(item: Evidence) -> tuple[Misbehaviour, ...]:
    """Return who is guilty by a piece of evidence: one by a double vote, several or nobody by an attack on light clients."""
    if isinstance(item, DuplicateVoteEvidence):
        vote = item.vote_a
        return (Misbehaviour("duplicate-vote", vote.address, vote.height, item.time, item.validator_power, item.total_power),)
    return tuple(
        Misbehaviour("light-client-attack", member.address, item.common_height, item.time, member.power, item.total_power)
        for member in item.byzantine_validators
    )


def seal(block: Block) -> tuple[BlockId, bytes]:
    """Return a block's id (header hash and part-set header) and its bytes."""
    raw = encode(block)
    return BlockId(header_hash(block.header), part_set(raw)[0]), raw
