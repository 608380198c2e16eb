"""What a chain takes at most: waiting transactions by number and bytes, pages, batches, readers; and a flood of nonsense."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ChainId
from meshsec_core.modules.bank import Send
from meshsec_core.replica import mempool
from meshsec_core.runtime.tx import make_tx
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode
from meshsec_node.views import txs
from meshsec_sdk import answers, names
from meshsec_sdk.answers import Audience
from served import over_http, serve

OSMOSIS = names.chain_name("osmosis")
GIVE = Send(names.address("bob", OSMOSIS), OSMOSIS.denom, 1)


def signed(user: str, sequence: int) -> bytes:
    return make_tx(names.development_key(f"user/{user}"), "osmo", ChainId("osmosis-1"), sequence, (GIVE,))


def batch(raws: list[bytes]) -> bytes:
    return b'{"txs":[' + b",".join(raws) + b"]}"


def test_when_enough_waits_a_further_transaction_is_refused_until_a_block_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "CAPACITY", 3)

    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        async with over_http(app) as http:
            answer = (await http.post("/v1/txs/batch", content=batch([signed("alice", at) for at in range(5)]))).json()
            assert (len(answer["accepted"]), [item["code"] for item in answer["refused"]]) == (3, ["mempool/full"] * 2)
            refused = await http.post("/v1/txs", content=signed("bob", 0))
            assert (refused.status_code, refused.json()["code"]) == (429, "mempool/full")
            await runner.mine(1)
            assert (await http.post("/v1/txs", content=signed("bob", 0))).status_code == 202

    serve(act)


def test_what_waits_is_limited_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    first = signed("alice", 0)
    monkeypatch.setattr(mempool, "CAPACITY_BYTES", 2 * len(first))

    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        async with over_http(app) as http:
            statuses = [(await http.post("/v1/txs", content=signed("alice", at))).status_code for at in range(3)]
        assert statuses == [202, 202, 429]

    serve(act)


def test_what_was_read_is_forgotten_once_a_block_has_it() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        async with over_http(app) as http:
            await http.post("/v1/txs/batch", content=batch([signed("alice", at) for at in range(3)]))
        assert len(runner.replica.app.reader) == 3
        await runner.mine(1)
        assert (len(runner.replica.app.reader), runner.replica.app.reader.size) == (0, 0)

    serve(act)


def test_what_is_refused_at_the_door_is_not_remembered() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        async with over_http(app) as http:
            refused = [(await http.post("/v1/txs", content=signed("alice", at))).json()["code"] for at in (5, 6)]
        assert refused == ["auth/wrong-sequence"] * 2
        assert (len(runner.replica.app.reader), runner.replica.app.reader.size) == (0, 0)

    serve(act)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/state?limit=1001", None),
        ("/v1/state?limit=0", None),
        ("/v1/state", b'{"paths":[' + b",".join([b'"bank/_"'] * 1_001) + b"]}"),
        ("/v1/txs/batch", b'{"txs":[' + b",".join([b"{}"] * (txs.MAX_BATCH + 1)) + b"]}"),
        ("/v1/dev/mine", b'{"blocks":10001}'),
    ],
)
def test_nobody_gets_or_orders_more_at_once_than_a_page(path: str, body: bytes | None) -> None:
    async def act(runner: Runner, app: FastAPI) -> Any:
        async with over_http(app) as http:
            return await (http.get(path) if body is None else http.post(path, content=body))

    answer = serve(act)
    assert (answer.status_code, answer.json()["code"] in ("http/bad-parameter", "http/malformed-body")) == (400, True)


def test_one_reader_of_events_more_than_fits_is_refused_until_another_leaves() -> None:
    async def forever() -> Any:
        while True:
            yield b"x"

    request, audience = Request({"type": "http", "method": "GET"}), Audience(limit=2)

    async def act() -> None:
        reading: list[Any] = [audience.answer(request, forever()) for _ in range(2)]
        for response in reading:
            await anext(response.body_iterator)
        with pytest.raises(Rejected) as refusal:
            audience.answer(request, forever())
        assert refusal.value.code == "http/too-many-streams"
        await reading[0].body_iterator.aclose()
        assert audience.readers == 1
        audience.answer(request, forever())

    asyncio.run(act())
    assert answers.MOST_READERS == 256


def test_a_flood_of_bad_transactions_does_not_stop_good_ones() -> None:
    """Given three who send forged, misplaced and unreadable transactions as fast as they can
    When alice sends thirty good ones, each after the receipt of the one before
    Then all of hers are included, every other is refused with its reason, and nothing is left waiting
    """
    good = 30
    forged = [signed("bob", 0).replace(b'"amount":"1"', b'"amount":"%d"' % at) for at in range(2, 52)]
    misplaced = [signed("carol", 1_000 + at) for at in range(50)]
    unreadable = [b'{"chain_id":"osmosis-1"}'] * 50

    async def act(runner: Runner, app: FastAPI) -> Counter[str]:
        over, refused = asyncio.Event(), Counter[str]()

        async def flood(raws: list[bytes]) -> None:
            async with over_http(app) as http:
                while not over.is_set():
                    answer = (await http.post("/v1/txs/batch", content=batch(raws))).json()
                    assert answer["accepted"] == []
                    refused.update(item["code"] for item in answer["refused"])
                    await asyncio.sleep(0)

        floods = [asyncio.ensure_future(flood(raws)) for raws in (forged, misplaced, unreadable)]
        async with over_http(app) as http:
            for at in range(good):
                answer = await http.post("/v1/txs?wait=commit", content=signed("alice", at))
                assert (answer.status_code, answer.json()["code"]) == (200, "")
        over.set()
        await asyncio.gather(*floods)
        assert runner.replica.waiting == 0
        return refused

    refused = serve(act)
    assert set(refused) == {"auth/bad-signature", "auth/wrong-sequence", "codec/malformed"}
    assert min(refused.values()) >= 50
