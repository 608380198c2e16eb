"""Codes are promises: each has one spelling, one name in the code, and one status, and the documentation lists the statuses."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from meshsec_sdk.problems import STATUS, status_of

ROOT = Path(__file__).parents[2]
TREES = ("core", "node", "relayer", "tools/meshsec")
CODE = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = [path for tree in TREES for path in sorted((ROOT / tree).rglob("*.py"))]
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def refusals(module: ast.Module) -> Iterator[ast.expr]:
    """Yield the first argument of every `Rejected(...)`, each side of a choice by itself."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Rejected" and node.args:
            first = node.args[0]
            yield from (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)


def texts(module: ast.Module) -> dict[str, str]:
    """Return the module's constants that are texts."""
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@cache
def codes() -> dict[str, dict[str, list[str]]]:
    """Return, per code, the names of the constants that spell it and where they are."""
    names = {first.id for _, module in modules() for first in refusals(module) if isinstance(first, ast.Name)}
    found: dict[str, dict[str, list[str]]] = {}
    for path, module in modules():
        for name, text in texts(module).items():
            if name in names and name.isupper() and "/" in text:
                found.setdefault(text, {}).setdefault(name, []).append(path)
    return found


def test_codes_are_constants_and_not_written_where_they_are_raised() -> None:
    written = [
        f"{path}:{first.lineno}" for path, module in modules() for first in refusals(module) if isinstance(first, ast.Constant)
    ]
    assert written == []


def test_every_code_reads_module_and_reason() -> None:
    found = codes()
    assert len(found) > 250
    assert [code for code in found if CODE.fullmatch(code) is None] == []


def test_a_code_has_one_name_and_so_one_meaning() -> None:
    assert {code: names for code, names in codes().items() if len(names) > 1} == {}


def test_inside_the_core_a_code_is_spelled_once() -> None:
    homes = {
        code: [path for paths in names.values() for path in paths if path.startswith("core/meshsec_core/")]
        for code, names in codes().items()
    }
    assert {code: paths for code, paths in homes.items() if len(paths) > 1} == {}


def test_statuses_are_those_of_codes_that_exist() -> None:
    assert [code for code in STATUS if code not in codes()] == []
    assert {code: status_of(code) for code in ("tx/not-found", "bank/bad-amount")} == {
        "tx/not-found": 404,
        "bank/bad-amount": 422,
    }


def test_the_documentation_lists_every_status_that_is_no_rule() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = {code: int(status) for code, status in re.findall(r"^\| `([^`]+)` \| ([0-9]{3}) \|", text, flags=re.MULTILINE)}
    assert rows == STATUS
