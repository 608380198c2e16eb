"""What this machine and installation have, lack, and may do without: what `meshsec doctor` tells."""

import importlib.util
import os
import platform
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import msgspec
from packaging.requirements import Requirement

from meshsec.home import NOT_RUNNING, Home
from meshsec.supervisor import USUAL_PORT
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.models import load_model, model_names, packages_of

PYTHON = (3, 11)
SQLITE = (3, 35, 0)
"""The first that knows RETURNING."""
FREE_MIB = 500
FILES = 1024
"""File descriptors that a supervisor with many chains and subscribers may need."""


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    OPTIONAL = "optional"
    """It is missing, and what needs it says so."""
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    advice: str = ""
    """What to do about it, or what is not there without it."""


def look(home: Home) -> list[Finding]:
    """Look at everything; nothing is changed but a file that is written into the directory's parent and removed again.

    Args:
        home: the directory of a mesh, which need not exist.
    """
    return [*_installation(), *_machine(), *_directory(home), *_extras()]


def _judged(name: str, good: bool, found: str, advice: str, bad: State = State.BAD) -> Finding:
    return Finding(name, State.OK if good else bad, found, "" if good else advice)


def _installation() -> Iterator[Finding]:
    found = f"{platform.python_version()}, {sys.executable}"
    yield _judged("python", sys.version_info >= PYTHON, found, "install Python 3.11 or newer")
    yield Finding("meshsec", State.OK, f"{version('meshsec')}, {Path(__file__).parent}")
    for line in requires("meshsec") or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield _dependency(needed)
    for name in model_names():
        packages = ", ".join(packages_of(name))
        try:
            load_model(name)
            yield Finding(f"model {name}", State.OK, packages)
        except Rejected as refusal:
            yield Finding(f"model {name}", State.BAD, packages, f"{refusal}: mend or uninstall that package")


def _dependency(needed: Requirement) -> Finding:
    advice = f"pip install '{needed.name}{needed.specifier}'"
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return Finding(needed.name, State.BAD, "missing", advice)
    return _judged(needed.name, needed.specifier.contains(found, prereleases=True), found, advice)


def _machine() -> Iterator[Finding]:
    yield _judged("sqlite", sqlite3.sqlite_version_info >= SQLITE, sqlite3.sqlite_version, "use a Python with a newer SQLite")
    cores = os.cpu_count() or 1
    yield Finding("processor", State.OK, f"{cores} cores, {platform.machine()}, {platform.system()} {platform.release()}")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _judged("open files", files >= FILES, str(files), f"ulimit -n {FILES}")
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
            yield Finding("loopback", State.OK, "127.0.0.1 can be listened on")
        except OSError as error:
            yield Finding("loopback", State.BAD, str(error.strerror), "let programs listen on 127.0.0.1")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken = probe.connect_ex(("127.0.0.1", USUAL_PORT)) == 0
    yield _judged(
        f"port {USUAL_PORT}", not taken, "taken" if taken else "free", "`up` takes another; `--port` names one", State.OPTIONAL
    )


def _directory(home: Home) -> Iterator[Finding]:
    place = next(path for path in (home.path, *home.path.parents) if path.exists())
    probe = place / f".meshsec-doctor-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
        yield Finding("directory", State.OK, f"{home.path} can be written")
    except OSError as error:
        yield Finding("directory", State.BAD, f"{place}: {error.strerror}", "choose another --dir")
    free = shutil.disk_usage(place).free // 2**20
    yield _judged("free space", free >= FREE_MIB, f"{free} MiB", f"a mesh needs {FREE_MIB} MiB")
    yield _mesh(home)


def _mesh(home: Home) -> Finding:
    try:
        chains = ", ".join(chain.name for chain in home.manifest().mesh.chains)
        runs = home.is_locked() and home.running_file.exists()
        away = [name for name, pid in home.running().children.items() if not pid] if runs else []
    except Rejected as refusal:
        if refusal.code == NOT_RUNNING:
            return Finding("mesh", State.OK, "none here yet")
        return Finding("mesh", State.BAD, str(refusal), "choose another --dir")
    found = f"{chains}: {'running' if runs else 'not running'}" + (f"; away: {', '.join(away)}" if away else "")
    return _judged("mesh", not away, found, "they come back by themselves, or by `meshsec relayer start`", State.OPTIONAL)


def _extras() -> Iterator[Finding]:
    for module, gives in (
        ("pytest", "the fixtures mesh_world and mesh_factory"),
        ("hypothesis", "MeshMachine; pip install 'meshsec[machine]'"),
        ("playwright", "tests of the live page, with a chromium"),
    ):
        there = importlib.util.find_spec(module) is not None
        yield _judged(module, there, version(module) if there else "missing", f"it gives {gives}", State.OPTIONAL)
    for program, question, gives in (
        ("docker", "--version", "the mesh in containers"),
        ("docker-compose", "--version", "the mesh in containers"),
        ("chromium", "--version", "tests of the live page"),
        ("go", "version", "CometBFT's light client as a second opinion"),
        ("cargo", "--version", "Rust's light client and ICS-23 as a second opinion"),
    ):
        there = shutil.which(program) is not None
        found = _answer(program, question) if there else "missing"
        yield _judged(program, there, found, f"it gives {gives}", State.OPTIONAL)


def _answer(program: str, question: str) -> str:
    try:
        done = subprocess.run([program, question], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer: {error}"
    return (done.stdout or done.stderr).strip().split("\n")[0]
