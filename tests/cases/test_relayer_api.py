"""The relayer's HTTP interface: reports, orders and refusals in the one shape."""

import asyncio
from typing import Any

import httpx
import pytest

from harness import key_of
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import Denom
from meshsec_relayer.api import build_app
from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.runner import Runner
from meshsec_relayer.store import MemoryStore
from relay_rig import Pair


class Desk:
    """The interface of a relayer whose engine has lived in a simulated world."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = MemoryStore()

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        response = asyncio.run(self._call(method, path, body))
        return response.status_code, response.json()

    def text(self, path: str) -> str:
        return asyncio.run(self._call("GET", path, b"")).text

    async def _call(self, method: str, path: str, body: bytes) -> httpx.Response:
        runner = Runner(self.engine.config, self.engine, self.store)
        transport = httpx.ASGITransport(app=build_app(runner))
        async with httpx.AsyncClient(transport=transport, base_url="http://relayer") as client:
            return await client.request(method, path, content=body)


@pytest.fixture(scope="module")
def rig() -> Pair:
    found = Pair()
    found.settle()
    return found


@pytest.fixture
def desk(rig: Pair) -> Desk:
    return Desk(rig.courier.engine)


def test_a_relayer_whose_paths_are_open_is_ready(desk: Desk) -> None:
    assert desk.call("GET", "/healthz") == (200, {"alive": True})
    assert desk.call("GET", "/readyz") == (200, {"ready": True, "reasons": []})


def test_a_relayer_that_has_seen_nothing_says_why_it_is_not_ready(rig: Pair) -> None:
    fresh = Desk(Engine(rig.config, key_of("relayer")))
    reasons = ["osmosis: has not answered yet", "juno: has not answered yet", "osmosis-juno: opening"]
    assert fresh.call("GET", "/readyz") == (503, {"ready": False, "reasons": reasons})


def test_status_shows_chains_paths_and_orders(desk: Desk) -> None:
    code, status = desk.call("GET", "/v1/status")
    assert code == 200
    assert (status["id"], status["ready"], status["idle"], status["paused"], status["pending"]) == (
        "main",
        True,
        True,
        False,
        "0",
    )
    assert set(status["chains"]) == {"osmosis", "juno"}
    channel = {"port_a": "transfer", "channel_a": "channel-0", "port_b": "transfer", "channel_b": "channel-0"}
    assert status["paths"]["osmosis-juno"]["open"]["channels"] == [channel]


def test_a_packet_can_be_listed_and_traced_while_it_is_held_and_after_it_has_arrived(rig: Pair, desk: Desk) -> None:
    assert desk.call("POST", "/v1/hold", b'{"kind":"transfer"}')[1]["held"][0]["kind"] == "transfer"
    message = Transfer("channel-0", Denom("uosmo"), 5, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", message)["code"] == ""
    rig.settle()
    code, listed = desk.call("GET", "/v1/packets")
    assert (code, len(listed["packets"])) == (200, 1)
    packet = listed["packets"][0]
    assert (packet["kind"], packet["leg"], packet["waits_for"]) == ("transfer", "recv", "held by an operator")

    assert desk.call("POST", "/v1/release")[1]["held"] == []
    rig.settle()
    code, traced = desk.call("GET", f"/v1/packets/{packet['id']}/trace")
    assert code == 200
    assert traced["settled"].startswith("acknowledged on osmosis in block ")
    assert len(traced["story"]) == 4


def test_orders_take_effect_and_show_in_the_answer(desk: Desk) -> None:
    assert desk.call("POST", "/v1/pause")[1]["paused"] is True
    assert desk.call("POST", "/v1/step", b'{"count":"2"}')[0] == 200
    assert desk.engine.controls.steps == 2
    assert desk.call("POST", "/v1/resume")[1]["paused"] is False
    assert desk.call("POST", "/v1/drop", b'{"id":"osmosis:transfer:channel-0:9"}')[1]["dropped"] == [
        "osmosis:transfer:channel-0:9/recv"
    ]
    assert desk.call("POST", "/v1/clear", b"{}")[1]["dropped"] == []
    assert desk.store.load() is not None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/packets/none/trace", b"", 404, "packet/not-found"),
        ("GET", "/v1/nothing", b"", 404, "http/not-found"),
        ("GET", "/v1/pause", b"", 405, "http/method-not-allowed"),
        ("POST", "/v1/hold", b"{", 400, "http/malformed-body"),
        ("POST", "/v1/hold", b'{"kin":"stake"}', 400, "codec/malformed"),
        ("POST", "/v1/drop", b"", 400, "codec/malformed"),
        ("POST", "/v1/freeze", b'{"duration":"soon"}', 400, "http/bad-parameter"),
        ("POST", "/v1/freeze", b'{"duration":"61s"}', 400, "http/bad-parameter"),
        ("POST", "/v1/restore", b'{"generation":"1"}', 400, "codec/malformed"),
        ("POST", "/v1/hold", b" " * 300_000, 413, "http/body-too-large"),
    ],
)
def test_bad_input_is_refused_in_the_one_shape(desk: Desk, method: str, path: str, body: bytes, status: int, code: str) -> None:
    found, problem = desk.call(method, path, body)
    assert (found, problem["code"]) == (status, code)
    assert sorted(problem) == ["code", "facts", "message"]


def _account(desk: Desk, chain: str) -> str:
    return desk.engine.accounts[chain].address


def test_metrics_count_packets_and_show_backlog_and_expiry(desk: Desk) -> None:
    lines = desk.text("/metrics").splitlines()
    assert 'receive_packets_confirmed_total{chain="juno",channel="channel-0",counterparty="osmosis",port="transfer"} 1.0' in lines
    assert (
        'acknowledgment_packets_confirmed_total{chain="osmosis",channel="channel-0",counterparty="juno",port="transfer"} 1.0'
        in lines
    )
    assert 'backlog_size{chain="osmosis",channel="channel-0",counterparty="juno",port="transfer"} 0.0' in lines
    assert 'send_packet_events_total{chain="osmosis",channel="channel-0",counterparty="juno",port="transfer"} 1.0' in lines
    assert 'acknowledgement_events_total{chain="juno",channel="channel-0",counterparty="osmosis",port="transfer"} 1.0' in lines
    assert 'tx_latency_confirmed_bucket{chain="juno",counterparty="osmosis",le="30000"} 1.0' in lines
    account = _account(desk, "osmosis")
    assert f'wallet_balance{{account="{account}",chain="osmosis",denom="uosmo"}} 1e+09' in lines
    assert 'client_dead{chain="juno",client="07-tendermint-0"} 0.0' in lines
    assert 'workers{type="packet"} 2.0' in lines
    assert "relayer_ready 1.0" in lines
    assert any(line.startswith('client_expiration_seconds{chain="juno",client="07-tendermint-0"} 1.2') for line in lines)


def test_the_interface_describes_itself(desk: Desk) -> None:
    code, document = desk.call("GET", "/openapi.json")
    assert code == 200
    assert "/v1/hold" in document["paths"]


def test_a_life_begins_from_an_image_in_another_generation_and_durably(desk: Desk) -> None:
    """Given an operator holds packets, and the relayer is frozen, which tells its image
    When the hold is undone, and the relayer is restored
    Then the hold is in force again, also for the life after the next start
    """
    desk.call("POST", "/v1/hold", b'{"kind":"stake"}')
    _, image = desk.call("POST", "/v1/freeze", b'{"duration":"0s"}')
    assert [found["kind"] for found in image["held"]] == ["stake"]
    assert desk.call("POST", "/v1/release", b"{}")[1]["held"] == []
    life = {"image": image | {"generations": dict.fromkeys(image["chains"], "0")}, "generation": "7"}
    assert [found["kind"] for found in desk.call("POST", "/v1/restore", codec.encode(life))[1]["held"]] == ["stake"]
    kept = desk.store.load()
    assert kept is not None
    assert kept.generations == dict.fromkeys(image["chains"], "7")
    assert [found.kind for found in kept.held] == ["stake"]
    foreign = {"image": image | {"chains": dict.fromkeys(image["chains"], "else-1")}, "generation": "8"}
    assert desk.call("POST", "/v1/restore", codec.encode(foreign))[1]["code"] == "relayer/foreign-store"
    assert desk.store.load() == kept
