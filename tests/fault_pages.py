"""The pages about faults, as tests read them: docs/faults.md, and docs/faults/KIND.md for each kind."""

import re
from dataclasses import dataclass
from pathlib import Path

from architecture import ROOT

OVERVIEW = ROOT / "docs" / "faults.md"
PAGES = ROOT / "docs" / "faults"

HEADINGS = ["What it does", "Try it", "What the protocol promises", "How to watch it", "How it ends", "In a story"]

ANY = "…"
"""Stands in a line that a page shows for what differs from run to run."""


@dataclass(frozen=True)
class Command:
    """One line of a session, and the lines that the page shows of its answer."""

    line: str
    shown: tuple[str, ...]

    @property
    def is_refused(self) -> bool:
        """Whether the page shows that the command fails."""
        return any(re.search(r"(^|: )[a-z]+/[a-z-]+(: |$)", line) for line in self.shown)


def text(kind: str) -> str:
    """The page of a kind."""
    return (PAGES / f"{kind}.md").read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """Heading to what stands under it."""
    return dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def session(page: str) -> list[Command]:
    """What `Try it` types, line by line; `# ` begins a line of the answer."""
    found: list[Command] = []
    for line in "".join(blocks(sections(page)["Try it"], "sh")).splitlines():
        if line.startswith("#"):
            found[-1] = Command(found[-1].line, (*found[-1].shown, line.removeprefix("#").strip()))
        else:
            found.append(Command(line, ()))
    return found


def commands(page: Path) -> list[str]:
    """Every command that a page names, in its shell blocks and in its sentences."""
    written = page.read_text(encoding="utf-8")
    lines = "".join(blocks(written, "sh")).splitlines()
    named = re.findall(r"`(meshsec [^`]+)`", re.sub(r"^```.*?^```", "", written, flags=re.MULTILINE | re.DOTALL))
    return [" ".join(line.split()) for line in (*lines, *named) if line.startswith("meshsec ")]


def shows(line: str, printed: list[str]) -> bool:
    """Tell whether an answer has a line like the one that is shown."""
    pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split(ANY))
    return any(re.fullmatch(pattern, " ".join(each.split())) for each in printed)
