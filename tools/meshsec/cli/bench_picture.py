"""What `bench` shows: how far it is, and tables of figures, of changes and of curves."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from meshsec.bench.aims import AIMS
from meshsec.bench.baseline import Change, Verdict
from meshsec.bench.curves import Curve
from meshsec.bench.figure import Figure, tell
from meshsec.cli.progress import bar

BROAD = 160
"""Characters of a line where nobody says how long it may be."""
BARS = "▁▂▃▄▅▆▇█"
COLOURS = {Verdict.FASTER: "green", Verdict.SAME: "dim", Verdict.SLOWER: "red"}

Side = Literal["left", "right"]


@contextmanager
def progress(parts: Collection[str], *, json: bool) -> Iterator[Callable[[str], object]]:
    """Lend what is to be told how far the measurement is: a bar in a terminal, otherwise lines; both on stderr."""
    console = Console(stderr=True)
    if json or not console.is_terminal:
        yield tell
        return
    with bar(console) as shown:
        task = shown.add_task("", total=len(parts))
        begun: list[str] = []

        def told(line: str) -> None:
            name = line.removesuffix(" …")
            if name in parts:
                shown.update(task, completed=len(begun))
                begun.append(name)
            shown.update(task, description=" ".join(line.split()))

        yield told


def show(figures: Sequence[Figure], changes: Sequence[Change] | None, *, json: bool) -> None:
    """Print figures, and what has become of them since another run if that was asked for."""
    if json:
        print(msgspec.json.encode(figures if changes is None else {"figures": figures, "changes": changes}).decode(), flush=True)
        return
    table = _table(
        ("figure", "left"), ("measured", "right"), ("", "left"), ("of its limit", "left"), ("aim", "left"), ("", "left")
    )
    for figure in figures:
        limit = "" if figure.ratio is None else f"{figure.ratio:.0%} of {figure.limit:,.0f}: {figure.limited_by}"
        aim = AIMS.get(figure.name)
        verdict = "" if aim is None else "[green]met[/green]" if aim.met_by(figure) else "[red]missed[/red]"
        value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:g}"
        table.add_row(figure.name, value, figure.unit, limit, "" if aim is None else aim.spelled(figure), verdict)
    _print(table)
    if changes is not None:
        _show_changes(changes)


def _show_changes(changes: Sequence[Change]) -> None:
    table = _table(
        ("since the baseline", "left"),
        ("then", "right"),
        ("now", "right"),
        ("slower by", "right"),
        ("noise", "right"),
        ("", "left"),
    )
    for change in sorted(changes, key=lambda change: -change.slower):
        then, now = (f"{each:.1%}" if change.by == "ratio" else f"{each:,g}" for each in (change.before, change.now))
        verdict = f"[{COLOURS[change.verdict]}]{change.verdict}[/]"
        table.add_row(change.name, then, now, f"{change.slower:+.0%}", f"{change.noise:.0%}", verdict)
    _print(table)


def show_curves(curves: Sequence[Curve], *, json: bool) -> None:
    """Print curves: their points, a picture of them, and by what power they grow."""
    if json:
        print(msgspec.json.encode(curves).decode(), flush=True)
        return
    table = _table(
        ("curve", "left"), ("points", "left"), ("", "left"), ("grows by", "left"), ("at the end", "left"), ("", "left")
    )
    for curve in curves:
        points = "  ".join(f"{point.size:,}: {point.cost:,g}" for point in curve.points)
        fitted = f"{curve.of}^{curve.exponent:.2f} (R² {curve.r2:.2f})"
        verdict = "[green]linear or better[/green]" if curve.linear else "[red]more than linear[/red]"
        table.add_row(f"{curve.name}, {curve.unit}", points, _bars(curve), fitted, f"{curve.of}^{curve.steepness:.2f}", verdict)
    _print(table)


def _bars(curve: Curve) -> str:
    most = max(point.cost for point in curve.points)
    return "".join(BARS[min(len(BARS) - 1, int(point.cost / most * len(BARS)))] for point in curve.points)


def _table(*columns: tuple[str, Side]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, (heading, side) in enumerate(columns):
        table.add_column(heading, justify=side, overflow="fold", no_wrap=number == 0)
    return table


def _print(table: Table) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=BROAD)
    console.print(table)
