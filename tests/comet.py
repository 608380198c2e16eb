"""Reads the JSON of CometBFT's RPC into our structs."""

from base64 import b64decode
from calendar import timegm
from datetime import datetime
from typing import Any

from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.scalars import ZERO_TIME
from meshsec_core.kernel.wire.tendermint import (
    Block,
    BlockId,
    Commit,
    CommitSig,
    DuplicateVoteEvidence,
    Header,
    PartSetHeader,
    Vote,
)


def read_time(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 time."""
    if text == "0001-01-01T00:00:00Z":
        return ZERO_TIME
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return timegm(datetime.fromisoformat(whole).timetuple()) * SECOND + int(fraction.ljust(9, "0"))


def read_block_id(said: dict[str, Any]) -> BlockId:
    parts = said.get("parts") or said["part_set_header"]
    return BlockId(bytes.fromhex(said["hash"]), PartSetHeader(int(parts["total"]), bytes.fromhex(parts["hash"])))


def read_header(said: dict[str, Any]) -> Header:
    hashes = (
        "last_commit_hash",
        "data_hash",
        "validators_hash",
        "next_validators_hash",
        "consensus_hash",
        "app_hash",
        "last_results_hash",
        "evidence_hash",
        "proposer_address",
    )
    return Header(
        int(said["version"]["block"]),
        int(said["version"].get("app", 0)),
        said["chain_id"],
        int(said["height"]),
        read_time(said["time"]),
        read_block_id(said["last_block_id"]),
        *(bytes.fromhex(said[name]) for name in hashes),
    )


def read_commit(said: dict[str, Any]) -> Commit:
    return Commit(
        int(said["height"]),
        said["round"],
        read_block_id(said["block_id"]),
        tuple(
            CommitSig(
                signature["block_id_flag"],
                bytes.fromhex(signature["validator_address"]),
                read_time(signature["timestamp"]),
                b64decode(signature["signature"] or ""),
            )
            for signature in said["signatures"]
        ),
    )


def read_vote(said: dict[str, Any]) -> Vote:
    return Vote(
        said["type"],
        int(said["height"]),
        said["round"],
        read_block_id(said["block_id"]),
        read_time(said["timestamp"]),
        bytes.fromhex(said["validator_address"]),
        said["validator_index"],
        b64decode(said["signature"]),
    )


def read_duplicate_vote(said: dict[str, Any]) -> DuplicateVoteEvidence:
    return DuplicateVoteEvidence(
        read_vote(said["vote_a"]),
        read_vote(said["vote_b"]),
        int(said["total_voting_power"]),
        int(said["validator_power"]),
        read_time(said["timestamp"]),
    )


def read_block(said: dict[str, Any]) -> Block:
    return Block(
        read_header(said["header"]),
        tuple(b64decode(tx) for tx in said["data"]["txs"]),
        tuple(read_duplicate_vote(evidence["value"]) for evidence in said["evidence"]["evidence"]),
        read_commit(said["last_commit"]),
    )
