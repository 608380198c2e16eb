"""What docs/harness.md shows is what runs: its files are taken out of the page and played as a stranger would play them."""

import re
from pathlib import Path

import pytest

from architecture import ROOT
from distributions import install
from meshsec.scenario.document import read
from meshsec.scenario.run import play
from meshsec.world.sim import SimWorld

pytest_plugins = "pytester"

PAGE = (ROOT / "docs" / "harness.md").read_text()
FILES = dict(re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", PAGE, flags=re.DOTALL))


def test_the_page_shows_a_test_a_model_its_mesh_and_its_test() -> None:
    assert sorted(FILES) == ["first.yaml", "mesh.yaml", "softcap.py", "test_first.py", "test_softcap.py"]


def test_the_story_of_the_page_is_told(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(FILES["first.yaml"])
    story = read(tmp_path / "first.yaml")
    with SimWorld(story.mesh, seed=story.seed) as world:
        outcome = play(story, world, lambda _: None)
    assert outcome.passed, outcome.steps[-1]


@pytest.mark.slow
def test_the_files_of_the_page_pass(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "softcap", {"softcap.py": FILES["softcap.py"]}, softcap="softcap:SOFTCAP")
    for name in ("mesh.yaml", "test_first.py", "test_softcap.py"):
        (pytester.path / name).write_text(FILES[name])
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=5)
