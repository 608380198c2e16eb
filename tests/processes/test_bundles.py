"""A snapshot as one file: exported from one directory, played on in another, refused where it does not belong."""

import json
import zipfile
from pathlib import Path

import pytest

from command_line import run
from meshsec import ProcessWorld, mesh


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    """A mesh's directory, a bundle of its snapshot `lent`, and where its chains were."""
    home = tmp_path_factory.mktemp("first") / "mesh"
    with ProcessWorld("pair", home=home) as world:
        alice = world.osmosis.user("alice")
        alice.send(mesh.Bond(100_000_000))
        alice.send(mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
        world.settle()
        saved = run("snapshot", "save", "lent", "--dir", home, "--json")
        assert (saved.code, saved.value["verb"]) == (0, "snapshot")
        heights = saved.value["heights"]
        listed = run("snapshot", "list", "--dir", home, "--json").value["snapshots"]
        assert [(item["name"], item["heights"]) for item in listed] == [("lent", heights)]
        world.osmosis.user("alice").send(mesh.Bond(5))
        gone = run("snapshot", "revert", "lent", "--dir", home, "--json")
        assert (gone.code, gone.value["heights"]) == (0, heights)
        bundle = home.parent / "lent.mesh"
        written = run("snapshot", "export", "lent", bundle, "--dir", home, "--json")
        assert (written.code, written.value["heights"]) == (0, heights)
        again = run("snapshot", "export", "lent", bundle, "--dir", home, "--json")
        assert (again.code, again.value["code"]) == (2, "bundle/cannot-write")
        assert run("snapshot", "delete", "lent", "--dir", home, "--json").value == {"deleted": "lent"}
        unknown = run("snapshot", "revert", "lent", "--dir", home, "--json")
        assert (unknown.code, unknown.value["code"]) == (2, "snapshot/not-found")
    return home, bundle, heights


@pytest.mark.slow
def test_a_bundle_is_played_on_in_a_new_directory_with_all_its_history(
    exported: tuple[Path, Path, dict[str, str]], tmp_path: Path
) -> None:
    _, bundle, heights = exported
    home = tmp_path / "mesh"
    assert run("snapshot", "import", bundle, "--dir", home, "--json").value == {"name": "lent", "heights": heights}
    with ProcessWorld("pair", home=home) as world:
        world.revert("lent")
        world.settle()
        assert world.osmosis.query("mesh/provider", "vault", user="alice")["collateral"] == "100000000"
        assert world.juno.find_validator("val-0")["power"] == "180000000"
        assert world.osmosis.get("/v1/blocks/1")["height"] == "1"
        world.osmosis.user("alice").send(mesh.StakeRemote("juno", "juno/val-1", 10_000_000))
        world.settle()
        assert world.juno.find_validator("val-1")["power"] == "110000000"


@pytest.mark.slow
def test_a_bundle_comes_back_into_the_directory_it_is_of(exported: tuple[Path, Path, dict[str, str]]) -> None:
    home, bundle, heights = exported
    assert run("snapshot", "import", bundle, "--dir", home, "--json").code == 0
    with ProcessWorld("pair", home=home) as world:
        assert [found.name for found in world.snapshots()] == ["lent"]
        world.revert("lent")
        assert {name: str(chain.height) for name, chain in world.chains.items()} == heights


def altered(bundle: Path, target: Path, part: str, raw: bytes) -> Path:
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, raw if name == part else source.read(name))
    return target


def label(bundle: Path, **changes: str) -> bytes:
    with zipfile.ZipFile(bundle) as archive:
        return json.dumps(json.loads(archive.read("label.json")) | changes).encode()


@pytest.mark.slow
def test_bundles_that_do_not_belong_here_are_refused_and_leave_nothing(
    exported: tuple[Path, Path, dict[str, str]], tmp_path: Path
) -> None:
    _, bundle, _ = exported
    no_zip = tmp_path / "no.zip"
    no_zip.write_bytes(b"PK but not really")
    refused = {
        no_zip: "bundle/not-readable",
        tmp_path / "missing": "bundle/not-readable",
        altered(bundle, tmp_path / "a", "label.json", b"{"): "bundle/not-readable",
        altered(bundle, tmp_path / "b", "label.json", label(bundle, version="0")): "bundle/other-version",
        altered(bundle, tmp_path / "c", "label.json", label(bundle, storage="7")): "bundle/other-version",
        altered(bundle, tmp_path / "d", "juno.db", b"other rows"): "bundle/damaged",
    }
    for file, code in refused.items():
        answer = run("snapshot", "import", file, "--dir", tmp_path / "mesh", "--json")
        assert (answer.code, answer.value["code"]) == (2, code)
    assert not (tmp_path / "mesh").exists()


@pytest.mark.slow
def test_a_bundle_of_another_mesh_is_refused(exported: tuple[Path, Path, dict[str, str]], tmp_path: Path) -> None:
    _, bundle, _ = exported
    with ProcessWorld("pair", home=tmp_path / "mesh"):
        pass
    answer = run("snapshot", "import", bundle, "--dir", tmp_path / "mesh", "--json")
    assert (answer.code, answer.value["code"], answer.value["facts"]["differs"]) == (2, "bundle/foreign-mesh", "genesis time")
