"""The HTTP face: the same answers with and without sockets, and in the published shapes."""

import asyncio
import base64
import json
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from attacks import LUNATIC, evidence_of
from meshsec_core.kernel import codec
from meshsec_core.kernel.wire.tendermint import encode_evidence
from meshsec_node.orders import ORDERS
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode
from meshsec_node.views import LocalTransport
from meshsec_node.views.table import ROUTES
from meshsec_sdk import names
from meshsec_sdk.schemas.table import SHAPES
from served import over_http, serve

ALICE = names.address("alice", names.chain_name("osmosis"))
SEND = {"from": "alice", "msgs": [{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "3"}]}


OTHER_CHAINS = base64.b64encode(encode_evidence(evidence_of(LUNATIC))).decode()
"""Evidence that holds, of a chain that is not served here."""

PATHS = (
    "/healthz",
    "/readyz",
    "/v1/status",
    "/v1/blocks/latest",
    "/v1/blocks/2",
    "/v1/blocks/77",
    "/v1/blocks/2/txs",
    "/v1/blocks/77/txs",
    "/v1/commits/2",
    "/v1/validators",
    "/v1/validators?height=1",
    "/v1/state?prefix=bank/&limit=2",
    "/v1/state/bank/_?prove=true",
    "/v1/state/bank/_?prove",
    "/v1/state/bank%2F_?height=1",
    "/v1/state/bank/nothing",
    "/v1/accounts/alice",
    f"/v1/accounts/{ALICE}",
    "/v1/balances/bob",
    "/v1/staking/validators",
    "/v1/query/staking/validators",
    "/v1/query",
    "/v1/query/nothing",
    "/v1/query/bank/nothing",
    "/v1/mesh/nothing",
    "/v1/validators?height=x",
    "/v1/validators?height=",
    "/v1/validators?size=1",
    "/v1/txs/zz",
    f"/v1/txs/{'a' * 64}",
    "/v1/txs/batch",
    "/v1//status",
    "/v1/status/",
    "/nothing",
)


def test_every_path_has_the_same_answer_with_and_without_sockets() -> None:
    async def act(runner: Runner, app: FastAPI) -> list[tuple[str, Any, Any]]:
        async with over_http(app) as http:
            await http.post("/v1/dev/send", json=SEND)
            await runner.mine(2)
            runner.set_mode(BlockMode.MANUAL, None)
            local = LocalTransport(runner)
            asked = [(path, await http.get(path), local.get(path)) for path in PATHS]
            posted = [
                ("/v1/simulate", SEND),
                ("/v1/simulate", {}),
                ("/v1/txs", {}),
                ("/v1/status", {}),
                ("/v1/txs/batch", {"txs": [1]}),
                ("/v1/state", {"paths": ["bank/_", "bank/nothing"], "height": "1", "prove": True}),
                ("/v1/state", {"paths": ["bank/_", "nowhere/x"]}),
                ("/v1/state", {"paths": [], "height": -1}),
                ("/v1/evidence", {}),
                ("/v1/evidence", {"evidence": "CgA="}),
                ("/v1/evidence", {"evidence": OTHER_CHAINS}),
            ]
            bodies = [(path, json.dumps(body).encode()) for path, body in posted]
            asked += [(path, await http.post(path, content=body), local.post(path, body)) for path, body in bodies]
            return [(path, (found.status_code, found.json()), same) for path, found, same in asked]

    for path, found, same in serve(act):
        assert (path, found) == (path, same)


def test_answers_have_the_published_shapes() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            receipt = (await http.post("/v1/dev/send", json=SEND)).json()
            await runner.mine(2)
            path_of = {
                "/v1/blocks/{height}": f"/v1/blocks/{receipt['height']}",
                "/v1/blocks/{height}/txs": f"/v1/blocks/{receipt['height']}/txs",
                "/v1/commits/{height}": "/v1/commits/1",
                "/v1/txs/{hash}": f"/v1/txs/{receipt['hash']}",
                "/v1/state/{path:path}": "/v1/state/bank/_?prove=true",
                "/v1/accounts/{address}": "/v1/accounts/alice",
                "/v1/balances/{address}": "/v1/balances/alice",
            }
            for route in ROUTES:
                if route.method == "GET" and route.answer:
                    answer = await http.get(path_of.get(route.path, route.path))
                    SHAPES[route.answer].model_validate(answer.json())
            SHAPES["Simulated"].model_validate((await http.post("/v1/simulate", json=SEND)).json())
            SHAPES["BatchAccepted"].model_validate((await http.post("/v1/txs/batch", json={"txs": [{}]})).json())
            wanted = {"paths": ["bank/_"], "prove": True}
            SHAPES["StateValues"].model_validate((await http.post("/v1/state", json=wanted)).json())
            SHAPES["Problem"].model_validate((await http.get("/nothing")).json())

    serve(act)


def test_values_that_are_asked_for_together_are_those_that_are_asked_for_one_by_one() -> None:
    async def act(runner: Runner, _: FastAPI) -> None:
        await runner.mine(3)
        local = LocalTransport(runner)
        paths = [f"bank/balances/{ALICE}/uosmo", "bank/_", "bank/nothing", "ibc/nothing", "bank/_"]
        for height in ("0", "1", "3"):
            for prove in (True, False):
                status, together = local.post("/v1/state", {"paths": paths, "height": height, "prove": prove})
                query = f"height={height}&prove={str(prove).lower()}"
                alone = [local.get(f"/v1/state/{path}?{query}")[1] for path in paths]
                assert status == 200
                assert together["entries"] == [{name: one[name] for name in ("path", "value", "proof")} for one in alone]
                assert {(one["height"], one["proof_height"]) for one in alone} == {(together["height"], together["proof_height"])}
        newest = [local.post("/v1/state", {"paths": paths, "prove": prove})[1]["height"] for prove in (True, False)]
        assert newest == [str(runner.replica.height - 1), str(runner.replica.height)]

    serve(act)


def test_the_published_document_names_every_route_and_every_shape() -> None:
    async def act(_: Runner, app: FastAPI) -> Any:
        async with over_http(app) as http:
            return (await http.get("/openapi.json")).json(), (await http.get("/v1/query")).json()

    document, queries = serve(act)
    expected = {(route.path.replace(":path}", "}"), route.method.lower()) for route in ROUTES}
    expected |= {(f"/v1/{name}", "get") for name in queries}
    expected |= {(path, method.lower()) for method, path in ORDERS}
    assert {(path, method) for path, entry in document["paths"].items() for method in entry} == expected
    assert "#/components/schemas/Problem" in msgspec.json.encode(document).decode()
    assert {"Status", "Problem", "SignedTx", "Order"} <= set(document["components"]["schemas"])


def test_whoever_waits_for_a_transaction_that_left_the_mempool_unseen_hears_that_it_was_dropped() -> None:
    async def act(runner: Runner, _: FastAPI) -> str:
        waiting = asyncio.ensure_future(runner.receipt_of(b"\x01" * 32, 10))
        await asyncio.sleep(0)
        await runner.mine(1)
        try:
            await waiting
        except Exception as refusal:
            return getattr(refusal, "code", "")
        return "nothing"

    assert serve(act) == "tx/dropped"


def test_a_bug_in_the_core_halts_the_chain_and_readyz_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(runner: Runner, app: FastAPI) -> tuple[int, Any, int, Any]:
        async with over_http(app) as http:
            await runner.mine(1)
            monkeypatch.setattr(runner.replica.app, "finalize_block", lambda *_: 1 // 0)
            await http.post("/v1/dev/mine", json={})
            ready, refused = await http.get("/readyz"), await http.post("/v1/dev/send", json=SEND)
            return ready.status_code, ready.json(), refused.status_code, refused.json()["code"]

    status, ready, refused, code = serve(act)
    assert (status, ready["ready"], refused, code) == (503, False, 503, "node/halted")
    assert "ZeroDivisionError" in ready["reasons"][0]


def test_integers_in_answers_are_decimal_strings() -> None:
    async def act(runner: Runner, app: FastAPI) -> bytes:
        async with over_http(app) as http:
            await runner.mine(1)
            return (await http.get("/v1/blocks/latest")).content

    raw = serve(act)
    assert codec.encode(msgspec.json.decode(raw)) == raw
