"""What a CometBFT 0.38 node was asked and what it answered: hashes of transactions, results, parameters and headers are ours."""

from base64 import b64decode
from typing import Any

import pytest

from comet import read_block, read_header
from meshsec_core.consensus import light
from meshsec_core.consensus.light import TrustedState, Untrusted
from meshsec_core.kernel.crypto import sha256, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import block_id, consensus_hash, header_hash, results_hash
from meshsec_core.kernel.wire.tendermint import Commit, SignedHeader
from signing import key_set
from support import load_vectors, vectors

SENT = (
    "broadcast_tx_async",
    "broadcast_tx_sync",
    "broadcast_tx_commit",
    *(f"subscribe_txs_broadcast_tx_{at}" for at in range(6)),
)
WITHOUT_HASHES = {
    *("abci_info", "abci_query_with_existing_key", "abci_query_with_non_existent_key", "consensus_state", "net_info"),
    *("block_at_height_0", "subscribe_malformed", "subscribe_newblock", "subscribe_txs"),
}
"""Answers in which there is nothing to recompute."""


def answer(name: str) -> Any:
    return load_vectors("rpc_v0_38", "incoming", f"{name}.json")["result"]


def asked(name: str) -> Any:
    return load_vectors("rpc_v0_38", "outgoing", f"{name}.json")["params"]


def recorded_txs() -> list[dict[str, Any]]:
    return [tx for name in ("tx_search_no_prove", "tx_search_with_prove") for tx in answer(name)["txs"]]


def test_every_recorded_transaction_has_its_hash() -> None:
    found = recorded_txs()
    assert [tx["hash"] for tx in found if sha256(b64decode(tx["tx"])).hex().upper() != tx["hash"]] == []
    assert len(found) >= 18


@pytest.mark.parametrize("name", SENT)
def test_what_was_sent_is_what_the_node_answered_for(name: str) -> None:
    assert sha256(b64decode(asked(name)["tx"])).hex().upper() == answer(name)["hash"]


def test_a_block_is_found_under_the_hash_and_the_height_that_were_asked_for() -> None:
    by_hash = answer("block_by_hash")
    assert header_hash(read_header(by_hash["block"]["header"])) == b64decode(asked("block_by_hash")["hash"])
    assert read_header(answer("commit_at_height_10")["signed_header"]["header"]).height == int(
        asked("commit_at_height_10")["height"]
    )
    for name in ("block_by_hash", "block_at_height_1", "block_at_height_10"):
        said = answer(name)
        block = read_block(said["block"])
        assert block_id(block).hash.hex().upper() == said["block_id"]["hash"]


def test_the_results_of_a_block_without_transactions_are_in_the_next_header() -> None:
    """Blocks with transactions were recorded too, but not the headers after them."""
    after = next(entry["block"] for entry in answer("block_search")["blocks"] if entry["block"]["header"]["height"] == "11")
    assert answer("block_results_at_height_10")["txs_results"] is None
    assert read_block(after).header.last_results_hash == results_hash([])


def test_consensus_parameters_hash_to_what_headers_carry() -> None:
    header = read_block(answer("block_at_height_10")["block"]).header
    for said in (answer("consensus_params")["consensus_params"], answer("genesis")["genesis"]["consensus_params"]):
        assert consensus_hash(int(said["block"]["max_bytes"]), int(said["block"]["max_gas"])) == header.consensus_hash


def test_the_status_names_the_first_block() -> None:
    first = read_block(answer("block_at_height_1")["block"])
    assert header_hash(first.header).hex().upper() == answer("status")["sync_info"]["earliest_block_hash"]


def test_transactions_that_a_subscriber_heard_are_those_that_were_sent() -> None:
    heard = {answer(f"subscribe_txs_{at}")["data"]["value"]["TxResult"]["tx"] for at in range(5)}
    assert heard <= {asked(f"subscribe_txs_broadcast_tx_{at}")["tx"] for at in range(6)}
    assert len(heard) == 5


def test_a_header_of_the_block_protocol_before_is_read_and_not_believed() -> None:
    said = load_vectors("header", "header.json")
    header = read_header(said)
    assert (header.chain_id, header.height, header.version_block) == ("cosmoshub-1", 15, 10)
    four = key_set(1, 1, 1, 1)
    trusted = TrustedState(14, header.time - 1, header.validators_hash)
    rules = light.Rules(header.chain_id, 10**15, 10**9)
    with pytest.raises(Rejected) as refusal:
        light.verify(trusted, Untrusted(SignedHeader(header, Commit()), four), four, rules, header.time, verify)
    assert refusal.value.code == "light/malformed"


def test_every_recording_is_read_by_a_test_or_has_nothing_to_recompute() -> None:
    """The other recordings of blocks are read by `test_wire_recorded_blocks` and `test_recorded_consensus`."""
    blocks = {
        "block_search",
        "block_search_evidence",
        "blockchain_from_1_to_10",
        *(f"subscribe_newblock_{at}" for at in range(5)),
    }
    here = {*SENT, "block_by_hash", "block_at_height_1", "block_at_height_10", "block_results_at_height_10"}
    here |= {"commit_at_height_10", "consensus_params", "genesis", "status", "tx_search_no_prove", "tx_search_with_prove"}
    here |= {f"subscribe_txs_{at}" for at in range(5)}
    assert {path.stem for path in vectors("rpc_v0_38", "incoming").glob("*.json")} == blocks | here | WITHOUT_HASHES
    assert {path.stem for path in vectors("header").glob("*.json")} == {"header", "header_with_known_hash"}
