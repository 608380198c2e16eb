"""A mesh as a person has it: up, used, broken, down. Whatever dies, nothing is left over and nothing is lost."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import command_line
from command_line import COMMAND, alive, run, until, wait_until_gone
from meshsec.home import Home
from meshsec.world.process import ProcessWorld
from meshsec_node.storage import VERSION
from meshsec_sdk import names

HOUR = 3600 * 10**9
ERIN = names.address("erin", names.chain_name("juno"))
TRANSFER = ("channel=channel-0", "denom=uosmo", "amount=9", f"receiver={ERIN}")

STORIES = Path(__file__).parents[2] / "tools" / "scenarios"


def up(directory: Path, *arguments: str) -> command_line.Answer:
    return run("up", *arguments, "--detach", "--json", "--port", "0", "--dir", directory)


def set_layout(database: Path, version: str) -> None:
    with closing(sqlite3.connect(database)) as base:
        base.execute("UPDATE layout SET version = ?", (version,))
        base.commit()


def pids_of(directory: Path) -> list[int]:
    running = Home(directory).running()
    return [running.pid, *running.children.values()]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("mesh")
    answer = up(directory, "pair")
    assert answer.code == 0, answer
    yield directory
    assert run("down", "--json", "--dir", directory).value == {"stopped": True}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh that has been up, has taken a transaction, and has been ended."""
    directory = tmp_path_factory.mktemp("ended")
    assert up(directory, "pair").code == 0
    pids = pids_of(directory)
    with ProcessWorld.attach(directory) as world:
        world.osmosis.send("faucet", {"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "7"})
    assert run("down", "--dir", directory).code == 0
    assert alive(pids) == []
    return directory


def test_a_mesh_that_is_up_has_open_channels_idle_relayers_and_a_page(mesh: Path) -> None:
    endpoints = Home(mesh).running().endpoints
    relayer = httpx.get(f"{endpoints.relayers['main']}/v1/status").json()
    assert (relayer["ready"], relayer["idle"]) == (True, True)
    assert [len(path["open"]["channels"]) for path in relayer["paths"].values()] == [3]
    chains = {name: httpx.get(f"{url}/v1/status").json() for name, url in endpoints.chains.items()}
    assert {name: (status["ready"], int(status["height"]) > 0) for name, status in chains.items()} == {
        "juno": (True, True),
        "osmosis": (True, True),
    }
    assert httpx.get(endpoints.gateway).status_code == 200


def test_a_second_up_in_the_same_directory_is_refused_and_harms_nothing(mesh: Path) -> None:
    before = pids_of(mesh)
    answer = up(mesh, "pair")
    assert (answer.code, answer.value["code"]) == (3, "up/already-running")
    assert pids_of(mesh) == alive(before) == before


def test_a_busy_port_is_refused_and_leaves_no_process(mesh: Path, tmp_path: Path) -> None:
    port = Home(mesh).running().endpoints.gateway.rpartition(":")[2]
    answer = run("up", "pair", "--detach", "--json", "--port", port, "--dir", tmp_path)
    assert (answer.code, answer.value["code"], answer.value["facts"]["port"]) == (3, "process/port-in-use", port)
    assert not Home(tmp_path).is_locked()


def test_a_mesh_file_with_a_mistake_is_refused_with_its_place_and_nothing_is_made(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("chains:\n  osmosis: {validaters: 3}\n")
    answer = up(tmp_path / "mesh", str(file))
    facts = answer.value["facts"]
    assert (answer.code, answer.value["code"], facts["line"], facts["suggestion"]) == (2, "yaml/unknown-key", "2", "validators")
    assert list(tmp_path.iterdir()) == [file]


def test_a_chain_that_is_killed_comes_back_with_the_state_it_had(mesh: Path) -> None:
    with ProcessWorld.attach(mesh) as world:
        world.relay()
        before = world.osmosis.get("/v1/status")
        killed = Home(mesh).running().children["osmosis"]
        world.crash("osmosis")
        assert alive([killed]) == []
        world.mine()
        after = world.osmosis.get(f"/v1/blocks/{int(before['height']) + 1}")
        assert after["header"]["app_hash"] == before["app_hash"]
        assert after["header"]["last_block_id"]["hash"] == before["block_hash"]


def test_relayers_stay_away_until_they_are_brought_back(mesh: Path) -> None:
    with ProcessWorld.attach(mesh) as world:
        world.relayer("stop")
        assert Home(mesh).running().children["relayer-main"] == 0
        world.crash("juno")
        assert Home(mesh).running().children["relayer-main"] == 0
        world.relayer("start")
        world.relay()
        assert world.relayer("status")["main"]["idle"]


def verb(mesh: Path, *arguments: str) -> Any:
    answer = run(*arguments, "--json", "--dir", mesh)
    assert answer.code == 0, answer
    return answer.value


@pytest.mark.slow
def test_every_verb_that_speaks_to_a_chain_works_on_a_mesh_that_is_up(mesh: Path) -> None:
    receipt = verb(mesh, "tx", "osmosis", "bank/Send", "--from", "carol", "to=dave", "denom=uosmo", "amount=5", "fee=3uosmo")
    assert [event["type"] for event in receipt["events"]] == ["bank/transfer", "bank/transfer"]
    receipt = verb(mesh, "faucet", "juno", "dave", "11ujuno")
    assert receipt["code"] == ""
    assert verb(mesh, "query", "juno", "bank/balances", "address=dave")["balances"] == {"ujuno": "1000000011"}
    account = verb(mesh, "query", "osmosis", "/v1/accounts/dave")
    assert account["balances"] == {"uosmo": "1000000005"}
    path = f"bank/balances/{account['address']}/uosmo"
    proven = verb(mesh, "query", "osmosis", path, "--prove")
    assert (proven["verified"], proven["signed_by"], proven["json"]) == (True, "4", "1000000005")
    absent = verb(mesh, "query", "osmosis", "bank/balances/nobody", "--prove")
    assert (absent["verified"], absent["value"]) == (True, None)


@pytest.mark.slow
def test_every_verb_that_moves_or_breaks_a_mesh_works_while_it_is_up(mesh: Path) -> None:
    before = verb(mesh, "status")
    assert {name: (chain["native"], chain["lent"], chain["problems"]) for name, chain in before["chains"].items()} == {
        "juno": ("400000000", "0", []),
        "osmosis": ("4000000000", "0", []),
    }
    verb(mesh, "fault", "down", "juno/val-3")
    verb(mesh, "heal", "juno/val-3")
    verb(mesh, "fault", "slow", "juno/val-3", "delay=5ms")
    verb(mesh, "fault", "partition", "juno", "val-0,val-1|val-2,val-3")
    (problem,) = verb(mesh, "status")["chains"]["juno"]["problems"]
    assert problem.endswith("more than two thirds are needed; cut off: val-2 (100000000), val-3 (100000000)")
    verb(mesh, "heal")
    verb(mesh, "relayer", "pause")
    paused = verb(mesh, "status")["relayers"]["main"]
    assert paused == {"idle": True, "paused": True, "pending": "0", "problems": [], "faults": ["pause"]}
    verb(mesh, "tx", "osmosis", "transfer/Transfer", "--from", "erin", *TRANSFER)
    verb(mesh, "relayer", "resume")
    moved = verb(mesh, "advance", "12h")["heights"]
    assert all(int(moved[name]) > int(chain["height"]) for name, chain in before["chains"].items())
    after = verb(mesh, "status")
    assert all(int(chain["time"]) - int(before["chains"][name]["time"]) >= 12 * HOUR for name, chain in after["chains"].items())
    verb(mesh, "settle")
    assert verb(mesh, "packets", "list") == {"packets": []}


@pytest.mark.slow
def test_a_packet_can_be_held_traced_and_let_go(mesh: Path) -> None:
    verb(mesh, "packets", "hold", "--kind", "transfer")
    verb(mesh, "tx", "osmosis", "transfer/Transfer", "--from", "erin", *TRANSFER)
    verb(mesh, "relayer", "clear")
    (packet,) = verb(mesh, "packets", "list")["packets"]
    assert (packet["kind"], packet["leg"], packet["waits_for"]) == ("transfer", "recv", "held by an operator")
    assert verb(mesh, "packets", "trace", packet["id"])["packet"]["id"] == packet["id"]
    verb(mesh, "packets", "release")
    verb(mesh, "settle")
    assert verb(mesh, "packets", "trace", packet["id"])["settled"] != ""


def vouchers(directory: Path) -> list[str]:
    held = verb(directory, "query", "juno", "bank/balances", "address=erin")["balances"]
    return [amount for denom, amount in held.items() if denom.startswith("ibc/")]


@pytest.mark.slow
def test_of_two_relayers_each_carries_what_the_mesh_file_says_and_health_tells_who_is_away(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        "chains: {osmosis: , juno: }\nlinks: [{provider: osmosis, consumer: juno}]\n"
        "relayers: [one, {name: two, filter: {deny: [{kind: transfer}]}}]\n"
    )
    directory = tmp_path / "mesh"
    assert up(directory, str(file)).code == 0
    try:
        assert run("relayer", "health", "--json", "--dir", directory).value == {"one": [], "two": []}
        verb(directory, "relayer", "stop", "--relayer", "one")
        answer = run("relayer", "health", "--json", "--dir", directory)
        assert (answer.code, answer.value["two"]) == (1, [])
        (away,) = answer.value["one"]
        assert away.startswith("it does not answer")
        verb(directory, "tx", "osmosis", "transfer/Transfer", "--from", "erin", *TRANSFER)
        verb(directory, "relayer", "clear", "--relayer", "two")
        assert vouchers(directory) == []
        verb(directory, "relayer", "start")
        verb(directory, "settle")
        assert vouchers(directory) == ["9"]
    finally:
        run("down", "--dir", directory)


def test_logs_are_json_lines_of_one_process_or_of_all(mesh: Path) -> None:
    answer = run("logs", "osmosis", "-n", "1000", "--json", "--dir", mesh)
    said = [json.loads(line) for line in answer.out.splitlines()]
    assert {(line["process"], line["chain"]) for line in said} == {("node", "osmosis")}
    assert said[0]["event"] == "serving"
    assert run("logs", "atlantis", "--json", "--dir", mesh).value["code"] == "logs/unknown-process"


def test_a_mesh_of_another_description_is_refused_in_a_directory_that_holds_one(ended: Path) -> None:
    answer = up(ended, "triangle")
    assert (answer.code, answer.value["code"], answer.value["facts"]["holds"]) == (2, "up/other-mesh", "osmosis, juno")


def test_a_mesh_goes_on_where_it_was_and_nobody_has_to_name_it_again(ended: Path, tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    assert up(directory).code == 0
    with ProcessWorld.attach(directory) as world:
        assert world.osmosis.user("bob").balance() == 1_000_000_007
        assert list(world.chains) == ["osmosis", "juno"]
        world.check_laws()
    assert run("down", "--dir", directory).code == 0


def test_a_directory_of_another_version_is_refused_and_left_as_it_is(ended: Path, tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    manifest = directory / "mesh.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"version":"1"', b'"version":"9"'))
    before = manifest.read_bytes()
    answer = up(directory)
    assert (answer.code, answer.value["code"]) == (3, "up/other-version")
    assert manifest.read_bytes() == before


def test_a_directory_with_a_broken_description_is_refused(ended: Path, tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    (directory / "mesh.json").write_bytes(b'{"version":"1"')
    answer = up(directory)
    assert (answer.code, answer.value["code"]) == (3, "up/bad-directory")


def test_a_chain_that_refuses_its_database_ends_the_whole_start_and_says_why(ended: Path, tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    set_layout(directory / "chains" / "juno" / "chain.db", "0")
    answer = up(directory)
    facts = answer.value["facts"]
    assert (answer.code, answer.value["code"]) == (3, "storage/version")
    assert (facts["process"], facts["found"], facts["expected"]) == ("juno", "0", VERSION)
    assert not Home(directory).is_locked()


@pytest.mark.slow
def test_a_chain_that_refuses_to_come_back_harms_no_other_and_returns_when_it_can(ended: Path, tmp_path: Path) -> None:
    """Given a chain that was kept away while its database became another version's
    When it is let back
    Then it refuses again and again, the other chain goes on, and it is there once its database is mended
    """
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    assert up(directory).code == 0
    home = Home(directory)
    home.away("juno").parent.mkdir(exist_ok=True)
    home.away("juno").touch()
    wait_until_gone([home.running().children["juno"]])
    database = directory / "chains" / "juno" / "chain.db"
    set_layout(database, "0")
    home.away("juno").unlink()
    log = home.log("supervisor")
    until(lambda: "storage/version" in log.read_text())
    with ProcessWorld.attach(directory) as world:
        assert world.osmosis.user("bob").balance() == 1_000_000_007
        home.away("juno").touch()
        until(lambda: home.running().children["juno"] == 0)
        set_layout(database, VERSION)
        home.away("juno").unlink()
        assert world.juno.user("bob").balance() == 1_000_000_000
    assert run("down", "--dir", directory).code == 0


@pytest.mark.slow
def test_the_children_of_a_killed_supervisor_end_and_the_next_up_goes_on(ended: Path, tmp_path: Path) -> None:
    """Given a mesh whose supervisor is killed without warning
    When it is started again at once
    Then the last process of the old one has gone before the first new one starts, and everything is there
    """
    directory = tmp_path / "mesh"
    shutil.copytree(ended, directory)
    assert up(directory).code == 0
    supervisor, *children = pids_of(directory)
    os.kill(supervisor, signal.SIGKILL)
    assert up(directory).code == 0
    assert alive(children) == []
    with ProcessWorld.attach(directory) as world:
        assert world.osmosis.user("bob").balance() == 1_000_000_007
    assert run("down", "--json", "--dir", directory).value == {"stopped": True}
    assert run("down", "--json", "--dir", directory).value == {"stopped": False}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)], ids=["ctrl-c", "kill"])
def test_a_mesh_in_the_foreground_ends_with_its_command(tmp_path: Path, number: int, code: int) -> None:
    command = [*COMMAND, "up", "pair", "--port", "0", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready in ")
        assert Home(tmp_path).running().endpoints.gateway in ready
        pids = pids_of(tmp_path)
        process.send_signal(number)
        assert process.wait(command_line.DEADLINE_SECONDS) == code
    wait_until_gone(pids)
    assert not Home(tmp_path).is_locked()


@pytest.mark.slow
def test_nato_is_played_on_a_mesh_that_is_up(tmp_path: Path) -> None:
    assert up(tmp_path, "pair").code == 0
    answer = run("scenario", "run", STORIES / "nato.yaml", "--world", "running", "--json", "--dir", tmp_path)
    assert (answer.code, answer.value["passed"]) == (0, True)
    other = run("scenario", "run", STORIES / "crash.yaml", "--world", "running", "--json", "--dir", tmp_path)
    assert (other.code, other.value["code"]) == (2, "scenario/other-mesh")
    assert run("down", "--json", "--dir", tmp_path).code == 0
