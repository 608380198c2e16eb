"""The deterministic part holds nothing that could give two replicas different results, and its files stay short."""

import ast
from pathlib import Path

import pytest

import architecture
from meshsec import purity
from meshsec.purity import Rule, assert_pure, impurities
from meshsec_core.security import mesh, none


def findings(rule: Rule) -> list[str]:
    found = []
    for path in architecture.deterministic_files():
        for line, what in rule(ast.parse(path.read_text(), filename=str(path))):
            found.append(f"{path.relative_to(architecture.ROOT)}:{line} {what}")
    return found


def test_the_deterministic_part_is_where_it_is_looked_for() -> None:
    folders = {path.relative_to(architecture.ROOT).parts[1:3] for path in architecture.deterministic_files()}
    assert {
        ("meshsec_core", "kernel"),
        ("meshsec_core", "consensus"),
        ("meshsec_core", "modules"),
        ("meshsec_core", "ibc"),
    } <= folders
    assert ("meshsec_relayer", "engine") in folders


def test_the_deterministic_part_knows_no_inexact_number() -> None:
    assert findings(purity.inexact_numbers) == []


def test_the_deterministic_part_calls_nothing_that_differs_between_processes_or_speaks_to_the_world() -> None:
    assert findings(purity.banned_calls) == []


def test_the_deterministic_part_imports_no_clock_chance_input_or_output() -> None:
    assert findings(purity.banned_imports) == []


def test_the_order_of_a_set_reaches_no_result() -> None:
    assert findings(purity.set_orders) == []


def test_no_function_is_longer_than_a_screen_unless_it_is_a_table() -> None:
    assert findings(architecture.long_functions) == []


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    def lines(path: Path) -> int:
        return len(path.read_text().splitlines())

    long = [(path.name, lines(path)) for path in architecture.deterministic_files() if lines(path) > architecture.MAX_FILE_LINES]
    assert long == []


def test_no_two_files_of_tests_share_a_name() -> None:
    """Pytest tells modules apart by it, and refuses to collect the second one when all tests run."""
    names = [path.name for path in (architecture.ROOT / "tests").glob("*/test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (purity.inexact_numbers, "x = 0.5"),
        (purity.inexact_numbers, "x = 1e9"),
        (purity.inexact_numbers, "x = 2j"),
        (purity.inexact_numbers, "x = a / b"),
        (purity.inexact_numbers, "x /= 2"),
        (purity.inexact_numbers, "x = 10 ** -6"),
        (purity.banned_calls, "hash(x)"),
        (purity.banned_calls, "print(x)"),
        (purity.banned_calls, "y = float(x)"),
        (purity.banned_calls, "open('x')"),
        (purity.banned_imports, "import time"),
        (purity.banned_imports, "import os.path"),
        (purity.banned_imports, "from random import randint"),
        (purity.banned_imports, "def f():\n    from asyncio import sleep"),
        (purity.set_orders, "for x in {1, 2}: pass"),
        (purity.set_orders, "for x in set(y): pass"),
        (purity.set_orders, "[x for x in {y for y in z}]"),
        (purity.set_orders, "{x: 1 for x in frozenset(y)}"),
        (purity.set_orders, "list(set(y))"),
        (purity.set_orders, "[*{1, 2}]"),
        (purity.set_orders, "','.join({1, 2})"),
        (purity.set_orders, "for x in a.keys() | b.keys(): pass"),
        (purity.set_orders, "for x in set(a) - set(b): pass"),
        (purity.set_orders, "seen = set()\nfor x in seen: pass"),
        (purity.set_orders, "def f(seen: set[int]):\n    return tuple(seen)"),
        (purity.set_orders, "self._seen: frozenset[int] = y\nfor x in self._seen: pass"),
        (purity.set_orders, "seen = {1}\nseen.pop()"),
        (purity.set_orders, "max(((x, 1) for x in {1, 2}), key=f)"),
        (purity.set_orders, "max({1, 2}, key=f)"),
        (purity.set_orders, "def f():\n    yield from {1, 2}"),
        (architecture.long_functions, "def f():\n" + "    x = 1\n" * 60),
        (architecture.long_functions, "def f():\n    match x:\n" + "        case 1: pass\n" * 30 + "    y = 1\n" * 30),
    ],
)
def test_each_rule_finds_what_it_forbids(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (purity.inexact_numbers, "x = a // b * 10 ** 6"),
        (purity.banned_calls, "codec.hash(x)"),
        (purity.banned_imports, "from meshsec_core.kernel.types import SECOND"),
        (purity.set_orders, "for x in sorted({1, 2}): pass"),
        (purity.set_orders, "for x in {1: 2}: pass"),
        (purity.set_orders, "max({1, 2})"),
        (purity.set_orders, "for x in a.items(): pass"),
        (purity.set_orders, "ok = x in {1, 2} and len({1}) == sum(y for y in {1})"),
        (purity.set_orders, "{x for x in {1, 2}}"),
        (purity.set_orders, "tasks = []\ntasks.pop()"),
        (architecture.long_functions, "def f():\n" + "    x = 1\n" * 59),
        (architecture.long_functions, 'def f():\n    """Say."""\n    match x:\n' + "        case 1: pass\n" * 80),
    ],
)
def test_no_rule_finds_what_is_allowed(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source))) == []


def test_authors_of_models_are_told_every_place_where_validators_could_disagree(tmp_path: Path) -> None:
    assert_pure(mesh, none)
    model = tmp_path / "model.py"
    model.write_text("import time\n\nHALF = 0.5\nfor x in {1, 2}:\n    x /= hash(x)\n")
    with pytest.raises(AssertionError):
        assert_pure(mesh, model)
    assert impurities(mesh, model) == [
        "model.py:3 float literal 0.5",
        "model.py:5 true division",
        "model.py:5 hash()",
        "model.py:1 import of time",
        "model.py:4 order of a set: {1, 2}",
    ]
