"""What strangers get: the wheel alone, a project of their own, and nothing of our source tree."""

import json
import os
import re
import shutil
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from architecture import ROOT

PACKAGES = ("meshsec", "meshsec_core", "meshsec_node", "meshsec_relayer", "meshsec_sdk")
EXAMPLE = ROOT / "examples" / "surety"

WHERE = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]), *sys.path, sep='\\n')"

pytestmark = pytest.mark.slow


def run(*command: str | Path, at: Path) -> str:
    """Run a command as somebody would whose shell knows nothing of this project; return what it says."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST"))}
    done = subprocess.run([*map(str, command)], cwd=at, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment."""
    directory = tmp_path_factory.mktemp("stranger")
    venv.create(directory / "venv", with_pip=True)
    return directory


def pip(home: Path, *arguments: str | Path) -> None:
    run(home / "venv" / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments, at=home)


@pytest.fixture(scope="module")
def wheel(home: Path) -> Path:
    pip(home, "wheel", "--no-deps", "-w", home / "dist", ROOT)
    return next((home / "dist").glob("meshsec-*.whl"))


@pytest.fixture(scope="module")
def stranger(home: Path, wheel: Path) -> Path:
    """The same environment with the wheel, the example and its copy."""
    project = home / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    pip(home, "install", wheel, f"{project}[test]", "mypy")
    return home


def test_the_wheel_holds_whatever_the_packages_use(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    page = [
        path.relative_to(ROOT / "tools").as_posix() for path in (ROOT / "tools/meshsec/gateway/page").rglob("*") if path.is_file()
    ]
    assert page
    assert set(page) <= set(names)
    stories = {f"meshsec/scenarios/{path.name}" for path in (ROOT / "tools/scenarios").glob("*.yaml")}
    assert "meshsec/scenarios/nato.yaml" in stories
    assert stories <= set(names)
    assert not [name for name in names if not name.startswith((*(f"{package}/" for package in PACKAGES), "meshsec-"))]


def test_a_project_of_somebody_else_tests_its_model_with_the_wheel_alone(stranger: Path) -> None:
    binaries, project = stranger / "venv" / "bin", stranger / "project"
    said = run(binaries / "python", "-m", "pytest", "-p", "no:cacheprovider", at=project)
    assert re.search(r"\b[1-9][0-9]* passed", said)
    lines = run(binaries / "python", "-c", WHERE, *PACKAGES, "surety", at=stranger).splitlines()
    assert lines
    assert not [line for line in lines if Path(line).is_relative_to(ROOT)]

    models = json.loads(run(binaries / "meshsec", "models", "--json", at=stranger))
    assert models["surety"]["measures"] == ["surety/measures/at-stake"]
    messages = json.loads(run(binaries / "meshsec", "tx", "osmosis", "list", "--json", at=stranger))
    assert messages["surety/Pledge"]["help"] == "Stand surety for a validator of another chain."
    told = json.loads(run(binaries / "meshsec", "scenario", "run", "betrayal.yaml", "--json", at=project))
    assert told["passed"] is True
    told = json.loads(run(binaries / "meshsec", "scenario", "run", "smoke", "--json", at=stranger))
    assert told["passed"] is True


def test_the_packages_are_typed_for_whoever_checks_a_model_of_their_own(stranger: Path) -> None:
    said = run(stranger / "venv" / "bin" / "mypy", "--strict", "surety.py", at=stranger / "project")
    assert said.startswith("Success")
