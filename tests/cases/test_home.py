"""Who may run a directory: one supervisor, once the last process of an earlier one has gone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meshsec import home as homes
from meshsec.home import Endpoints, Home, Running, end, write
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.mesh_file import topology


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold a lock as another process would."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(homes, "LEFTOVER_SECONDS", 0.0)


def refused(home: Home) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        home.lock()
    return refusal.value


def test_a_directory_that_a_supervisor_holds_is_refused(tmp_path: Path) -> None:
    with held(Home(tmp_path).lock_file):
        assert refused(Home(tmp_path)).code == "up/already-running"
        assert Home(tmp_path).is_locked()
    assert not Home(tmp_path).is_locked()


def test_a_directory_whose_old_children_still_run_is_refused_and_they_are_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home.running_file, codec.encode(Running(1, Endpoints("", {}, {}), {"osmosis": 4242, "gateway": 4243})))
    with held(home.alive_file):
        refusal = refused(home)
    assert (refusal.code, refusal.facts["processes"]) == ("up/leftover", "4243 4242")


def test_what_an_earlier_supervisor_wrote_is_gone_as_soon_as_another_holds_the_directory(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write(home.running_file, codec.encode(Running(1, Endpoints("", {}, {}), {})))
    home.lock()
    with pytest.raises(Rejected) as refusal:
        Home(tmp_path).running()
    assert refusal.value.code == "mesh/not-running"


def test_a_directory_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(Home(tmp_path / "file")).code == "up/bad-directory"


def test_a_directory_holds_one_mesh_and_keeps_its_genesis_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.create(topology("pair"), 7)
    assert home.create(topology("pair"), 8) == home.manifest()
    assert (first.genesis_time, home.manifest().genesis_time) == (7, 7)
    with pytest.raises(Rejected) as refusal:
        home.create(topology("triangle"), 9)
    assert refusal.value.code == "up/other-mesh"


def test_ending_what_does_not_run_says_so(tmp_path: Path) -> None:
    assert end(Home(tmp_path)) is False
    assert list(tmp_path.iterdir()) == []
