"""A page that tells a run to people: what was done, what was expected, and where it broke."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from meshsec.scenario.document import Story
from meshsec.scenario.expect import Difference
from meshsec.scenario.outcome import Played

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2a9d5c; --bad: #d1434b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } .verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
ol { list-style: none; padding: 0; }
li { border-top: 1px solid var(--line); padding: .5rem 0; display: grid;
grid-template-columns: 3rem 1fr auto; gap: .5rem; } code { font-size: .85rem; }
.note { opacity: .8; } table { border-collapse: collapse; margin-top: .3rem; }
td, th { text-align: left; padding: .1rem .8rem .1rem 0; }
"""


def write_page(path: Path, scenario: Story, steps: Iterable[Played], passed: bool, replay: str) -> None:
    """Write the page; it needs nothing from anywhere else."""
    verdict = '<p class="verdict good">passed</p>' if passed else '<p class="verdict bad">failed</p>'
    rows = "".join(map(_row, steps))
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(scenario.title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(scenario.title)}</h1>{verdict}<p><code>{escape(replay)}</code></p><ol>{rows}</ol></html>\n",
        encoding="utf-8",
    )


def _row(step: Played) -> str:
    mark = '<span class="good">✓</span>' if step.passed else '<span class="bad">✗</span>'
    said = ", ".join(f"{name}: {value}" for name, value in step.arguments.items())
    note = f'<div class="note">{escape(step.note)}</div>' if step.note else ""
    broken = f'<div class="bad">{escape(step.detail)}</div>' if step.detail else ""
    return (
        f"<li><span>{mark} {step.index}</span><div><strong>{escape(step.verb)}</strong> <code>{escape(said)}</code>{note}{broken}"
        f"{_table(step.differences)}</div><span>{step.milliseconds} ms</span></li>"
    )


def _table(differences: Iterable[Difference]) -> str:
    rows = "".join(
        f"<tr><td>{escape(item.place)}</td><td>{escape(item.expected)}</td><td>{escape(item.found)}</td></tr>"
        for item in differences
    )
    return f"<table><tr><th>where</th><th>expected</th><th>found</th></tr>{rows}</table>" if rows else ""
