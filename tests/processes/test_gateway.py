"""The gateway in front of a real pair of chains and their relayer: one port for everything."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshsec import mesh
from meshsec.gateway.main import main
from meshsec.gateway.settings import GatewaySettings
from meshsec.world.process import ProcessWorld
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import SECOND
from meshsec_sdk import names
from meshsec_sdk.mesh_file import topology

DAY = 86_400 * SECOND


@pytest.fixture(scope="module")
def world() -> Iterator[ProcessWorld]:
    with ProcessWorld("pair") as started:
        yield started


@pytest.fixture(scope="module")
def http(world: ProcessWorld) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.home.running().endpoints.gateway, timeout=30) as client:
        yield client


def until(found: Callable[[], Any]) -> Any:
    """Look until there is something to see."""
    deadline = time.monotonic() + 20
    while not (seen := found()):
        assert time.monotonic() < deadline
    return seen


def entries(http: httpx.Client, since: str, count: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return so many entries (id, type, data) of the merged stream behind an id."""
    return list(islice(stream(http, f"/v1/events?since={since}"), count))


def stream(http: httpx.Client, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    with http.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.read()
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif not line:
                if "data" in fields:
                    yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
                fields = {}


def member(world: ProcessWorld, name: str) -> dict[str, Any]:
    """Return a validator of juno's set."""
    return next(found for found in world.juno.get("/v1/validators")["validators"] if found["name"] == name)


def until_height(
    found: Iterator[tuple[str, str, dict[str, Any]]], chain: str, height: int
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a chain's entries up to the block of a height."""
    for entry in found:
        yield entry
        if entry[2]["chain_id"] == f"{chain}-1" and int(entry[2]["height"]) >= height:
            return


def test_the_registry_tells_all_that_a_program_needs_and_warns(http: httpx.Client, world: ProcessWorld) -> None:
    told = http.get("/registry").json()
    assert told["warning"] == names.WARNING
    assert told["order"] == ["osmosis", "juno"]
    juno = told["chains"]["juno"]
    assert (juno["chain_id"], juno["prefix"], juno["denom"]) == ("juno-1", "juno", "ujuno")
    assert httpx.get(juno["url"] + "/v1/status").json()["chain_id"] == "juno-1"
    assert httpx.get(juno["direct"] + "/v1/status").json()["chain_id"] == "juno-1"
    assert [validator["name"] for validator in juno["validators"]] == [f"juno/val-{index}" for index in range(4)]
    alice = next(key for key in told["keys"] if key["name"] == "alice")
    assert alice["addresses"] == {name: world.chain(name).user("alice").address for name in ("osmosis", "juno")}
    for link in told["links"]:
        ends = {"counterparty": link["consumer_channel"], "link": link["provider_channel"], "phase": "open"}
        assert ends.items() <= world.chain(link["provider"]).get("/v1/mesh/provider/links")[0].items()
    assert [(path["a"], path["b"], path["ready"]) for path in told["paths"]] == [("osmosis", "juno", True)]


@pytest.mark.parametrize("name", ["juno", "juno-1"])
def test_a_chain_answers_through_the_gateway_as_it_does_directly(http: httpx.Client, world: ProcessWorld, name: str) -> None:
    direct = world.home.running().endpoints.chains["juno"]
    for path in (
        "/v1/validators?height=2",
        "/v1/state/ibc/connections/connection-0?prove=true&height=9",
        "/v1/state?prefix=bank%2Fsupply",
        "/v1/txs/nonsense",
        "/nowhere",
    ):
        ours, theirs = http.get(f"/chains/{name}{path}"), httpx.get(direct + path)
        assert (ours.status_code, ours.content, ours.headers["content-type"]) == (
            theirs.status_code,
            theirs.content,
            theirs.headers["content-type"],
        )


def test_a_relayer_takes_orders_through_the_gateway(http: httpx.Client) -> None:
    assert http.post("/relayers/main/v1/pause").json()["paused"] is True
    assert http.post("/relayers/main/v1/resume").json()["paused"] is False


def test_a_chains_own_stream_of_events_flows_through(http: httpx.Client) -> None:
    found = list(islice(stream(http, "/chains/osmosis/v1/events?since=0"), 3))
    assert found[0] == ("0-1-0", "block", {**found[0][2], "chain_id": "osmosis-1", "height": "1"})


def test_the_merged_stream_goes_on_exactly_where_a_reader_stopped(http: httpx.Client, world: ProcessWorld) -> None:
    """Given all that has happened since the first block, as each chain tells it
    When it is read from the merged stream with a new connection after every 17 entries
    Then each chain's entries are there once, in order
    """
    known = {
        name: [data for _, _, data in until_height(stream(http, f"/chains/{name}/v1/events?since=0"), name, chain.height)]
        for name, chain in world.chains.items()
    }
    merged: dict[str, list[dict[str, Any]]] = {name: [] for name in known}
    last = "osmosis:0;juno:0"
    while missing := sum(max(0, len(known[name]) - len(merged[name])) for name in known):
        part = entries(http, last, min(17, missing))
        last = part[-1][0]
        for _, _, data in part:
            merged[data.pop("chain")].append(data)
    for name, told in known.items():
        assert merged[name][: len(told)] == told


def test_a_reader_without_an_id_starts_now_and_is_told_where_that_is(http: httpx.Client, world: ProcessWorld) -> None:
    heights = {name: chain.height for name, chain in world.chains.items()}
    with http.stream("GET", "/v1/events") as answer:
        first = next(answer.iter_lines())
    found = dict(part.split(":") for part in first.removeprefix("id: ").split(";"))
    assert all(int(found[name]) >= heights[name] for name in heights)


@pytest.mark.parametrize(
    "since", ["juno", "juno:", "juno:x", "axelar:1", "juno:1;osmosis:0-1", "juno:1-2-3-4", "juno:" + "9" * 40]
)
def test_an_id_that_no_stream_has_given_is_refused(http: httpx.Client, since: str) -> None:
    answer = http.get("/v1/events", params={"since": since})
    assert (answer.status_code, answer.json()["code"]) == (400, "http/bad-parameter")


def test_the_faucet_gives_coins_of_a_chain(http: httpx.Client, world: ProcessWorld) -> None:
    before = world.juno.user("dave").balance()
    answer = http.post("/faucet", json={"chain": "juno", "address": "dave", "amount": "250"})
    assert (answer.status_code, answer.json()["code"]) == (200, "")
    assert world.juno.user("dave").balance() == before + 250


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "codec/malformed"),
        (b"{", 400, "http/malformed-body"),
        (b'{"chain":"juno","chain":"osmosis","address":"dave","amount":1}', 400, "http/malformed-body"),
        (b'{"chain":"juno","address":"dave","amount":1.5}', 400, "http/malformed-body"),
        (b'{"chain":"juno","adress":"dave","amount":1}', 400, "codec/malformed"),
        (b'{"chain":"juno","address":"dave","amount":0}', 400, "http/bad-parameter"),
        (b'{"chain":"juno","address":"dave","amount":"-5"}', 400, "http/bad-parameter"),
        (b'{"chain":"jno","address":"dave","amount":1}', 404, "gateway/unknown-chain"),
        (b'{"chain":"juno","address":"nobody","amount":1}', 422, "crypto/bad-address"),
    ],
)
def test_the_faucet_refuses_what_it_cannot_mean_and_keeps_its_coins(
    http: httpx.Client, world: ProcessWorld, body: bytes, status: int, code: str
) -> None:
    before = world.juno.balance("faucet")
    answer = http.post("/faucet", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.juno.balance("faucet") == before


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/chains/axelar/v1/status", 404, "gateway/unknown-chain"),
        ("POST", "/chains/%E2%98%83/v1/txs", 404, "gateway/unknown-chain"),
        ("GET", "/relayers/second/v1/status", 404, "gateway/unknown-relayer"),
        ("GET", "/v2/mesh", 404, "http/not-found"),
        ("GET", "/page/../settings.py", 404, "http/not-found"),
        ("DELETE", "/v1/clock", 405, "http/method-not-allowed"),
        ("GET", "/faucet", 405, "http/method-not-allowed"),
    ],
)
def test_what_is_not_served_is_refused_in_the_one_shape(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.json().keys() == {"code", "message", "facts"}
    assert answer.json()["code"] == code


def test_a_body_above_the_limit_is_refused_before_any_chain_sees_it(http: httpx.Client) -> None:
    answer = http.post("/chains/juno/v1/txs", content=b" " * (8 * 1_048_576 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "http/body-too-large")


def test_a_jump_of_three_weeks_moves_all_chains_and_leaves_the_light_clients_alive(
    http: httpx.Client, world: ProcessWorld
) -> None:
    """Given clients that trust a header for 14 days
    When the mesh's clock is moved by 21
    Then both chains are 21 days on, and stake still crosses with proofs
    """
    before = {name: chain.time for name, chain in world.chains.items()}
    answer = http.post("/v1/clock", json={"advance": "21d"})
    assert (answer.status_code, answer.json()["warnings"]) == (200, [])
    offsets = {clock["offset"] for clock in answer.json()["chains"].values()}
    assert offsets == {http.get("/v1/clock").json()["offset"]}
    assert all(world.chain(name).time >= before[name] + 21 * DAY for name in before)
    report = http.get("/relayers/main/v1/status").json()
    for host, client in report["paths"]["osmosis-juno"]["clients"].items():
        assert int(client["expires_at"]) > world.chain(host).time + 9 * DAY
    world.osmosis.user("erin").send(mesh.Bond(1_000_000), mesh.StakeRemote("juno", "juno/val-3", 1_000_000))
    world.settle()
    assert [int(power) for power in member(world, "val-3")["virtual"].values()] == [1_000_000]


def test_the_clock_moves_by_blocks_too(http: httpx.Client, world: ProcessWorld) -> None:
    before = {name: chain.height for name, chain in world.chains.items()}
    assert http.post("/v1/clock", json={"advance": "3blocks"}).status_code == 200
    assert all(world.chain(name).height >= height + 3 for name, height in before.items())


@pytest.mark.parametrize("advance", ["", "soon", "-1d", "1.5d", "99999d", "1w", "9" * 30, "99999blocks"])
def test_a_duration_that_is_none_moves_nothing(http: httpx.Client, advance: str) -> None:
    before = http.get("/v1/clock").json()["offset"]
    answer = http.post("/v1/clock", json={"advance": advance})
    assert (answer.status_code, answer.json()["code"]) == (400, "http/bad-parameter")
    assert http.get("/v1/clock").json()["offset"] == before


def test_without_a_relayer_the_clock_moves_and_says_that_clients_age(http: httpx.Client) -> None:
    http.post("/relayers/main/v1/pause")
    answer = http.post("/v1/clock", json={"advance": "1h"}).json()
    http.post("/relayers/main/v1/resume")
    assert answer["warnings"] == ["relayer main is paused: it refreshes no clients"]


def test_one_glance_shows_what_is_lent_what_was_slashed_and_what_is_under_way(http: httpx.Client, world: ProcessWorld) -> None:
    """Given alice lends 80 million to juno/val-0, and packets that pay stake back are held
    When juno/val-0 signs twice and alice asks for stake elsewhere back
    Then the glance shows her power while it lasts, the tombstone, the burnt stake, and the packet that is held
    """
    alice = world.osmosis.user("alice")
    alice.send(mesh.Bond(300_000_000))
    alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
    alice.send(mesh.StakeRemote("juno", "juno/val-1", 20_000_000))
    world.settle()
    juno = http.get("/v1/mesh").json()["chains"]["juno"]
    first = juno["validators"][0]
    lent = sum(int(validator["virtual"].get("osmosis", 0)) for validator in juno["validators"])
    assert (first["name"], first["virtual"], juno["virtual"]) == ("val-0", {"osmosis": "80000000"}, {"osmosis": str(lent)})
    assert int(first["power"]) == int(first["native"]) + 80_000_000

    world.relayer("hold", {"kind": "unstake"})
    world.fault("double-sign", "juno/val-0")
    world.settle()
    alice.send(mesh.Unstake("juno", "juno/val-1", 5_000_000))
    world.settle()
    glance = http.get("/v1/mesh").json()
    struck = glance["chains"]["juno"]["validators"][0]
    assert (struck["tombstoned"], struck["power"], struck["virtual"]) == (True, "0", {})
    slashes = [(event["chain"], event["type"]) for event in glance["events"] if event["type"] in ("staking/slash", "mesh/fault")]
    assert sorted(slashes) == [("juno", "staking/slash"), ("osmosis", "mesh/fault")]
    relayer = glance["relayers"][0]
    held = [(packet["kind"], packet["source"], packet["waits_for"]) for packet in relayer["packets"]]
    assert (held, relayer["pending"]) == ([("unstake", "osmosis", "held by an operator")], "1")
    world.relayer("release", {"kind": "unstake"})
    world.settle()


def test_a_chain_that_dies_is_seen_to_die_and_to_return(http: httpx.Client, world: ProcessWorld) -> None:
    found = stream(http, "/v1/events?since=juno:0")
    assert next(entry for entry in found if entry[2]["chain"] == "juno")[1] == "block"
    os.kill(world.home.running().children["juno"], signal.SIGKILL)
    told = (kind for _, kind, data in found if data["chain"] == "juno" and kind.startswith("gateway/"))
    assert list(islice(told, 2)) == ["gateway/silent", "gateway/heard"]
    assert until(lambda: http.get("/readyz").status_code == 200)


def test_metrics_count_what_is_handed_on(http: httpx.Client) -> None:
    http.get(f"/chains/juno/v1/txs/{'0' * 64}")
    said = http.get("/metrics").text
    assert 'gateway_proxied_total{kind="chain",name="juno",status="404"}' in said
    assert "gateway_streams 0.0" in said


def settings(**more: Any) -> GatewaySettings:
    pair = topology("pair")
    nobody = {chain.name: "http://127.0.0.1:1" for chain in pair.chains}
    return GatewaySettings(mesh=pair, chains=nobody, relayers={"main": "http://127.0.0.1:1"}, **more)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_gateway_ends_at_once_when_asked_though_streams_are_open(tmp_path: Path) -> None:
    config = written(tmp_path / "gateway.json", codec.encode(settings()))
    command = [sys.executable, "-m", "meshsec.gateway", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(next(line for line in process.stdout if json.loads(line)["event"] == "serving"))
        with httpx.stream("GET", f"http://127.0.0.1:{said['port']}/v1/events") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "id: "
            process.terminate()
            assert list(lines)[-1:] == [""]
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"{}",
        codec.encode(settings()).replace(b'"juno":"http', b'"jno":"http'),
        codec.encode(settings()).replace(b'"relayers":{"main"', b'"relayers":{"second"'),
    ],
)
def test_settings_that_do_not_fit_the_mesh_are_refused(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(written(tmp_path / "gateway.json", content))]) == 2
    assert capsys.readouterr().err.startswith("gateway/bad-settings")


def test_a_busy_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = written(tmp_path / "gateway.json", codec.encode(settings(port=taken.getsockname()[1])))
        assert main(["--config", str(config)]) == 3
    assert capsys.readouterr().err.startswith("process/port-in-use")
