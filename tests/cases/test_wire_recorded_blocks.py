"""Blocks recorded from a real CometBFT 0.38 network: every hash is recomputed, every signature of a known key verified."""

from base64 import b64decode
from itertools import pairwise
from typing import Any

import pytest

from comet import read_block, read_block_id, read_commit, read_header
from meshsec_core.kernel.crypto import address_of, verify
from meshsec_core.kernel.wire.hashes import (
    block_id,
    commit_hash,
    consensus_hash,
    data_hash,
    evidence_hash,
    header_hash,
    merkle_root,
    part_set,
    validators_hash,
    vote_sign_bytes,
)
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT, PRECOMMIT, Block, Commit, Validator
from support import load_vectors

DEFAULT_PARAMS = consensus_hash(22_020_096, -1)


def recorded(*names: str) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """(block, its id if the recording names it) of every block in some recordings."""
    found = []
    for name in names:
        result = load_vectors("rpc_v0_38", "incoming", f"{name}.json")["result"]
        for entry in result.get("blocks", [result]):
            event = entry["data"]["value"] if "data" in entry else entry
            found.append((event["block"], event.get("block_id")))
    return found


def all_recorded() -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    streamed = [f"subscribe_newblock_{number}" for number in range(5)]
    return recorded("block_at_height_1", "block_at_height_10", "block_search", "block_search_evidence", *streamed)


def the_only_validator() -> Validator:
    member = load_vectors("rpc_v0_38", "incoming", "genesis.json")["result"]["genesis"]["validators"][0]
    key = b64decode(member["pub_key"]["value"])
    assert bytes.fromhex(member["address"]) == address_of(key)
    return Validator(address_of(key), key, int(member["power"]))


def check_commit(chain_id: str, commit: Commit, validator: Validator) -> None:
    for signature in commit.signatures:
        assert signature.flag == FLAG_COMMIT
        assert signature.address == validator.address
        said = vote_sign_bytes(chain_id, PRECOMMIT, commit.height, commit.round, commit.block_id, signature.time)
        assert verify(validator.public_key, said, signature.signature)


def test_every_recorded_block_has_the_hashes_and_the_id_it_was_recorded_with() -> None:
    seen = 0
    for said, named in all_recorded():
        block = read_block(said)
        header = block.header
        assert header.data_hash == data_hash(block.txs)
        assert header.evidence_hash == evidence_hash(block.evidence)
        assert header.last_commit_hash == commit_hash(block.last_commit)
        assert header.consensus_hash == DEFAULT_PARAMS
        if named is not None:
            assert block_id(block) == read_block_id(named)
            seen += 1
    assert seen == 53


def test_every_recorded_block_survives_its_encoding() -> None:
    for said, _ in all_recorded():
        block = read_block(said)
        assert decode(Block, encode(block)) == block


def test_the_recorded_chain_is_linked_by_ids_and_signed_by_its_validator() -> None:
    validator = the_only_validator()
    blocks = [read_block(said) for said, _ in recorded("block_at_height_1", "block_search")]
    for before, block in pairwise(blocks):
        assert block.header.last_block_id == block_id(before)
        assert block.last_commit.block_id == block_id(before)
        check_commit(block.header.chain_id, block.last_commit, validator)
        assert block.header.validators_hash == validators_hash([validator])
        assert block.header.proposer_address == validator.address
    assert len(blocks) == 46


def test_the_commit_of_height_10_signs_the_header_of_height_10() -> None:
    signed = load_vectors("rpc_v0_38", "incoming", "commit_at_height_10.json")["result"]["signed_header"]
    header, commit = read_header(signed["header"]), read_commit(signed["commit"])
    assert header_hash(header) == commit.block_id.hash
    check_commit(header.chain_id, commit, the_only_validator())


def test_a_commit_does_not_sign_another_time() -> None:
    signed = load_vectors("rpc_v0_38", "incoming", "commit_at_height_10.json")["result"]["signed_header"]
    commit = read_commit(signed["commit"])
    vote = commit.signatures[0]
    said = vote_sign_bytes("dockerchain", PRECOMMIT, commit.height, commit.round, commit.block_id, vote.time + 1)
    assert not verify(the_only_validator().public_key, said, vote.signature)


def test_encoded_blocks_have_the_recorded_sizes() -> None:
    metas = load_vectors("rpc_v0_38", "incoming", "blockchain_from_1_to_10.json")["result"]["block_metas"]
    sizes = {int(meta["header"]["height"]): int(meta["block_size"]) for meta in metas}
    for said, _ in recorded("block_at_height_1", "block_at_height_10"):
        block = read_block(said)
        assert len(encode(block)) == sizes[block.header.height]


def test_recorded_metadata_of_ten_blocks_agrees_with_their_headers() -> None:
    for meta in load_vectors("rpc_v0_38", "incoming", "blockchain_from_1_to_10.json")["result"]["block_metas"]:
        assert header_hash(read_header(meta["header"])) == read_block_id(meta["block_id"]).hash


def test_the_first_block_carries_an_empty_commit_that_is_encoded() -> None:
    [(said, _)] = recorded("block_at_height_1")
    block = read_block(said)
    assert block.last_commit == Commit()
    assert encode(block).endswith(bytes.fromhex("1200" + "1a00" + "22041a021200"))


def test_a_recorded_proof_of_a_transaction_gives_the_recorded_root() -> None:
    found = load_vectors("rpc_v0_38", "incoming", "tx_search_with_prove.json")["result"]["txs"]
    for tx in found:
        assert tx["proof"]["proof"]["total"] == "1"
        assert data_hash([b64decode(tx["tx"])]).hex().upper() == tx["proof"]["root_hash"]
    assert found


@pytest.mark.parametrize("name", ["block_at_height_1", "block_at_height_10"])
def test_the_part_set_of_a_small_block_is_one_part(name: str) -> None:
    [(said, named)] = recorded(name)
    raw = encode(read_block(said))
    header, parts = part_set(raw)
    assert parts == (raw,)
    assert header.hash == merkle_root([raw])
    assert named is not None
    assert header == read_block_id(named).parts
