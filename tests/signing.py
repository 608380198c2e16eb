"""Validators with keys, and what they sign: votes, headers with commits."""

from collections.abc import Iterable

import msgspec

from meshsec_core.consensus.light import TrustedState, Untrusted
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import PrivateKey, address_of
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import header_hash, vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import (
    FLAG_COMMIT,
    FLAG_NIL,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    SignedHeader,
    Vote,
)

CHAIN = "test-1"
START = 1_700_000_000 * SECOND
NO_BLOCK = BlockId()
KEYS = sorted((PrivateKey(bytes([seed]) * 32) for seed in range(1, 9)), key=lambda key: address_of(key.public_key))
"""Eight keys by ascending address: with equal powers, their order in a set."""


def key_set(*powers: int) -> ValidatorSet:
    """A set of the first keys with these powers; 0 leaves a key out."""
    return ValidatorSet.genesis((key.public_key, power) for key, power in zip(KEYS, powers, strict=False) if power)


def key_of(address: bytes) -> PrivateKey:
    return next(key for key in KEYS if address_of(key.public_key) == address)


def named_block(name: str) -> BlockId:
    return BlockId(name.encode().ljust(32, b"."), PartSetHeader(1, name.encode().ljust(32, b"/")))


def signed_vote(validators: ValidatorSet, index: int, block_id: BlockId, chain: str = CHAIN, **changes: int) -> Vote:
    """A precommit of height 5, round 0, one second after the start; `changes` are fields of the vote."""
    address = validators.validators[index].address
    fields = {"kind": PRECOMMIT, "height": 5, "round": 0, "time": START + SECOND} | changes
    vote = Vote(block_id=block_id, address=address, index=index, **fields)
    choice = None if block_id == NO_BLOCK else block_id
    signed = vote_sign_bytes(chain, vote.kind, vote.height, vote.round, choice, vote.time)
    return msgspec.structs.replace(vote, signature=key_of(address).sign(signed))


def header_at(height: int, validators: ValidatorSet, next_validators: ValidatorSet, **changes: object) -> Header:
    """A header whose time is its height in seconds after the start."""
    plain = Header(
        version_block=11,
        version_app=1,
        chain_id=CHAIN,
        height=height,
        time=START + height * SECOND,
        last_block_id=named_block("last"),
        last_commit_hash=b"c" * 32,
        data_hash=b"d" * 32,
        validators_hash=validators.hash,
        next_validators_hash=next_validators.hash,
        consensus_hash=b"p" * 32,
        app_hash=b"a" * 32,
        last_results_hash=b"r" * 32,
        evidence_hash=b"e" * 32,
        proposer_address=validators.proposer.address,
    )
    return msgspec.structs.replace(plain, **changes)


def commit_header(header: Header, validators: ValidatorSet, signers: Iterable[int], nil: Iterable[int] = ()) -> SignedHeader:
    """Let the validators at these positions precommit a header, or nil."""
    block_id = BlockId(header_hash(header), PartSetHeader(1, b"q" * 32))
    signatures = [CommitSig()] * len(validators)
    for flag, positions, block in ((FLAG_COMMIT, signers, block_id), (FLAG_NIL, nil, NO_BLOCK)):
        for position in positions:
            time = header.time + position
            vote = signed_vote(validators, position, block, header.chain_id, height=header.height, time=time)
            signatures[position] = CommitSig(flag, vote.address, vote.time, vote.signature)
    return SignedHeader(header, Commit(header.height, 0, block_id, tuple(signatures)))


def light_block(
    height: int, validators: ValidatorSet, signers: Iterable[int], next_validators: ValidatorSet | None = None, **changes: object
) -> Untrusted:
    """A header of a height with its set, signed at these positions; `changes` are fields of the header."""
    header = header_at(height, validators, next_validators or validators, **changes)
    return Untrusted(commit_header(header, validators, signers), validators)


def trusted_at(height: int, next_validators: ValidatorSet) -> TrustedState:
    """What is kept of an honest header of a height."""
    return TrustedState(height, START + height * SECOND, next_validators.hash)
