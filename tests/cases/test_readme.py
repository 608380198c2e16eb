"""The README keeps up with what there is."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_tells_of_every_story() -> None:
    readme = (ROOT / "README.md").read_text()
    stories = sorted((ROOT / "tools" / "scenarios").glob("*.yaml"))
    assert [file.name for file in stories if f"`{file.name}`" not in readme] == []
