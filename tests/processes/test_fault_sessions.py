"""What the pages about faults show is what happens: every session is played on processes, and prints the lines that it shows."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import run
from fault_pages import PAGES, blocks, session, shows
from meshsec.cli.app import main

START = "start"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Meshes that are up, by what `up` was told; each goes back to its start for the next page."""
    found: dict[str, Path] = {}
    yield found
    for home in found.values():
        assert main(["down", "--dir", str(home)]) == 0


@contextmanager
def at_its_start(homes: dict[str, Path], mesh: str, directory: Path) -> Iterator[Path]:
    """Lend a mesh that has just been booted, or is as if."""
    if mesh not in homes:
        home = directory.parent / f"mesh-{len(homes)}"
        answer = run("up", mesh, "--detach", "--dir", home)
        assert answer.code == 0, answer
        homes[mesh] = home
        assert main(["snapshot", "save", START, "--dir", str(home)]) == 0
    try:
        yield homes[mesh]
    finally:
        assert main(["snapshot", "revert", START, "--dir", str(homes[mesh])]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.stem)
def test_a_session_goes_as_its_page_shows(
    page: Path,
    homes: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    for written in blocks(text, "yaml"):
        if written.startswith("# market.yaml"):
            Path("market.yaml").write_text(written)
    first, *lines, _ = session(text)
    with at_its_start(homes, shlex.split(first.line)[2], tmp_path) as home:
        for command in lines:
            words, _, rest = command.line.partition(" | ")
            capsys.readouterr()
            code = main([*shlex.split(words)[1:], "--dir", str(home)])
            printed = "".join(capsys.readouterr())
            if rest:
                printed = subprocess.run(["sh", "-c", rest], input=printed, capture_output=True, text=True, check=False).stdout
            assert (code != 0) == command.is_refused, (command.line, printed)
            missing = [line for line in command.shown if not shows(line, printed.splitlines())]
            assert not missing, (command.line, printed)
