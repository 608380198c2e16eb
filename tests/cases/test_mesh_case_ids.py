"""Every case of the published list has a test that carries its id in its name."""

import re

import pytest

from support import SPEC, TESTS

ID = re.compile(r"\*\*([A-Z0-9]+(?:-[A-Z0-9]+)*)(?:/([0-9]+))?\*\*")
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def listed() -> set[str]:
    """Return the ids of the list: `V-SLASH-8/9` names two cases."""
    file = SPEC / "mesh-cases.md"
    if not file.exists():
        pytest.skip("the list of cases is not beside this checkout: ../shared/spec/mesh-cases.md")
    found = set()
    for name, second in ID.findall(file.read_text()):
        found.add(name)
        if second:
            found.add(f"{name.rsplit('-', 1)[0]}-{second}")
    return found


def spelled(name: str) -> str:
    """Spell an id as it stands in the name of a test."""
    return f"_{name.lower().replace('-', '_')}_"


def test_every_listed_case_has_a_test_with_its_id_in_the_name() -> None:
    tests = [f"{name}_" for file in sorted(TESTS.rglob("test_*.py")) for name in TEST.findall(file.read_text())]
    cases = listed()
    assert len(cases) > 90
    assert sorted(case for case in cases if not any(spelled(case) in test for test in tests)) == []
