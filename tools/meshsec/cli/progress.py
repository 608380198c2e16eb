"""The bar that shows in a terminal how far long work is."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


def bar(console: Console, *, disable: bool = False) -> Progress:
    """Return a bar that counts parts, tells the one that is under way, and leaves nothing behind."""
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=console, transient=True, disable=disable)
