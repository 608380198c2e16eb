"""The mutations that `make long` runs still fit the code: each names a text that is there once, and tests that exist."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from mutations.named import ROOT, TABLES, Mutation, Verdict, line, read_tables
from mutations.score.__main__ import percent, read_areas, read_equivalent
from mutations.score.operators import mutants_of, mutated

REQUIRED = {
    "lock rule",
    "more than two thirds",
    "proof check on receive",
    "double-sign guard",
    "lien within collateral",
    "slash of unbonding stake",
    "proposal durable before prevote",
}


@pytest.mark.parametrize("mutation", read_tables(TABLES), ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_a_text_that_occurs_once_and_names_its_tests(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.old != mutation.new
    assert mutation.tests
    assert all((ROOT / test).exists() for test in mutation.tests)


def test_the_rules_that_must_be_guarded_are_among_them_and_no_name_stands_twice() -> None:
    names = [mutation.name for mutation in read_tables(TABLES)]
    assert set(names) >= REQUIRED
    assert len(set(names)) == len(names)


def test_a_survivor_is_told_with_the_rule_that_nobody_guards() -> None:
    survivor = Verdict("lock rule", "locks hold", "step.py", caught_by="", problem="", seconds=1.0)
    assert line(survivor) == "✗  lock rule: nobody noticed that this no longer holds: locks hold (step.py)"


SMALL = """
LIMIT = 5

def check(text: str, level: int) -> int:
    \"\"\"Not looked at.\"\"\"
    if level < LIMIT and text:
        raise Rejected("a/b", level=level + 1)
    return level // 2
"""
CHANGES = [
    "if level < LIMIT and text → if False",
    "level < LIMIT and text → level < LIMIT or text",
    "level < LIMIT and text → text",
    "level < LIMIT and text → level < LIMIT",
    "level < LIMIT → level <= LIMIT",
    "level < LIMIT → level >= LIMIT",
    "raise Rejected('a/b', level=level + 1) → pass",
    "'a/b' → 'a/b~'",
    "return level // 2 → pass",
    "level // 2 → -(-level // 2)",
    "2 → 3",
    "2 → 1",
]


def test_a_function_is_changed_in_every_place_but_those_that_only_people_read(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    found = mutants_of(tmp_path, "small.py")
    assert [mutant.what for mutant in found] == CHANGES
    assert {mutant.where for mutant in found} == {"check"}
    changed = {ast.unparse(mutated(tmp_path, mutant)) for mutant in found}
    assert len(changed) == len(found)
    assert ast.unparse(ast.parse(SMALL)) not in changed


def test_areas_exist_and_every_excuse_has_a_reason() -> None:
    areas = read_areas()
    assert {area.name for area in areas} >= {"light", "merkle", "packet", "consensus"}
    assert [test for area in areas for test in area.tests if not (ROOT / "tests" / test).exists()] == []
    assert [file for area in areas for file in area.files if not (ROOT / file).exists()] == []
    assert all(read_equivalent().values())


def test_a_score_counts_what_could_have_been_noticed() -> None:
    assert percent(Counter(killed=17, timeout=2, survived=0, unreached=1, equivalent=5, unfit=3)) == 95.0
