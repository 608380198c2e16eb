"""For when something is wrong: what `doctor` finds, what `dump` collects, and what a shell offers."""

import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from command_line import COMMAND
from meshsec import checkup, dump
from meshsec.checkup import Finding, State
from meshsec.cli.app import main
from meshsec.home import Home
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import GENESIS_TIME, topology

Patch = pytest.MonkeyPatch


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: Patch) -> Path:
    """A place with no program on the path: asking them takes longer than all the rest."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def named(found: list[Finding], name: str) -> Finding:
    (finding,) = [finding for finding in found if finding.name == name]
    return finding


def test_doctor_finds_nothing_to_mend_where_the_tests_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--dir", str(tmp_path / "mesh")]) == 0
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {
        "python",
        "meshsec",
        "fastapi",
        "model mesh",
        "sqlite",
        "loopback",
        "free space",
        "mesh",
        "hypothesis",
    } <= found.keys()
    assert {finding["state"] for finding in found.values()} <= {"ok", "optional"}
    assert found["mesh"]["found"] == "none here yet"
    assert list(tmp_path.iterdir()) == []


def too_old(patch: Patch) -> None:
    patch.setattr(checkup, "PYTHON", (9, 0))


def no_library(patch: Patch) -> None:
    patch.setattr(checkup, "requires", lambda _name: ["fastapi>=0.115", "no-such-library>=2", "unwanted; extra == 'dev'"])


def old_library(patch: Patch) -> None:
    patch.setattr(checkup, "requires", lambda _name: ["msgspec>=99"])


def few_files(patch: Patch) -> None:
    patch.setattr(checkup.resource, "getrlimit", lambda _kind: (64, 64))


def full_disk(patch: Patch) -> None:
    patch.setattr(checkup, "FREE_MIB", 10**12)


def broken_model(patch: Patch) -> None:
    def load(name: str) -> Any:
        raise Rejected("model/broken", model=name)

    patch.setattr(checkup, "load_model", load)


AILMENTS: dict[str, tuple[Callable[[Patch], None], str, str]] = {
    "an old Python": (too_old, "python", "install Python 3.11 or newer"),
    "a library that is not there": (no_library, "no-such-library", "pip install 'no-such-library>=2'"),
    "a library that is too old": (old_library, "msgspec", "pip install 'msgspec>=99'"),
    "few open files": (few_files, "open files", "ulimit -n 1024"),
    "a full disk": (full_disk, "free space", f"a mesh needs {10**12} MiB"),
    "a model that cannot be loaded": (broken_model, "model mesh", "model/broken (model=mesh): mend or uninstall that package"),
}


@pytest.mark.parametrize("ailment", AILMENTS)
def test_doctor_says_what_is_bad_and_what_to_do(ailment: str, bare: Path, monkeypatch: Patch) -> None:
    spoil, name, advice = AILMENTS[ailment]
    spoil(monkeypatch)
    found = checkup.look(Home(bare / "mesh"))
    assert (named(found, name).state, named(found, name).advice) == (State.BAD, advice)
    assert all(finding.name != "unwanted" for finding in found)
    assert main(["doctor", "--dir", str(bare / "mesh")]) == 1


def test_doctor_sees_a_directory_that_nothing_can_be_written_to(bare: Path) -> None:
    (bare / "file").write_bytes(b"")
    finding = named(checkup.look(Home(bare / "file" / "mesh")), "directory")
    assert (finding.state, finding.advice) == (State.BAD, "choose another --dir")


def test_doctor_sees_a_mesh_of_another_version(bare: Path) -> None:
    home = Home(bare / "mesh")
    home.create(topology("pair"), GENESIS_TIME)
    assert named(checkup.look(home), "mesh").found == "osmosis, juno: not running"
    home.manifest_file.write_bytes(home.manifest_file.read_bytes().replace(b'"version":"1"', b'"version":"0"'))
    assert named(checkup.look(home), "mesh").state is State.BAD


def test_what_is_only_useful_is_told_apart_from_what_is_needed(bare: Path) -> None:
    found = checkup.look(Home(bare / "mesh"))
    assert named(found, "docker") == Finding("docker", State.OPTIONAL, "missing", "it gives the mesh in containers")
    assert not [finding for finding in found if finding.state is State.BAD]


def test_dump_of_a_mesh_that_does_not_run_holds_what_lies_there_and_no_token(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("MESHSEC_SEEDS", "7")
    monkeypatch.setenv("MESHSEC_TOKEN", "hush")
    monkeypatch.setattr(dump, "LOG_BYTES", 10)
    home = Home(tmp_path / "mesh")
    home.create(topology("pair"), GENESIS_TIME)
    home.log("osmosis").write_bytes(b"older and newer log\n")
    run = home.path / "runs" / "nato"
    run.mkdir(parents=True)
    (run / "results.json").write_bytes(b"{}")
    file = tmp_path / "dump.zip"
    names = dump.collect(home, file)
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == names
        assert names == ["doctor.json", "environment.json", "mesh.json", "logs/osmosis.log", "runs/nato/results.json"]
        assert archive.read("environment.json") == b'{"MESHSEC_SEEDS":"7"}'
        assert archive.read("logs/osmosis.log") == b"newer log\n"
        assert {finding["name"] for finding in json.loads(archive.read("doctor.json"))} >= {"python", "mesh"}
    with pytest.raises(Rejected) as refusal:
        dump.collect(home, file)
    assert refusal.value.code == "dump/cannot-write"
    assert main(["dump", "--out", str(tmp_path / "no" / "where.zip")]) == 2


def offered(words: str, directory: Path) -> list[str]:
    asked = {"_MESHSEC_COMPLETE": "complete_bash", "COMP_WORDS": f"meshsec {words}", "COMP_CWORD": str(words.count(" ") + 1)}
    script = "from meshsec.cli import main; main()"
    done = subprocess.run(
        [COMMAND[0], "-c", script], env={**os.environ, **asked}, capture_output=True, text=True, cwd=directory, check=False
    )
    return done.stdout.split()


def test_the_shell_offers_verbs_chains_messages_faults_and_stories(tmp_path: Path) -> None:
    Home(tmp_path / ".mesh").create(topology("pair"), GENESIS_TIME)
    (tmp_path / "mine.yaml").write_bytes(b"")
    assert offered("sna", tmp_path) == ["snapshot"]
    assert offered("tx ", tmp_path) == ["osmosis", "juno"]
    assert offered("tx osmosis mesh/StakeR", tmp_path) == ["mesh/StakeRemote"]
    assert offered("fault part", tmp_path) == ["partition"]
    assert offered("scenario run hei", tmp_path) == ["heist"]
    assert offered("scenario run mi", tmp_path) == ["mine.yaml"]
    assert offered("up tri", tmp_path) == ["triangle"]


def test_what_doctor_calls_needed_is_what_the_package_asks_for(bare: Path) -> None:
    found = {finding.name for finding in checkup.look(Home(bare / "mesh"))}
    asked = {line.split(">")[0].split("[")[0] for line in metadata.requires("meshsec") or () if "extra" not in line}
    assert asked <= found
