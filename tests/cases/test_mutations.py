"""The mutations that `make long` runs still fit the code: each names a text that is there once, and tests that exist."""

import pytest

from mutations import ROOT, TABLES, Mutation, Verdict, line, read_tables

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
