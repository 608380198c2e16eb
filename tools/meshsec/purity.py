"""What a part that every validator runs must not hold: anything that could give two of them different results.

For authors of security models, in a test of their own:

    import surety
    from meshsec.purity import assert_pure

    def test_every_validator_computes_the_same() -> None:
        assert_pure(surety)

The same rules hold for our own core and for the relayer's engine. They read the source and run nothing; what a model imports from
elsewhere is not read.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

BANNED_MODULES = frozenset(
    {
        "asyncio",
        "datetime",
        "decimal",
        "fractions",
        "logging",
        "math",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "uuid",
    }
)
"""Clocks, chance, input, output and inexact numbers."""

BANNED_CALLS = frozenset({"__import__", "breakpoint", "complex", "eval", "exec", "float", "hash", "id", "input", "open", "print"})
"""`hash` and `id` differ from process to process; the others are input, output or inexact."""

IN_ORDER = frozenset(
    {"list", "tuple", "enumerate", "iter", "next", "zip", "map", "filter", "reversed", "deque", "dict", "chain", "fromkeys"}
)
"""What hands on the order of its argument."""

Rule = Callable[[ast.AST], Iterator[tuple[int, str]]]
"""A tree -> (line, what is there)."""


def assert_pure(*sources: ModuleType | Path) -> None:
    """Fail if a source holds what could differ between two validators.

    Args:
        sources: modules, packages with all that lies in them, or paths of files.

    Raises:
        AssertionError: with every place.
    """
    found = impurities(*sources)
    if found:
        raise AssertionError("validators could disagree:\n" + "\n".join(found))


def impurities(*sources: ModuleType | Path) -> list[str]:
    """Return what `assert_pure` would fail for, each as `file:line what`."""
    found = []
    for path in sorted({file for source in sources for file in _files(source)}):
        tree = ast.parse(path.read_text(), filename=str(path))
        found += [f"{path.name}:{line} {what}" for rule in RULES for line, what in rule(tree)]
    return found


def _files(source: ModuleType | Path) -> list[Path]:
    if isinstance(source, Path):
        return [source]
    if source.__file__ is None:
        raise ValueError(f"{source.__name__} has no file")
    file = Path(source.__file__)
    return sorted(file.parent.rglob("*.py")) if hasattr(source, "__path__") else [file]


def inexact_numbers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Float literals and true divisions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield node.lineno, f"float literal {node.value}"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "true division"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow) and _is_negative(node):
            yield node.lineno, "negative power"


def _is_negative(node: ast.BinOp | ast.AugAssign) -> bool:
    power = node.right if isinstance(node, ast.BinOp) else node.value
    return isinstance(power, ast.UnaryOp) and isinstance(power.op, ast.USub)


def banned_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls of built-in functions that are not deterministic, or that speak to the world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            yield node.lineno, f"{node.func.id}()"


def banned_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Imports of clocks, chance, input and output, anywhere in the file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                named = [(node.lineno, alias.name) for alias in aliases]
            case ast.ImportFrom(module=str() as module):
                named = [(node.lineno, module)]
            case _:
                named = []
        yield from ((line, f"import of {name}") for line, name in named if name.split(".")[0] in BANNED_MODULES)


class _Sets:
    """What a file calls by names that hold sets: assigned from a set, or annotated as one."""

    def __init__(self, tree: ast.AST) -> None:
        self._names: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.AnnAssign(target=target, annotation=annotation) if self._annotates(annotation):
                    self._learn(target)
                case ast.arg(arg=name, annotation=ast.expr() as annotation) if self._annotates(annotation):
                    self._names.add(name)
                case ast.Assign(targets=targets, value=value) if self.holds(value):
                    for each in targets:
                        self._learn(each)
                case ast.NamedExpr(target=target, value=value) if self.holds(value):
                    self._learn(target)

    def _learn(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name | ast.Attribute):
            self._names.add(_spelled(target))

    @staticmethod
    def _annotates(annotation: ast.expr) -> bool:
        outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        return isinstance(outer, ast.Name) and outer.id in {"set", "frozenset", "AbstractSet", "Set", "MutableSet"}

    def holds(self, node: ast.expr) -> bool:
        """Tell whether an expression is a set."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.Call(
                func=ast.Attribute(value=of, attr="union" | "intersection" | "difference" | "symmetric_difference" | "copy")
            ):
                return self.holds(of)
            case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
                return any(self.holds(side) or _is_view(side) for side in (left, right))
            case ast.IfExp(body=body, orelse=other):
                return self.holds(body) or self.holds(other)
            case ast.Name() | ast.Attribute():
                return _spelled(node) in self._names
            case _:
                return False


def _spelled(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else "." + node.attr


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"keys", "items"}


def set_orders(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Places where the order of a set could reach a result: loops, comprehensions that build no set, unpacking, joins."""
    sets = _Sets(tree)
    unordered = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in {"sorted", "sum", "any", "all", "set", "frozenset"}
    ]
    forgiven = {id(argument) for call in unordered for argument in call.args if isinstance(argument, ast.GeneratorExp)}
    for node in ast.walk(tree):
        walked: list[ast.expr] = []
        match node:
            case ast.For(iter=over) | ast.AsyncFor(iter=over) | ast.YieldFrom(value=over) | ast.Starred(value=over):
                walked = [over]
            case ast.ListComp(generators=loops) | ast.DictComp(generators=loops):
                walked = [loop.iter for loop in loops]
            case ast.GeneratorExp(generators=loops) if id(node) not in forgiven:
                walked = [loop.iter for loop in loops]
            case ast.Call(func=func, args=arguments) if _name(func) in IN_ORDER or _name(func) == "join":
                walked = arguments
            case ast.Call(func=ast.Name(id="max" | "min"), args=arguments, keywords=[_, *_]):
                walked = arguments
            case ast.Call(func=ast.Attribute(value=of, attr="pop"), args=[]):
                walked = [of]
            case _:
                pass
        for over in walked:
            if sets.holds(over):
                yield over.lineno, f"order of a set: {ast.unparse(over)}"


def _name(func: ast.expr) -> str:
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


RULES: tuple[Rule, ...] = (inexact_numbers, banned_calls, banned_imports, set_orders)
