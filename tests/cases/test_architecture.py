"""The deterministic part holds nothing that could give two replicas different results, and its files stay short."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import architecture

Rule = Callable[[ast.AST], Iterator[tuple[int, str]]]


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
    assert findings(architecture.inexact_numbers) == []


def test_the_deterministic_part_calls_nothing_that_differs_between_processes_or_speaks_to_the_world() -> None:
    assert findings(architecture.banned_calls) == []


def test_the_deterministic_part_imports_no_clock_chance_input_or_output() -> None:
    assert findings(architecture.banned_imports) == []


def test_the_order_of_a_set_reaches_no_result() -> None:
    assert findings(architecture.set_orders) == []


def test_no_function_is_longer_than_a_screen_unless_it_is_a_table() -> None:
    assert findings(architecture.long_functions) == []


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    def lines(path: Path) -> int:
        return len(path.read_text().splitlines())

    long = [(path.name, lines(path)) for path in architecture.deterministic_files() if lines(path) > architecture.MAX_FILE_LINES]
    assert long == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (architecture.inexact_numbers, "x = 0.5"),
        (architecture.inexact_numbers, "x = 1e9"),
        (architecture.inexact_numbers, "x = 2j"),
        (architecture.inexact_numbers, "x = a / b"),
        (architecture.inexact_numbers, "x /= 2"),
        (architecture.inexact_numbers, "x = 10 ** -6"),
        (architecture.banned_calls, "hash(x)"),
        (architecture.banned_calls, "print(x)"),
        (architecture.banned_calls, "y = float(x)"),
        (architecture.banned_calls, "open('x')"),
        (architecture.banned_imports, "import time"),
        (architecture.banned_imports, "import os.path"),
        (architecture.banned_imports, "from random import randint"),
        (architecture.banned_imports, "def f():\n    from asyncio import sleep"),
        (architecture.set_orders, "for x in {1, 2}: pass"),
        (architecture.set_orders, "for x in set(y): pass"),
        (architecture.set_orders, "[x for x in {y for y in z}]"),
        (architecture.set_orders, "{x: 1 for x in frozenset(y)}"),
        (architecture.set_orders, "list(set(y))"),
        (architecture.set_orders, "[*{1, 2}]"),
        (architecture.set_orders, "','.join({1, 2})"),
        (architecture.set_orders, "for x in a.keys() | b.keys(): pass"),
        (architecture.set_orders, "for x in set(a) - set(b): pass"),
        (architecture.set_orders, "seen = set()\nfor x in seen: pass"),
        (architecture.set_orders, "def f(seen: set[int]):\n    return tuple(seen)"),
        (architecture.set_orders, "self._seen: frozenset[int] = y\nfor x in self._seen: pass"),
        (architecture.set_orders, "seen = {1}\nseen.pop()"),
        (architecture.set_orders, "max(((x, 1) for x in {1, 2}), key=f)"),
        (architecture.set_orders, "max({1, 2}, key=f)"),
        (architecture.set_orders, "def f():\n    yield from {1, 2}"),
        (architecture.long_functions, "def f():\n" + "    x = 1\n" * 60),
        (architecture.long_functions, "def f():\n    match x:\n" + "        case 1: pass\n" * 30 + "    y = 1\n" * 30),
    ],
)
def test_each_rule_finds_what_it_forbids(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (architecture.inexact_numbers, "x = a // b * 10 ** 6"),
        (architecture.banned_calls, "codec.hash(x)"),
        (architecture.banned_imports, "from meshsec_core.kernel.types import SECOND"),
        (architecture.set_orders, "for x in sorted({1, 2}): pass"),
        (architecture.set_orders, "for x in {1: 2}: pass"),
        (architecture.set_orders, "max({1, 2})"),
        (architecture.set_orders, "for x in a.items(): pass"),
        (architecture.set_orders, "ok = x in {1, 2} and len({1}) == sum(y for y in {1})"),
        (architecture.set_orders, "{x for x in {1, 2}}"),
        (architecture.set_orders, "tasks = []\ntasks.pop()"),
        (architecture.long_functions, "def f():\n" + "    x = 1\n" * 59),
        (architecture.long_functions, 'def f():\n    """Say."""\n    match x:\n' + "        case 1: pass\n" * 80),
    ],
)
def test_no_rule_finds_what_is_allowed(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source))) == []
