"""Every small change of a file's functions: comparisons, boundaries, arithmetic, constants, conditions, statements, arguments.

What only people read is left alone: docstrings, annotations, and what an exception says beside its code.
"""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any", "is_first": "is_last", "is_last": "is_first"}
EXCEPTIONS = ("Rejected", "InvariantViolated")

Place = tuple[tuple[str, int | None], ...]
"""Fields and positions that lead from a module to a node."""


@dataclass(frozen=True)
class Mutant:
    """One changed place of one file."""

    file: str
    where: str
    """The function, with the classes and functions around it."""
    what: str
    """`old → new`, and a number if the same happens more than once in the function."""
    lines: tuple[int, ...]
    """Its own lines, and the first of its statement."""
    place: Place
    change: int
    """Which of the changes of its place."""

    @property
    def name(self) -> str:
        return f"{self.file}::{self.where}: {self.what}"


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Return all mutants of a file, in the order of their places."""
    tree = ast.parse((root / file).read_text(), file)
    found, seen = [], Counter[tuple[str, str]]()
    for node, place, where, statement in _walk(tree, (), "", None):
        if statement is None or not where:
            continue
        for change, new in enumerate(_changes(node)):
            what = f"{_text(node)} → {_text(new)}"
            seen[where, what] += 1
            number = f" #{seen[where, what]}" if seen[where, what] > 1 else ""
            found.append(Mutant(file, where, what + number, _lines(node, statement), place, change))
    return found


def mutated(root: Path, mutant: Mutant) -> ast.Module:
    """Return the file of a mutant with its change."""
    tree = ast.parse((root / mutant.file).read_text(), mutant.file)
    node: ast.AST = tree
    for field, position in mutant.place[:-1]:
        node = _step(node, field, position)
    field, position = mutant.place[-1]
    new = list(_changes(_step(node, field, position)))[mutant.change]
    if position is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[position] = new
    return ast.fix_missing_locations(tree)


def _lines(node: ast.AST, statement: ast.stmt) -> tuple[int, ...]:
    if isinstance(node, ast.expr):
        return (statement.lineno, *range(node.lineno, (node.end_lineno or node.lineno) + 1))
    if isinstance(node, ast.If | ast.While):  # a condition over several lines is not told to begin at its keyword
        return (statement.lineno, *range(node.test.lineno, (node.test.end_lineno or node.test.lineno) + 1))
    return (statement.lineno,)


def _step(node: ast.AST, field: str, position: int | None) -> ast.AST:
    found = getattr(node, field)
    child: ast.AST = found if position is None else found[position]
    return child


Found = tuple[ast.AST, Place, str, ast.stmt | None]


def _walk(node: ast.AST, place: Place, where: str, statement: ast.stmt | None) -> Iterator[Found]:
    """Yield every node inside of functions that may change, with its place, its function and its statement."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}" if where else node.name
        for position, child in enumerate(node.body):
            if not _is_text(child):
                inside = child if isinstance(node, ast.FunctionDef) else None
                yield from _walk(child, (*place, ("body", position)), where, inside)
        return
    if isinstance(node, ast.stmt) and statement is not None:
        statement = node
    yield node, place, where, statement
    for field, value in ast.iter_fields(node):
        if _is_silent(node, field):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for at, child in children:
            if isinstance(child, ast.AST) and not (isinstance(child, ast.stmt) and _is_text(child)):
                yield from _walk(child, (*place, (field, at)), where, statement)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_silent(node: ast.AST, field: str) -> bool:
    """Tell whether a part is only for people or type checkers."""
    if isinstance(node, ast.AnnAssign) and field == "annotation":
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXCEPTIONS:
        return field == "keywords" or node.func.id == "InvariantViolated"
    return field in ("ctx", "decorator_list", "returns", "type_params")


# changes of one node


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(node)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _not(node: ast.expr) -> ast.expr:
    return node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else ast.UnaryOp(ast.Not(), node)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for at, operator in enumerate(node.ops):
        for other in COMPARED[type(operator)]:
            yield _with(node, ops=[*node.ops[:at], other(), *node.ops[at + 1 :]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for at in range(len(node.values)):
        left = [*node.values[:at], *node.values[at + 1 :]]
        yield left[0] if len(left) == 1 else _with(node, values=left)


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.FloorDiv):  # round up
        minus = ast.UnaryOp(ast.USub(), node.left)
        yield ast.UnaryOp(ast.USub(), ast.BinOp(minus, ast.FloorDiv(), node.right))
    elif type(node.op) in COMPUTED:
        yield _with(node, op=COMPUTED[type(node.op)]())


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool():
            yield _with(node, value=not node.value)
        case int():
            yield _with(node, value=node.value + 1)
            yield _with(node, value=node.value - 1)
        case str():
            yield _with(node, value=node.value + "~")
        case bytes():
            yield _with(node, value=node.value + b"~")


def _call(node: ast.Call) -> Iterator[ast.AST]:
    if isinstance(node.func, ast.Name) and node.func.id in OPPOSITES:
        yield _with(node, func=ast.Name(OPPOSITES[node.func.id], ast.Load()))
    if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):  # in any order
        return
    for at in range(len(node.args) - 1):
        one, other = node.args[at : at + 2]
        if not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred) and _text(one) != _text(other):
            yield _with(node, args=[*node.args[:at], other, one, *node.args[at + 2 :]])


def _condition(node: ast.If | ast.While | ast.IfExp) -> Iterator[ast.AST]:
    if not isinstance(node.test, ast.Compare | ast.BoolOp) or len(getattr(node.test, "ops", ())) > 1:
        yield _with(node, test=_not(node.test))
    if not isinstance(node.test, ast.Constant):
        yield _with(node, test=ast.Constant(False))


def _filter(node: ast.comprehension) -> Iterator[ast.AST]:
    for at in range(len(node.ifs)):
        yield _with(node, ifs=[*node.ifs[:at], *node.ifs[at + 1 :]])


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    if type(node.op) in COMPUTED:
        yield _with(node, op=COMPUTED[type(node.op)]())
    yield ast.copy_location(ast.Pass(), node)


def _removed(node: ast.stmt) -> Iterator[ast.AST]:
    yield ast.copy_location(ast.Pass(), node)


def _return(node: ast.Return) -> Iterator[ast.AST]:
    yield ast.copy_location(ast.Pass(), node)


def _jump(node: ast.Break | ast.Continue) -> Iterator[ast.AST]:
    yield ast.copy_location(ast.Pass(), node)
    yield ast.copy_location(ast.Continue() if isinstance(node, ast.Break) else ast.Break(), node)


CHANGES: dict[type | tuple[type, ...], Callable[..., Iterator[ast.AST]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Constant: _constant,
    ast.Call: _call,
    (ast.If, ast.While, ast.IfExp): _condition,
    ast.comprehension: _filter,
    ast.AugAssign: _augmented,
    (ast.Expr, ast.Raise, ast.Delete): _removed,
    ast.Return: _return,
    (ast.Break, ast.Continue): _jump,
}


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    return ast.unparse(node).replace("\n", " ")[:160]
