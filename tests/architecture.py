"""Reads the deterministic part's source and finds what must not be in it. Each finding is `path:line what`."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def deterministic_files() -> list[Path]:
    """All files of the core and of the relayer's engine."""
    core = (ROOT / "core" / "meshsec_core").rglob("*.py")
    relayer = ROOT / "relayer" / "meshsec_relayer"
    return sorted([*core, *relayer.glob("engine*.py"), *(relayer / "engine").rglob("*.py")])


def long_functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Functions beyond the limit; one that is a single `match` is a table and may be longer."""
    for node in ast.walk(tree):
        if not isinstance(node, Function):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES and not (len(body) == 1 and isinstance(body[0], ast.Match)):
            yield node.lineno, f"{node.name} has {lines} lines"
