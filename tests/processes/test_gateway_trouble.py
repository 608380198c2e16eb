"""A gateway whose chains and relayers are away, break off or lie: what it says, and what it never does."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from meshsec.gateway.api import build_app
from meshsec.gateway.clock import CLIENTS_WOULD_EXPIRE, Advance, MeshClock
from meshsec.gateway.events import Happening, Merge
from meshsec.gateway.gateway import Gateway
from meshsec.gateway.settings import GatewaySettings
from meshsec.world.jumps import LONGEST
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_sdk.mesh_file import topology
from scripted_upstream import Asked, Script, Upstream, reply, upstream

NOBODY = "http://127.0.0.1:1"
DAY = 86_400 * SECOND

Work = Callable[[httpx.AsyncClient, Gateway, Upstream], Awaitable[None]]


@asynccontextmanager
async def behind(script: Script) -> AsyncIterator[tuple[httpx.AsyncClient, Gateway, Upstream]]:
    """Serve a pair of chains of which osmosis follows a script and all others are away."""
    pair = topology("pair")
    async with upstream(script) as osmosis:
        settings = GatewaySettings(mesh=pair, chains={"osmosis": osmosis.url, "juno": NOBODY}, relayers={"main": NOBODY})
        gateway = Gateway(settings)
        transport = httpx.ASGITransport(build_app(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            try:
                yield http, gateway, osmosis
            finally:
                await gateway.__aexit__(None, None, None)


def play(script: Script, work: Work) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), behind(script) as (http, gateway, osmosis):
            await work(http, gateway, osmosis)

    asyncio.run(run())


def in_turn(*answers: bytes) -> Script:
    """Give one answer after the other; an empty one closes the connection without a word."""
    turn = iter(answers)

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(next(turn))

    return script


def test_a_request_reaches_a_chain_as_it_was_sent_and_the_answer_comes_back_as_it_was_given() -> None:
    packed = gzip.compress(b'{"odd":  "spelling"}')
    answer = reply(packed, "418 I'm a teapot", "content-encoding: gzip", "x-own: kept", "connection: close", "etag: W/1")

    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        path = "/chains/osmosis/v1/state/a%2Fb/%E2%98%83?q=1&q=%20&empty="
        sent = {"x-trace": "7", "accept": "text/plain", "te": "trailers"}
        found = await http.request("PATCH", path, content=b"\x00\xff body", headers=sent)
        (asked,) = osmosis.asked
        assert (asked.method, asked.target, asked.body) == ("PATCH", path.removeprefix("/chains/osmosis"), b"\x00\xff body")
        assert {"x-trace": "7", "accept": "text/plain"}.items() <= asked.headers.items()
        assert asked.headers["host"] == osmosis.url.removeprefix("http://")
        assert "te" not in asked.headers
        assert (found.status_code, found.json(), found.headers["x-own"]) == (418, {"odd": "spelling"}, "kept")
        assert found.headers["etag"] == "W/1"
        assert "connection" not in found.headers

    play(in_turn(answer), work)


@pytest.mark.parametrize("path", ["/chains/osmosis", "/chains/osmosis/", "/chains/osmosis?x=1"])
def test_the_root_of_a_chain_is_its_own_root(path: str) -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        await http.get(path)
        assert osmosis.asked[0].target == "/" + ("?x=1" if "x" in path else "")

    play(in_turn(reply(b"{}")), work)


def test_a_chain_that_is_away_is_said_to_be_away_and_nothing_else_suffers() -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        away = await http.post("/chains/juno/v1/txs", content=b"{}")
        assert (away.status_code, away.json()["code"]) == (503, "gateway/unreachable-chain")
        assert away.json()["facts"] == {"chain": "juno", "reason": f"nobody listens at {NOBODY}"}
        relayer = await http.get("/relayers/main/v1/status")
        assert (relayer.status_code, relayer.json()["code"]) == (503, "gateway/unreachable-relayer")
        clock = await http.post("/v1/clock", json={"advance": "1d"})
        assert (clock.status_code, clock.json()["code"]) == (503, "gateway/unreachable-chain")
        faucet = await http.post("/faucet", json={"chain": "juno", "address": "bob", "amount": 1})
        assert (faucet.status_code, faucet.json()["code"]) == (503, "gateway/unreachable-chain")
        registry = (await http.get("/registry")).json()
        assert (list(registry["chains"]), registry["paths"]) == (["juno", "osmosis"], [])
        assert (await http.get("/")).status_code == 200

    play(in_turn(*[reply(b'{"offset":"0","now":"0","height":"0"}')] * 9), work)


def test_a_mesh_of_which_nothing_answers_is_shown_as_that() -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        glance = (await http.get("/v1/mesh")).json()
        states = {name: (chain["up"], chain["reasons"]) for name, chain in glance["chains"].items()}
        assert states == {"osmosis": (False, ["the connection broke"]), "juno": (False, [f"nobody listens at {NOBODY}"])}
        assert [link["open"] for link in glance["links"]] == [False, False]
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"] == [
            "osmosis: the connection broke",
            f"juno: nobody listens at {NOBODY}",
            f"relayer main: nobody listens at {NOBODY}",
        ]

    play(in_turn(*[b""] * 9), work)


def test_a_question_on_a_connection_that_breaks_is_asked_again_and_an_order_is_not() -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        assert (await http.get("/chains/osmosis/v1/status")).json() == {"fine": "yes"}
        order = await http.post("/chains/osmosis/v1/txs", content=b"{}")
        assert (order.status_code, order.json()["code"]) == (502, "gateway/broken-answer")
        assert [asked.method for asked in osmosis.asked] == ["GET", "GET", "POST"]

    play(in_turn(b"", reply(b'{"fine":"yes"}'), b""), work)


@pytest.mark.parametrize(
    "half", [reply(b"{}" * 50)[:-10], b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n123", b"nonsense\r\n\r\n"]
)
def test_half_an_answer_becomes_a_problem_and_not_half_an_answer(half: bytes) -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        found = await http.post("/chains/osmosis/v1/txs", content=b"{}")
        assert (found.status_code, found.json()["code"]) == (502, "gateway/broken-answer")

    play(in_turn(half), work)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"height":"many"}', b"\xff"])
def test_a_chain_that_talks_nonsense_is_shown_as_down_and_breaks_nothing(answer: bytes) -> None:
    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        found = await http.get("/v1/mesh")
        assert (found.status_code, found.json()["chains"]["osmosis"]["up"]) == (200, False)
        read = await http.get("/v1/clock")
        assert (read.status_code, read.json()["code"]) in ((502, "gateway/broken-answer"), (503, "gateway/unreachable-chain"))

    play(in_turn(*[reply(answer)] * 9), work)


def test_entries_of_a_stream_that_breaks_in_the_middle_of_one_are_read_once_each() -> None:
    """Given a chain that breaks off its stream inside the second entry, and is away for a while
    When the merged stream is read
    Then it asks again behind the first one, and shows both once, with one silence between them
    """
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    spelled = [b'id: 0-7-%d\nevent: block\ndata: {"height":"7","memo":"\xe2\x80\xa8"}\n\n' % index for index in (0, 1)]
    script = in_turn(head + b": events\n\n" + spelled[0] + spelled[1][:20], b"", b"", head + spelled[1])

    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        merge = Merge({"osmosis": gateway.chains["osmosis"]}, {"osmosis": "7"})
        await merge.start()
        found = []
        async for entry in merge.entries():
            assert entry is not None
            found.append((entry.type, entry.id))
            if len(found) == 4:
                break
        merge.stop()
        heard = [("block", "0-7-0"), ("gateway/silent", ""), ("gateway/heard", ""), ("block", "0-7-1")]
        assert found == heard
        assert [asked.target for asked in osmosis.asked[:4]] == ["/v1/events?since=7"] + 3 * ["/v1/events?since=0-7-0"]
        assert merge.positions == {"osmosis": "0-7-1"}

    play(script, work)


def test_what_cannot_be_read_as_an_event_is_left_out_of_what_happened() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    slash = b'id: 0-8-1\nevent: staking/slash\ndata: {"height":"8","type":"staking/slash","attributes":{"tokens":"5"}}\n\n'
    odd = b'id: \xff\nevent: staking/slash\ndata: {"height":[]}\n\nid: 1\nevent: \xff\ndata: {}\n\ndata: [1]\n\n'

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.target.startswith("/v1/events"):
            writer.write(head + odd + b'id: 0-8-0\nevent: block\ndata: {"time":"77"}\n\n' + slash)

    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        async with gateway:
            while not gateway.recent.events:
                await http.get("/v1/mesh")
            assert gateway.recent.events[0] == Happening("osmosis", 8, "staking/slash", {"tokens": "5"}, 77)

    play(script, work)


def test_a_chain_without_a_model_has_no_links_and_is_shown_all_the_same() -> None:
    status = {"chain_id": "osmosis-1", "name": "osmosis", "prefix": "osmo", "denom": "uosmo", "height": "3", "time": "9"}
    status |= {"app_hash": "", "block_hash": "", "validators_hash": "", "block_mode": "auto", "generation": "0"}
    answers = {
        "/v1/status": reply(codec.encode({**status, "ready": True, "reasons": [], "faults": []})),
        "/v1/validators": reply(b'{"validators":[]}'),
        "/v1/staking/validators": reply(b"[]"),
        "/v1/mesh/consumer/links": reply(b'{"code":"query/unknown","message":"","facts":{}}', "404 Not Found"),
    }

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[asked.target])

    async def work(http: httpx.AsyncClient, gateway: Gateway, osmosis: Upstream) -> None:
        glance = (await http.get("/v1/mesh")).json()
        osmo = glance["chains"]["osmosis"]
        assert (osmo["up"], osmo["ready"], osmo["height"], glance["time"], glance["cursor"]) == (
            True,
            True,
            "3",
            "9",
            "osmosis:3",
        )

    play(script, work)


class Chain:
    """A chain that has nothing but a clock."""

    def __init__(self) -> None:
        self.offsets = [0]
        self.heights = count(1)
        self.height = 1

    async def get(self, path: str, kind: type[Any], seconds: float | None = None) -> Any:
        clock = {"offset": self.offsets[-1], "now": self.offsets[-1], "height": self.height}
        return codec.convert({**clock, "quiet": True, "ready": True, "block_mode": "auto"}, kind)

    async def post(self, path: str, body: Any, kind: type[Any], seconds: float | None = None) -> Any:
        self.offsets.append(body["offset"])
        self.height += 2
        return await self.get(path, kind)


class Relayer:
    """A relayer that serves one path and refreshes its clients only if it is told to."""

    def __init__(self, chains: dict[str, Chain], refreshes: bool) -> None:
        self.chains = chains
        self.refreshes = refreshes

    async def get(self, path: str, kind: type[Any], seconds: float | None = None) -> Any:
        now = max(chain.offsets[-1] for chain in self.chains.values())
        expiry = (now if self.refreshes else 0) + 14 * DAY
        client = {"id": "07-tendermint-0", "latest": 1, "expires_at": expiry, "ailment": ""}
        route = {"a": "osmosis", "b": "juno", "ready": True, "problem": "", "open": {}, "closed": [], "pending": 0}
        seen = {"chain_id": "", "time": now, "address": "", "problem": ""}
        report = {
            "id": "main",
            "ready": True,
            "reasons": [],
            "idle": True,
            "paused": False,
            "chains": {name: {**seen, "height": chain.height, "scanned": chain.height} for name, chain in self.chains.items()},
            "paths": {"osmosis-juno": {**route, "clients": dict.fromkeys(self.chains, client)}},
            "pending": 0,
            **dict.fromkeys(("held", "delayed", "duplicated", "reordered", "dropped", "waits_for", "faults"), ()),
        }
        return codec.convert(json.loads(codec.encode(report)), kind)


def clock(refreshes: bool) -> tuple[MeshClock, dict[str, Chain]]:
    chains = {"osmosis": Chain(), "juno": Chain()}
    return MeshClock(chains, {"main": Relayer(chains, refreshes)}), chains  # type: ignore[arg-type]


def test_a_long_way_is_cut_into_steps_that_no_client_notices() -> None:
    moved, chains = clock(refreshes=True)
    asyncio.run(moved.advance(Advance("21d")))
    steps = [0, 7 * DAY, 14 * DAY, 21 * DAY]
    assert {name: chain.offsets for name, chain in chains.items()} == {"osmosis": steps, "juno": steps}


def test_the_clock_stops_before_the_step_that_would_let_a_client_expire() -> None:
    moved, chains = clock(refreshes=False)
    with pytest.raises(Rejected) as refused:
        asyncio.run(moved.advance(Advance("21d")))
    assert refused.value.code == CLIENTS_WOULD_EXPIRE
    assert refused.value.facts["advanced"] == LONGEST
    assert {name: chain.offsets[-1] for name, chain in chains.items()} == {"osmosis": LONGEST, "juno": LONGEST}


def test_who_does_not_care_for_clients_gets_one_jump() -> None:
    moved, chains = clock(refreshes=False)
    asyncio.run(moved.advance(Advance("21d", keep_alive=False)))
    assert {name: chain.offsets for name, chain in chains.items()} == {"osmosis": [0, 21 * DAY], "juno": [0, 21 * DAY]}


def test_chains_that_disagree_on_the_time_agree_after_the_next_step() -> None:
    moved, chains = clock(refreshes=True)
    chains["juno"].offsets.append(7)
    asyncio.run(moved.advance(Advance("5s")))
    assert {name: chain.offsets[-1] for name, chain in chains.items()} == dict.fromkeys(chains, 7 + 5 * SECOND)
