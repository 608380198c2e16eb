"""A chain as a real process: what it serves over sockets, what it refuses, and what survives its death."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from meshsec_core.consensus.commits import verify_commit
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel import codec, crypto
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle import ics23
from meshsec_core.kernel.types import ChainId, Denom
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import SignedHeader
from meshsec_core.kernel.wire.tendermint import ValidatorSet as WireValidatorSet
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.tx import make_tx
from meshsec_node.main import main
from meshsec_sdk import names
from meshsec_sdk.client import Client
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.wallet import Wallet
from node_process import NodeProcess

OSMOSIS = names.chain_name("osmosis")
BOB = names.address("bob", OSMOSIS)
COIN = Denom("uosmo")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("shared")) as node:
        yield node


@pytest.fixture
def client(shared: NodeProcess) -> Iterator[Client]:
    with shared.client() as opened:
        yield opened


def give(amount: int = 5) -> Send:
    return Send(to=BOB, denom=COIN, amount=amount)


def transfers(user: str, first: int, count: int) -> list[bytes]:
    key = names.development_key(f"user/{user}")
    return [make_tx(key, "osmo", ChainId("osmosis-1"), first + number, (give(1),)) for number in range(count)]


def test_a_user_of_curl_alone_moves_coins_and_sees_them(client: Client) -> None:
    before = client.balance("bob")
    order = {"from": "alice", "msgs": [{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": 7}]}
    receipt = client.post("/v1/dev/send", order)
    assert (receipt["code"], receipt["msgs"], receipt["signer"]) == ("", ["bank/Send"], names.address("alice", OSMOSIS))
    assert client.balance("bob") == before + 7
    assert client.get(f"/v1/txs/{receipt['hash']}") == receipt
    block = client.block(receipt["height"])
    assert [tx["hash"] for tx in block["txs"]] == [receipt["hash"]]
    assert {"type": "bank/transfer", "tx": receipt["hash"]}.items() <= next(
        event for event in block["events"] if event["tx"]
    ).items()


def test_an_order_that_names_its_sequence_may_be_sent_again_and_moves_coins_once(client: Client) -> None:
    before = client.balance("bob")
    msg = {"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "9"}
    order = {"from": "alice", "msgs": [msg], "sequence": client.account("alice").next_sequence}
    assert client.post("/v1/dev/send", order) == client.post("/v1/dev/send", order)
    assert client.balance("bob") == before + 9


def test_a_wallet_signs_by_itself_and_mends_a_sequence_that_somebody_else_used(client: Client) -> None:
    wallet = Wallet.named(client, "carol")
    first = wallet.send(give())
    client.send_as("carol", give())
    second = wallet.send(give())
    assert (first.code, second.code) == ("", "")
    assert client.account("carol").sequence == 3


def test_a_message_without_effect_is_answered_with_its_code_and_costs_its_sequence(client: Client) -> None:
    before = client.account("dave")
    with pytest.raises(TxRejected) as refusal:
        client.send_as("dave", give(10**15))
    assert refusal.value.code == "bank/insufficient-funds"
    after = client.account("dave")
    assert (after.sequence, after.balances) == (before.sequence + 1, before.balances)


@pytest.mark.parametrize("path", [f"bank/balances/{BOB}/uosmo", "bank/balances/nobody"])
def test_a_stranger_verifies_a_value_or_its_absence_with_the_validators_signatures_alone(client: Client, path: str) -> None:
    proven = client.state(path, prove=True)
    header = decode(SignedHeader, codec.convert(client.get(f"/v1/commits/{proven.proof_height}")["proto"], bytes))
    voted = client.get("/v1/validators", height=proven.proof_height)
    validators = ValidatorSet.from_wire(decode(WireValidatorSet, codec.convert(voted["proto"], bytes)))
    assert header.header.validators_hash == validators.hash
    verify_commit("osmosis-1", validators, header.commit.block_id, proven.proof_height, header.commit, verify=crypto.verify)
    assert proven.proof is not None
    if proven.value is None:
        ics23.verify_absence(header.header.app_hash, "bank", path.removeprefix("bank/").encode(), proven.proof)
    else:
        key = path.removeprefix("bank/").encode()
        ics23.verify_value(header.header.app_hash, "bank", key, proven.value, proven.proof)
        with pytest.raises(Rejected):
            ics23.verify_value(header.header.app_hash, "bank", key, b'"1"', proven.proof)


def test_a_simulation_says_what_would_happen_and_changes_nothing(client: Client) -> None:
    before = client.account("erin")
    order = {"from": "erin", "msgs": [{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "1"}]}
    assert client.post("/v1/simulate", order)["code"] == ""
    order["msgs"] = [{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "1000000000000000"}]
    assert client.post("/v1/simulate", order)["code"] == "bank/insufficient-funds"
    assert client.account("erin") == before


def test_any_spelling_of_a_signed_transaction_is_taken_as_the_canonical_one(client: Client) -> None:
    sequence = client.account("erin").next_sequence
    raw = transfers("erin", sequence, 1)[0]
    spelled = json.dumps(dict(reversed(json.loads(raw).items())), indent=2).replace('"amount": "1"', '"amount": 1')
    assert client.submit(spelled.encode()) == crypto.sha256(raw).hex()


def test_a_batch_is_taken_in_order_and_its_bad_ones_are_named(client: Client) -> None:
    sequence = client.account("bob").next_sequence
    good = transfers("bob", sequence, 150)
    forged = good[70].replace(b'"signature":"', b'"signature":"AAAA', 1)[:-1] + b"}"
    answer = client.submit_batch([*good[:70], forged, b'{"no":"transaction"}', *good[70:]])
    assert answer.accepted == tuple(crypto.sha256(raw).hex() for raw in good)
    assert [int(item["index"]) for item in answer.refused] == [70, 71]
    last = client.include(transfers("bob", sequence + 150, 1)[0])
    assert (last.code, client.account("bob").sequence) == ("", sequence + 151)
    assert all((found := client.receipt(tx_hash)) is not None and found.code == "" for tx_hash in answer.accepted)


def test_events_come_in_order_and_go_on_behind_any_id(client: Client) -> None:
    client.send_as("alice", give())
    client.mine(12)
    latest = client.status().height
    seen = list(islice(client.events(since=0), 12))
    heights = [int(data["height"]) for _, _, data in seen]
    assert heights == sorted(heights)
    assert [data["height"] for _, kind, data in seen if kind == "block"] == [str(h) for h in range(1, heights[-1] + 1)]
    assert heights[-1] <= latest
    again = list(islice(client.events(since=seen[4][0]), 7))
    assert again == seen[5:12]


def test_a_reader_of_one_type_of_event_hears_of_nothing_else(client: Client) -> None:
    client.send_as("alice", give())
    client.mine(3)
    blocks = [event for event in islice(client.events(since=0), 40) if event[1] == "block"]
    with httpx.stream("GET", f"{client.transport.url}/v1/events?since=0&only=block") as answer:
        told = [line for line in islice(answer.iter_lines(), 4 * len(blocks)) if line.startswith(("id", "event"))]
    assert told == [line for name, kind, _ in blocks for line in (f"id: {name}", f"event: {kind}")][: len(told)]
    assert len(told) > 3


SIGNED = transfers("alice", 0, 1)[0]
MSG = {"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "1"}
NOBODY = "osmo1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqmnkpq"


def order(**changes: object) -> bytes:
    return json.dumps({"from": "alice", "msgs": [MSG | changes]}).encode()


BAD_INPUT: dict[str, tuple[str, bytes | None, int, str]] = {
    "an unknown path": ("/v1/nothing", None, 404, "http/not-found"),
    "a path outside the interface": ("/wp-login.php", None, 404, "http/not-found"),
    "a method that is not served": ("/v1/status", b"{}", 405, "http/method-not-allowed"),
    "a body that is not JSON": ("/v1/txs", b"{", 400, "codec/malformed"),
    "no body": ("/v1/txs", b"", 400, "codec/malformed"),
    "bytes that are not UTF-8": ("/v1/txs", b'{"memo":"\xff"}', 400, "codec/malformed"),
    "nesting without end": ("/v1/txs", b"[" * 60_000, 400, "codec/malformed"),
    "a list instead of a transaction": ("/v1/txs", b"[]", 400, "codec/malformed"),
    "a transaction with an unknown field": ("/v1/txs", SIGNED.replace(b'"fee"', b'"gas":"1","fee"'), 400, "codec/malformed"),
    "a transaction without a field": ("/v1/txs", SIGNED.replace(b'"fee":"0",', b""), 400, "codec/malformed"),
    "a key twice": ("/v1/txs", SIGNED.replace(b'"fee":"0",', b'"fee":"0","fee":"0",'), 400, "http/malformed-body"),
    "a number that is not whole": ("/v1/txs", SIGNED.replace(b'"fee":"0"', b'"fee":0.5'), 400, "codec/malformed"),
    "a changed amount under an old signature": (
        "/v1/txs",
        SIGNED.replace(b'"amount":"1"', b'"amount":"2"'),
        422,
        "auth/bad-signature",
    ),
    "a transaction for another chain": (
        "/v1/txs",
        make_tx(names.development_key("user/alice"), "osmo", ChainId("juno-1"), 0, (give(),)),
        422,
        "auth/wrong-chain",
    ),
    "a sequence from the future": ("/v1/txs", transfers("alice", 99, 1)[0], 422, "auth/wrong-sequence"),
    "an unknown message": ("/v1/dev/send", order(**{"@type": "bank/Steal"}), 422, "tx/unknown-message"),
    "a message without a type": ("/v1/dev/send", b'{"from":"alice","msgs":[{}]}', 422, "tx/unknown-message"),
    "a message with an unknown field": ("/v1/dev/send", order(colour="red"), 400, "codec/malformed"),
    "no messages": ("/v1/dev/send", b'{"from":"alice","msgs":[]}', 422, "auth/no-messages"),
    "a sender that nobody knows": ("/v1/dev/send", b'{"from":"mallory","msgs":[]}', 422, "names/unknown"),
    "an amount that is a word": ("/v1/dev/send", order(amount="many"), 400, "codec/malformed"),
    "an order with a float": ("/v1/dev/send", order(amount=1.5), 400, "http/malformed-body"),
    "a hash that is none": ("/v1/txs/xyz", None, 400, "http/bad-parameter"),
    "a transaction that is not there": (f"/v1/txs/{'0' * 64}", None, 404, "tx/not-found"),
    "a block that is not there": ("/v1/blocks/999999", None, 404, "block/not-found"),
    "a height that is none": ("/v1/blocks/-1", None, 400, "http/bad-parameter"),
    "a height beyond 64 bits": ("/v1/commits/99999999999999999999", None, 400, "http/bad-parameter"),
    "a validator set of the future": ("/v1/validators?height=999999", None, 404, "validators/not-found"),
    "an unknown parameter": ("/v1/validators?heigth=1", None, 400, "http/unknown-parameter"),
    "a state of the future": ("/v1/state/bank/_?height=999999", None, 404, "state/future-height"),
    "a proof from a store that is not there": ("/v1/state/nowhere/x?prove=true", None, 404, "state/unknown-store"),
    "a list of values of the future": ("/v1/state", b'{"paths":["bank/_"],"height":"999999"}', 404, "state/future-height"),
    "a list of values from a store that is not there": ("/v1/state", b'{"paths":["nowhere/x"]}', 404, "state/unknown-store"),
    "a list of values that is none": ("/v1/state", b'{"paths":"bank/_"}', 400, "codec/malformed"),
    "a list of values without end": ("/v1/state", b'{"paths":[' + b'"bank/_",' * 1_000 + b'"x"]}', 400, "http/bad-parameter"),
    "a page without end": ("/v1/state?limit=100000", None, 400, "http/bad-parameter"),
    "an unknown query": ("/v1/query/bank/secrets", None, 404, "query/unknown"),
    "a query without its parameter": ("/v1/query/bank/supply", None, 400, "http/missing-parameter"),
    "a query with another's parameter": ("/v1/query/bank/supply?denom=uosmo&x=1", None, 400, "http/unknown-parameter"),
    "an event id that is none": ("/v1/events?since=yesterday", None, 400, "http/bad-parameter"),
    "a fault that nobody knows": ("/v1/dev/fault", b'{"kind":"sneeze","validator":"val-0"}', 422, "dev/unknown-fault"),
    "a fault of nobody": ("/v1/dev/fault", b'{"kind":"down","validator":"val-9"}', 422, "dev/unknown-validator"),
    "a fault without what it needs": ("/v1/dev/fault", b'{"kind":"slow","validator":"val-0"}', 422, "dev/bad-fault"),
    "a fault with a delay that is none": (
        "/v1/dev/fault",
        b'{"kind":"slow","validator":"val-0","delay":"soon"}',
        422,
        "dev/bad-fault",
    ),
    "a partition with somebody twice": (
        "/v1/dev/partition",
        b'{"groups":[["val-0"],["val-1","val-0"]]}',
        422,
        "dev/bad-partition",
    ),
    "a partition of nobody known": ("/v1/dev/partition", b'{"groups":[["val-9"]]}', 422, "dev/unknown-validator"),
    "a partition that is none": ("/v1/dev/partition", b'{"groups":"val-0|val-1"}', 400, "codec/malformed"),
    "a clock that goes back": ("/v1/dev/clock", b'{"offset":"-9000000000000000000"}', 400, "http/bad-parameter"),
    "a duration that is none": ("/v1/dev/clock", b'{"advance":"soon"}', 400, "http/bad-parameter"),
    "no blocks to make": ("/v1/dev/mine", b'{"blocks":"0"}', 400, "http/bad-parameter"),
    "an unknown block mode": ("/v1/dev/block-mode", b'{"mode":"never"}', 400, "codec/malformed"),
    "a batch that is none": ("/v1/txs/batch", b'{"txs":{}}', 400, "http/malformed-body"),
    "an integer beyond any amount": ("/v1/dev/send", order(amount="9" * 400), 400, "codec/malformed"),
    "a parameter that an order does not take": ("/v1/dev/mine?blocks=3", b"{}", 400, "http/unknown-parameter"),
    "a parameter that events do not take": ("/v1/events?from=1", None, 400, "http/unknown-parameter"),
    "a duration of thousands of digits": ("/v1/dev/clock", b'{"advance":"' + b"9" * 5_000 + b'd"}', 400, "http/bad-parameter"),
    "a fault on another chain": ("/v1/dev/fault", b'{"kind":"down","validator":"juno/val-0"}', 422, "dev/unknown-validator"),
    "a store that is not there": ("/v1/state/nowhere/x", None, 404, "state/unknown-store"),
    "a method that a path does not take": ("/v1/status", b"{}", 405, "http/method-not-allowed"),
    "a path that leads nowhere": ("/v1/nowhere", None, 404, "http/not-found"),
    "a body above the limit": ("/v1/txs", b" " * 70_000, 413, "http/body-too-large"),
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("idle"), block_mode="manual", body_limit=65_536) as node:
        with node.client() as client:
            client.mine(3)
        yield node


@pytest.mark.parametrize(("path", "body", "status", "code"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_has_a_stable_code_and_changes_nothing(
    idle: NodeProcess, path: str, body: bytes | None, status: int, code: str
) -> None:
    with idle.client() as client:
        before = client.get("/v1/status"), client.account("alice")
        found, answer = client.transport.get(path) if body is None else client.transport.post(path, body)
        assert (found, answer["code"], sorted(answer)) == (status, code, ["code", "facts", "message"])
        assert (client.get("/v1/status"), client.account("alice")) == before


def test_a_body_that_grows_above_the_limit_is_cut_off_whatever_was_announced(idle: NodeProcess) -> None:
    pieces = (b" " * 10_000 for _ in range(10))
    answer = httpx.post(f"{idle.url}/v1/txs", content=pieces)
    assert (answer.status_code, answer.json()["code"]) == (413, "http/body-too-large")


def test_a_body_that_is_announced_above_the_limit_is_refused_before_it_is_read(idle: NodeProcess) -> None:
    host, _, port = idle.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(b"POST /v1/txs HTTP/1.1\r\nhost: chain\r\ncontent-length: 1000000\r\n\r\n")
        assert line.recv(12) == b"HTTP/1.1 413"


def test_what_is_no_http_is_refused_in_the_one_shape(idle: NodeProcess) -> None:
    host, _, port = idle.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        head, _, body = b"".join(iter(lambda: line.recv(4_096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "http/malformed"


def test_the_head_of_an_endless_stream_does_not_hold_its_connection(idle: NodeProcess) -> None:
    with httpx.Client(base_url=idle.url, limits=httpx.Limits(max_connections=1)) as client:
        assert client.head("/v1/events").headers["content-type"].startswith("text/event-stream")
        assert client.get("/healthz").json() == {"alive": True}


def test_a_chain_that_is_not_for_development_takes_no_orders(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, development=False) as node, node.client() as client:
        for path in ("send", "mine", "clock", "block-mode", "fault", "partition", "heal"):
            status, answer = client.transport.post(f"/v1/dev/{path}", {})
            assert (status, answer["code"]) == (403, "dev/forbidden")
        assert client.include(transfers("alice", 0, 1)[0]).code == ""


def test_a_chain_without_a_quorum_says_so_and_goes_on_when_healed(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, node.client() as client:
        client.mine(1)
        assert client.get("/readyz") == {"ready": True, "reasons": []}
        client.fault("down", "val-0")
        client.fault("down", "osmosis/val-1")
        status, answer = client.transport.get("/readyz")
        assert (status, answer["ready"], len(answer["reasons"])) == (503, False, 1)
        height = client.status().height
        client.submit(transfers("alice", 0, 1)[0])
        client.heal()
        assert client.include(transfers("alice", 1, 1)[0]).height > height


def test_a_chain_that_is_cut_in_two_says_who_is_away_and_goes_on_when_healed(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, node.client() as client:
        client.mine(1)
        client.fault("slow", "val-3", delay="20ms")
        client.mine(3)
        client.partition(["val-0", "osmosis/val-1"], ["val-2", "val-3"])
        status, answer = client.transport.get("/readyz")
        assert (status, answer["ready"]) == (503, False)
        assert answer["reasons"][0] == (
            "only 2000000000 of 4000000000 power can vote together, more than two thirds are needed; "
            "cut off: val-2 (1000000000), val-3 (1000000000)"
        )
        height = client.status().height
        client.submit(transfers("alice", 0, 1)[0])
        client.heal()
        assert client.include(transfers("alice", 1, 1)[0]).height > height
        assert client.get("/readyz") == {"ready": True, "reasons": []}


def test_a_kill_heals_what_was_broken_and_nobody_is_punished_for_what_was_signed_before(tmp_path: Path) -> None:
    """Given a height stands still because its validators are cut in two
    When the process is killed and started again
    Then everybody hears everybody, the height is decided, and no validator is accused
    """
    with NodeProcess(tmp_path) as node:
        with node.client() as client:
            client.mine(2)
            client.partition(["val-0", "val-1"])
            client.submit(transfers("alice", 0, 1)[0])
            assert client.transport.get("/readyz")[0] == 503
        node.kill()
        node.start()
        with node.client() as client:
            client.mine(3)
            assert client.get("/readyz") == {"ready": True, "reasons": []}
            assert [item["tombstoned"] for item in client.query("staking/validators")] == [False] * 4


def test_a_validator_that_double_signs_is_jailed_and_slashed(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, node.client() as client:
        client.mine(2)
        client.fault("double-sign", "val-1")
        client.mine(5)
        guilty = next(item for item in client.query("staking/validators") if item["name"] == "val-1")
        assert (guilty["tombstoned"], guilty["jailed"], guilty["tokens"]) == (True, True, "950000000")
        assert sorted(item.name for item in client.validators()) == ["val-0", "val-2", "val-3"]


def test_the_clock_moves_every_timer_and_the_next_headers(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, block_mode="manual") as node, node.client() as client:
        client.mine(2)
        before = client.status()
        answer = client.post("/v1/dev/clock", {"advance": "21d"})
        after = client.status()
        assert (after.height, int(answer["height"])) == (before.height + 2, before.height + 2)
        assert 21 * 86_400 * 10**9 <= after.time - before.time < 21 * 86_400 * 10**9 + 60 * 10**9
        node.kill()
        node.start()
        with node.client() as again:
            assert again.get("/v1/dev/clock")["offset"] == answer["offset"]


def test_after_a_kill_at_any_moment_no_committed_transaction_is_lost_and_the_state_is_the_same(tmp_path: Path) -> None:
    """Given a chain under load is killed twice
    When it comes back
    Then it stands at or above the height that was seen, with the same app hash there, and every receipt is still there
    """
    node = NodeProcess(tmp_path)
    sequence, seen = 0, []
    for _ in range(2):
        with node.start(), node.client() as client:
            for receipt in seen:
                assert client.get(f"/v1/txs/{receipt['hash']}") == receipt
            sequence = client.account("alice").sequence
            batch = transfers("alice", sequence, 300)
            client.submit_batch(batch[:299])
            client.submit(batch[299])
            first = client.include(transfers("carol", client.account("carol").sequence, 1)[0])
            seen.append(client.get(f"/v1/txs/{first.hash}"))
            height = client.status().height
            header = client.get(f"/v1/commits/{height}")
            node.kill()
    with node.start(), node.client() as client:
        assert client.status().height >= height
        assert client.get(f"/v1/commits/{height}")["signed_header"]["header"] == header["signed_header"]["header"]
        for receipt in seen:
            assert client.get(f"/v1/txs/{receipt['hash']}") == receipt
        assert client.include(transfers("alice", client.account("alice").sequence, 1)[0]).code == ""


def test_a_clean_stop_ends_open_streams_and_leaves_exit_code_zero(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, node.client() as client:
        events = client.events(since=0)
        next(events)
        assert node.stop() == 0
        assert all(kind == "block" for _, kind, _ in events)


def test_a_process_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    with NodeProcess(tmp_path, parent=reading).start(close_fds=False) as node:
        os.close(reading)
        os.close(writing)
        assert node.wait() == 0


def refused_start(node: NodeProcess) -> tuple[int, str]:
    process = node.launch()
    _, said = process.communicate(timeout=20)
    return process.returncode, said.split(" ")[0].strip()


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path).start()
    assert node.stop() == 0
    with sqlite3.connect(tmp_path / "chain.db") as base:
        base.execute("UPDATE layout SET version = '0'")
    base.close()
    assert refused_start(node) == (3, "storage/version")


def test_a_database_of_another_genesis_is_refused(tmp_path: Path) -> None:
    assert NodeProcess(tmp_path).start().stop() == 0
    assert refused_start(NodeProcess(tmp_path, name="juno")) == (3, "storage/other-genesis")


def test_a_second_process_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node:
        assert refused_start(node) == (3, "storage/locked")


def test_a_busy_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert refused_start(NodeProcess(tmp_path, port=taken.getsockname()[1])) == (3, "process/port-in-use")


@pytest.mark.parametrize("text", ["", "{", '{"genesis":"x"}', '{"genesis":"x","home":"y","colour":"red"}'])
def test_settings_that_cannot_be_read_are_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.json").write_text(text)
    assert main(["--config", str(tmp_path / "node.json")]) == 2
    assert capsys.readouterr().err.startswith("node/bad-settings ")
