"""Branches of a chain over HTTP: they answer like the chain, move with it, and bind it to nothing."""

from typing import Any

import httpx
from fastapi import FastAPI

from meshsec_core.runtime.law import hold_alone
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode
from served import over_http, serve

THREE = {"validators": ["val-0", "osmosis/val-1", "val-2"]}


def send(receiver: str, amount: int) -> dict[str, Any]:
    return {"from": "alice", "msgs": [{"@type": "bank/Send", "to": receiver, "denom": "uosmo", "amount": str(amount)}]}


async def held(http: httpx.AsyncClient, user: str, where: str = "") -> int:
    return int((await http.get(f"{where}/v1/accounts/{user}")).json()["balances"]["uosmo"])


async def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_branch_answers_like_the_chain_and_goes_its_own_way() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            await runner.mine(3)
            bob, carol = await held(http, "bob"), await held(http, "carol")
            begun = (await http.post("/v1/dev/fork", json=THREE)).json()
            assert begun == {
                "name": "fork",
                "path": "/branches/fork",
                "base": str(runner.replica.height),
                "height": str(runner.replica.height),
                "validators": ["val-0", "val-1", "val-2"],
            }
            assert (await http.get("/v1/dev/branches")).json() == {"branches": [begun]}

            assert (await http.post("/v1/dev/send", json=send("bob", 5))).status_code == 200
            assert (await http.post("/branches/fork/v1/dev/send", json=send("carol", 7))).status_code == 200
            first = int(begun["base"]) + 1
            sides = [(await http.get(f"{where}/v1/blocks/{first}")).json() for where in ("", "/branches/fork")]
            assert sides[0]["hash"] != sides[1]["hash"]
            assert sides[0]["header"]["last_block_id"] == sides[1]["header"]["last_block_id"]
            assert (await held(http, "bob") - bob, await held(http, "carol") - carol) == (5, 0)
            there = "/branches/fork"
            assert (await held(http, "bob", there) - bob, await held(http, "carol", there) - carol) == (0, 7)
            assert (await http.get(f"{there}/readyz")).status_code == 200
            assert "meshsec_height" in (await http.get(f"{there}/metrics")).text
            assert await code(await http.get(f"{there}/nothing")) == (404, "http/not-found")

    serve(act)


def test_a_late_branch_decides_its_first_block_in_another_round() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            await runner.mine(1)
            base = runner.replica.height
            await http.post("/v1/dev/fork", json={**THREE, "late": True})
            assert (await http.post("/branches/fork/v1/dev/mine", json={"blocks": 2})).status_code == 200
            commits = [(await http.get(f"/branches/fork/v1/commits/{base + step}")).json() for step in (1, 2)]
            assert int(commits[0]["signed_header"]["commit"]["round"]) > 0

    serve(act)


def test_a_branch_moves_with_the_clock_and_ends_by_order_or_by_healing() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            for name in ("one", "two"):
                await http.post("/v1/dev/fork", json={**THREE, "name": name})
            await http.post("/v1/dev/clock", json={"advance": "1h"})
            assert runner.branches["one"].clock.offset == runner.clock.offset
            assert await code(await http.post("/v1/dev/heal", json={"validator": "val-0"})) == (200, "")
            assert list(runner.branches) == ["one", "two"]
            assert (await http.post("/v1/dev/end-fork", json={"name": "one"})).json() == {"ended": "one"}
            assert await code(await http.get("/branches/one/v1/status")) == (404, "branch/not-found")
            assert await code(await http.post("/v1/dev/end-fork", json={"name": "one"})) == (404, "branch/not-found")
            await http.post("/v1/dev/heal", json={})
            assert runner.branches == {}

    serve(act)


def test_what_cannot_be_forked_is_refused() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:

            async def fork(**changes: Any) -> tuple[int, str]:
                return await code(await http.post("/v1/dev/fork", json={**THREE, **changes}))

            assert await fork() == (200, "")
            assert await fork() == (422, "branch/exists")
            assert await fork(name="No name") == (422, "branch/bad-name")
            assert await fork(name="x", validators=["nobody"]) == (422, "dev/unknown-validator")
            assert await fork(name="x", validators=["juno/val-0"]) == (422, "dev/unknown-validator")
            nested = await http.post("/branches/fork/v1/dev/fork", json={**THREE, "name": "x"})
            assert await code(nested) == (422, "branch/of-a-branch")
            assert await code(await http.get("/branches/fork/branches/x/v1/status")) == (404, "http/not-found")

    serve(act)


def test_a_balance_is_set_by_the_faucet_on_a_chain_and_by_forgery_on_a_branch() -> None:
    """On the chain the faucet gives 11 and takes 4, and no coin appears or vanishes; on the branch 1,000 appear."""

    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:

            async def supply(where: str) -> int:
                return int((await http.get(f"{where}/v1/bank/supply?denom=uosmo")).json()["amount"])

            before, faucet, there = await held(http, "dave"), await held(http, "faucet"), "/branches/fork"
            total = await supply("")
            await http.post("/v1/dev/fork", json=THREE)

            async def set_balance(amount: int, where: str = "", **changes: Any) -> tuple[int, str]:
                asked = {"address": "dave", "amount": str(amount), **changes}
                answer = await http.post(f"{where}/v1/dev/set-balance", json=asked)
                await http.post(f"{where}/v1/dev/mine", json={"blocks": 1})
                if "hash" in answer.json():
                    return await code(await http.get(f"{where}/v1/txs/{answer.json()['hash']}"))
                return await code(answer)

            for amount in (before + 11, before + 11, before + 7):
                assert await set_balance(amount) == (200, "")  # of the transfer's receipt, or of the answer that none is needed
                assert await held(http, "dave") == amount
            assert (await held(http, "faucet"), await supply("")) == (faucet - 7, total)

            assert await set_balance(before + 1_000, there) == (202, "")
            assert (await held(http, "dave", there), await supply(there)) == (before + 1_000, total + 1_000)
            assert await set_balance(0, there) == (202, "")
            assert "uosmo" not in (await http.get(f"{there}/v1/accounts/dave")).json()["balances"]
            assert await held(http, "dave") == before + 7
            hold_alone(runner.branches["fork"].replica.view())

            stranger = (await http.get("/v1/accounts/erin")).json()["address"]
            assert await set_balance(1, address=stranger) == (422, "dev/not-a-name")
            assert await set_balance(-1) == (422, "bank/bad-amount")
            assert await set_balance(-1, there) == (422, "bank/bad-amount")
            assert await set_balance(5, denom="ibc/unseen") == (200, "bank/insufficient-funds")
            assert await set_balance(5, there, denom="ibc/unseen") == (202, "")

    serve(act)


def test_forged_state_is_signed_by_whoever_makes_the_branch_and_can_be_proven() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            await http.post("/v1/dev/fork", json=THREE)
            await http.post("/branches/fork/v1/dev/set-balance", json={"address": "dave", "amount": "77"})
            assert (await http.post("/branches/fork/v1/dev/mine", json={})).status_code == 200
            branch = runner.branches["fork"]
            height = branch.replica.height
            await branch.mine(1)
            signed = branch.replica.commit(height + 1)
            assert signed is not None
            assert signed.header.app_hash == branch.replica.state.app_hash(height)
            assert branch.replica.results(height).receipts == ()

    serve(act)


def test_outside_of_development_no_order_is_taken_and_nothing_is_shown_that_only_orders_make() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        async with over_http(app) as http:
            paths = (await http.get("/openapi.json")).json()["paths"]
            served = [(method, path) for path, methods in paths.items() if path.startswith("/v1/dev/") for method in methods]
            assert len(served) > 15
            for method, path in served:
                answer = await http.request(method, path.replace("{name}", "here"))
                assert (path, await code(answer)) == (path, (403, "dev/forbidden"))
        assert (runner.replica.height, runner.branches) == (0, {})

    serve(act, development=False)


def test_outside_of_development_there_are_no_branches() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        async with over_http(app) as http:
            for answer in (
                await http.post("/v1/dev/fork", json=THREE),
                await http.get("/v1/dev/branches"),
                await http.get("/branches/fork/v1/status"),
                await http.post("/v1/dev/set-balance", json={"address": "dave", "amount": "1"}),
            ):
                assert await code(answer) == (403, "dev/forbidden")

    serve(act, development=False)
