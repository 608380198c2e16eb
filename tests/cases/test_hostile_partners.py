"""The table of docs/hostile-partners.md and the tests of lying partners say the same."""

import re
from collections import Counter

from support import TESTS

ROW = re.compile(r"^\| (?P<does>[^|]+) \| [^|]+ \| [^|]+ \| [^|]+ \| (?:`(?P<test>test_\w+)` )?\|$", re.MULTILINE)
WORDS = re.compile(r"[^a-z0-9]+")
PARTNERS = ("consumer", "provider")


def rows(partner: str) -> list[str]:
    """Return the name of the test of each row about a partner."""
    text = (TESTS.parent / "docs" / "hostile-partners.md").read_text().split(f"## A {partner} that lies")[1].split("\n## ")[0]
    assert text.count("\n|") == len(ROW.findall(text)) + 2, "a row is not spelled like the others"
    return [row["test"] or f"test_a_{partner}_{WORDS.sub('_', row['does'].lower())}" for row in ROW.finditer(text)]


def names_in(pattern: str) -> list[str]:
    return [name for file in TESTS.rglob(pattern) for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)]


def test_every_row_of_the_table_has_a_test() -> None:
    known = Counter(names_in("test_*.py"))
    named = [name for partner in PARTNERS for name in rows(partner)]
    assert len(named) > 40
    assert [name for name in named if known[name] != 1] == []


def test_every_test_of_a_lying_partner_has_a_row() -> None:
    for partner in PARTNERS:
        assert sorted(set(names_in(f"test_hostile_{partner}.py")) - set(rows(partner))) == []
