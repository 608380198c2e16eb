"""The command line: what it prints, and which exit code says whose fault it was."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meshsec import verbs
from meshsec.cli.answer import exit_code
from meshsec.cli.app import main
from meshsec.scenario import run as running
from meshsec.scenario.place import check_mesh
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_node.version import VERSION
from meshsec_sdk import mesh_yaml
from meshsec_sdk.mesh_file import topology

STORY = """
scenario: v1
mesh: pair
steps:
  - mesh/Bond: {from: osmosis/alice, amount: 100uosmo}
expect:
  osmosis: {balances: {alice: 999_999_900uosmo}}
"""

PROMISED = "up down status logs doctor dump init tx query faucet advance settle fault heal crash relayer packets scenario bench"


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(STORY)
    return path


def test_the_command_line_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == VERSION


def test_a_story_that_does_not_exist_is_answered_with_one_that_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "plan", "natto", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["code"], said["facts"]["suggestion"]) == ("scenario/unknown-story", "nato")


def test_a_story_may_name_the_file_of_its_mesh_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mesh.yaml").write_text("chains: {osmosis: {balances: {alice: 7uosmo}}}")
    (tmp_path / "story.yaml").write_text(
        "scenario: v1\nmesh: mesh.yaml\nsteps:\n  - expect: {osmosis: {balances: {alice: 7uosmo}}}\n"
    )
    assert main(["scenario", "run", str(tmp_path / "story.yaml"), "--dir", str(tmp_path), "--json"]) == 0
    (tmp_path / "story.yaml").write_text("scenario: v1\nmesh: mash.yaml\nsteps: [settle]\n")
    capsys.readouterr()
    assert main(["scenario", "plan", str(tmp_path / "story.yaml"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "yaml/unreadable"


def test_help_names_every_verb_that_is_promised(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [verb for verb in PROMISED.split() if f"\n  {verb} " not in out] == []


@pytest.mark.parametrize("module", ["meshsec", "meshsec.cli.app"])
def test_importing_the_face_or_the_command_line_loads_nothing_heavy(module: str) -> None:
    heavy = "fastapi", "httpx", "rich", "meshsec_core", "meshsec_node", "yaml", "uvicorn"
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_verb_speaks_json_and_knows_its_directory(capsys: pytest.CaptureFixture[str]) -> None:
    alone = [verb for verb in PROMISED.split() if verb not in ("packets", "relayer", "scenario")]
    grouped = [f"packets {verb}" for verb in ("list", "trace", "hold", "release", "delay", "duplicate", "reorder", "drop")]
    orders = ("status", "health", "pause", "resume", "step", "clear", "stop", "start", "update-client", "link", "channel")
    grouped += [f"relayer {verb}" for verb in orders]
    for verb in (*alone, *grouped, "scenario plan", "scenario run"):
        assert main([*verb.split(), "--help"]) == 0
        out = capsys.readouterr().out
        assert "--json" in out, verb
        assert ("--dir" in out) is (verb not in ("init", "bench", "scenario plan", "scenario verify")), verb


BAD_INPUT: dict[str, tuple[list[str], int, str]] = {
    "an unknown verb": (["dance"], 2, "cli/usage"),
    "an unknown option": (["up", "--prot", "1"], 2, "cli/usage"),
    "no file": (["scenario", "run"], 2, "cli/usage"),
    "a story that is not there": (["scenario", "run", "nowhere.yaml"], 2, "yaml/unreadable"),
    "an unknown topology": (["init", "moebius"], 2, "mesh-file/unknown-topology"),
    "a message that nobody knows": (["tx", "osmosis", "mesh/Bnod", "amount=1"], 2, "verbs/unknown"),
    "a verb that is no message": (["tx", "osmosis", "settle"], 2, "verbs/not-a-message"),
    "a parameter without a value": (["tx", "osmosis", "mesh/Bond", "amount"], 2, "cli/bad-pair"),
    "a parameter twice": (["tx", "osmosis", "mesh/Bond", "amount=1", "amount=2"], 2, "cli/bad-pair"),
    "a parameter that nobody knows": (["tx", "osmosis", "mesh/Bond", "amuont=1"], 2, "verbs/unknown-parameter"),
    "an amount that is none": (["tx", "osmosis", "mesh/Bond", "amount=-5uosmo"], 2, "verbs/bad-value"),
    "a block time that is none": (["up", "--block-time", "soon"], 2, "cli/bad-block-time"),
    "a mesh that does not run": (["status"], 3, "mesh/not-running"),
    "a transaction for a mesh that does not run": (["tx", "osmosis", "mesh/Bond", "amount=1"], 3, "mesh/not-running"),
    "logs of a mesh that never ran": (["logs"], 3, "mesh/not-running"),
}


@pytest.mark.parametrize(("arguments", "code", "problem"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_answered_by_its_code_in_one_line_or_as_json(
    arguments: list[str],
    code: int,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    plain = capsys.readouterr()
    assert plain.out == ""
    assert plain.err.startswith(f"{problem}: ")
    assert plain.err.count("\n") == 1
    assert main([*arguments, "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert (answer["code"], sorted(answer)) == (problem, ["code", "facts", "message"])
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_story_is_answered_with_its_place(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_text(STORY.replace("mesh/Bond", "mesh/Bnod"))
    assert main(["scenario", "run", str(story), "--json", "--dir", str(story.parent)]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["code"], answer["facts"]["line"], answer["facts"]["suggestion"]) == ("verbs/unknown", "5", "mesh/Bond")


def play(story: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["scenario", "run", str(story), "--json", "--dir", str(story.parent / "mesh")])
    return code, json.loads(capsys.readouterr().out)


def test_a_story_that_passes_leaves_a_directory_and_the_same_digest_each_time(
    story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = play(story, capsys)
    assert (code, answer["passed"], "failed_step" in answer, len(answer["steps"])) == (0, True, False, 3)
    files = sorted(path.name for path in Path(answer["run_dir"]).iterdir())
    assert files == ["history.jsonl", "replay.sh", "report.html", "results.json", "scenario.json"]
    _, again = play(story, capsys)
    assert again["digest"] == answer["digest"]
    assert again["run_dir"] != answer["run_dir"]


def test_a_story_that_fails_is_exit_code_1_and_names_its_step_and_what_differs(
    story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story.write_text(STORY.replace("999_999_900", "999_999_901"))
    code, answer = play(story, capsys)
    assert (code, answer["passed"], answer["failed_step"]["code"]) == (1, False, "scenario/unexpected")
    (difference,) = answer["failed_step"]["differences"]
    assert (difference["expected"], difference["found"]) == ("999999901", "999999900")


def test_a_plan_shows_the_steps_and_starts_nothing(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "plan", str(story)]) == 0
    assert "mesh/Bond  osmosis/alice           amount: 100uosmo" in capsys.readouterr().out
    assert main(["scenario", "plan", str(story), "--json"]) == 0
    assert [step["verb"] for step in json.loads(capsys.readouterr().out)["steps"]] == ["mesh/Bond", "end", "expect"]
    assert list(story.parent.iterdir()) == [story]


def test_all_mistakes_of_a_story_are_told_at_once_each_in_a_line(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_text(
        STORY.replace("mesh/Bond", "mesh/Bnod").replace("{alice: 999", "{alice: 999, bob").replace("osmosis:", "osmo:")
    )
    assert main(["scenario", "plan", str(story)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["verbs/unknown", "yaml/unknown-key"]
    assert main(["scenario", "plan", str(story), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [answer["facts"]["line"], *(each["facts"]["line"] for each in answer["more"])] == ["5", "7"]


def test_a_mesh_file_that_init_writes_describes_the_topology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mesh.yaml"
    assert main(["init", "star:3", "--out", str(file)]) == 0
    assert mesh_yaml.load(str(file)) == topology("star:3")
    written = file.read_text()
    assert main(["init", "pair", "--out", str(file)]) == 2
    assert file.read_text() == written
    assert "init/cannot-write" in capsys.readouterr().err


def test_a_story_is_played_on_any_running_mesh_that_has_its_chains_and_its_links() -> None:
    pair = topology("pair")
    check_mesh(pair, topology("triangle"))
    dear = msgspec.structs.replace(pair.links[0], price_e18=2 * 10**18)
    poor = msgspec.structs.replace(pair.chains[1], balances={"alice": 1})
    others = {
        "links": msgspec.structs.replace(pair, links=(dear, *pair.links[1:])),
        "balances": msgspec.structs.replace(pair, chains=(pair.chains[0], poor)),
    }
    for differs, other in others.items():
        with pytest.raises(Rejected) as refusal:
            check_mesh(pair, other)
        assert (refusal.value.code, refusal.value.facts["differs"]) == ("scenario/other-mesh", differs)
    with pytest.raises(Rejected) as missing:
        check_mesh(topology("triangle"), pair)
    assert missing.value.facts["missing"] == "axelar"


def test_every_message_is_listed_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tx", "osmosis", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == {name for name, verb in verbs.registry().items() if verb.message is not None}
    assert [param["name"] for param in listed["mesh/StakeRemote"]["parameters"]] == ["fee", "consumer", "validator", "amount"]


@pytest.mark.parametrize(
    ("error", "code", "problem"),
    [(InvariantViolated("supply differs"), 1, "scenario/law-broken"), (ZeroDivisionError("oops"), 3, "cli/bug")],
    ids=["a broken law", "a bug"],
)
def test_what_nobody_foresaw_is_one_line_too(
    error: Exception, code: int, problem: str, story: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(running, "_do", broken)
    code_found, answer = play(story, capsys)
    told = answer.get("failed_step", answer)
    assert (code_found, told["code"]) == (code, problem)


def test_exit_codes_tell_bad_input_from_infrastructure() -> None:
    expected = {
        "bank/insufficient-funds": 2,
        "mesh/claims-locked": 2,
        "yaml/bad-value": 2,
        "up/other-mesh": 2,
        "scenario/other-mesh": 2,
        "world/unknown-chain": 2,
        "up/already-running": 3,
        "process/port-in-use": 3,
        "storage/version": 3,
        "mesh/not-running": 3,
        "world/stuck": 3,
        "client/unreachable": 3,
        "world/law-broken": 1,
    }
    assert {code: exit_code(code) for code in expected} == expected
