"""The verb that shows newcomers what all this is for: `demo`."""

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from meshsec.cli.answer import CHECK_FAILED, Json, say

if TYPE_CHECKING:
    from meshsec.world.base import World

MESH = "pair"
PAUSE_SECONDS = 1.5
"""Time to read a step."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo(
    sim: Annotated[bool, typer.Option("--sim", help="In this process alone: no chains over HTTP, no live page.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the chains and the live page running until Ctrl-C.")] = False,
    pause: Annotated[
        float | None, typer.Option(min=0, help="Seconds after each step; 1.5 in a terminal, else none.", show_default=False)
    ] = None,
    json: Json = False,
) -> int:
    """See in a minute what shared security is for: a bridge is robbed, first without it and then with it.

    Boots two chains in a directory of its own, which is gone afterwards. Exit code 1 if a figure that was computed before the
    theft differs from what balances say after it.
    """
    from rich.console import Console

    from meshsec.demo.heist import play
    from meshsec.demo.telling import Teller, ledger, verdict

    console = Console(file=sys.stderr if json else sys.stdout, quiet=json)
    seconds = pause if pause is not None else PAUSE_SECONDS if console.is_terminal and not json else 0.0
    if not sim:
        console.print("booting two chains, a relayer and the live page …")
    with _open(sim=sim) as world:
        page = "" if sim else _page(world)
        if page:
            console.print(f"watch it on the live page: [bold]{page}[/bold]\n")
        told = play(world, Teller(world, console, seconds).tell)
        console.print(ledger(told))
        console.print(verdict(told), highlight=False)
        if json:
            say({"agrees": told.agrees, "acts": told.acts, "page": page}, json=True)
        if keep and page:
            console.print(f"everything is left running: {page} (Ctrl-C ends it)")
            with suppress(KeyboardInterrupt):
                signal.pause()
    return 0 if told.agrees else CHECK_FAILED


def _open(*, sim: bool) -> "World":
    if sim:
        from meshsec.world.sim import SimWorld

        return SimWorld(MESH)
    from meshsec.world.process import ProcessWorld

    return ProcessWorld(MESH)


def _page(world: "World") -> str:
    from meshsec.world.process import ProcessWorld

    assert isinstance(world, ProcessWorld)
    return world.home.running().endpoints.gateway
