"""The page about scenarios: every story has its own part, and what it tells newcomers to write runs as it stands."""

import re
from pathlib import Path

import pytest

from meshsec import Scenario
from support import TESTS

ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "scenarios.md").read_text()
STORIES = sorted(file.name for file in (ROOT / "tools" / "scenarios").glob("*.yaml"))


def block(language: str, containing: str) -> str:
    """The one block of code of the page that holds a text."""
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if containing in code]
    return str(found)


def test_there_are_at_least_twenty_stories_and_each_has_its_part_of_the_page_and_nothing_else_has() -> None:
    assert len(STORIES) >= 20
    assert sorted(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == STORIES


@pytest.mark.parametrize("story", STORIES)
def test_a_story_s_part_says_what_it_teaches_what_to_watch_and_how_to_run_it(story: str) -> None:
    part = PAGE.split(f"\n### {story}\n")[1].split("\n### ")[0]
    assert [len(re.findall(rf"^\*\*{word}\.\*\* \S", part, re.MULTILINE)) for word in ("Teaches", "Watch")] == [1, 1]
    assert f"meshsec scenario run tools/scenarios/{story}\n" in part


def test_the_first_scenario_goes_as_the_page_says_and_fails_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(block("yaml", "My first scenario"))
    assert Scenario.read(file).run().passed
    file.write_text(file.read_text().replace("96_000_000", "95_000_000"))
    failed = Scenario.read(file).run()
    assert failed.failed_step is not None
    assert [(each.place, each.expected, each.found) for each in failed.failed_step.differences] == [
        ("osmosis: vault of alice › collateral", "95000000", "96000000")
    ]


def test_the_page_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(block("yaml", "My first scenario"))
    exec(block("python", "from meshsec import Scenario"), {})
    assert (tmp_path / capsys.readouterr().out.strip()).is_file()
