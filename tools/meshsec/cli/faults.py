"""Verbs that move a mesh's time and break it: advance, settle, fault, heal, crash."""

from typing import Annotated

import typer

from meshsec.cli import complete
from meshsec.cli.answer import HERE, Dir, Json
from meshsec.cli.running import act


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (advance, settle, fault, heal, crash):
        app.command()(verb)


def advance(
    by: Annotated[str, typer.Argument(metavar="DURATION|Nblocks", help="Such as 90s, 12h, 21d or 5blocks.")],
    keep_alive: Annotated[bool, typer.Option(help="Refresh light clients on the way; otherwise it is one jump.")] = True,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Move the mesh-wide clock; light clients are kept alive unless told otherwise."""
    act(directory, "advance", {"by": by, "keep_alive": keep_alive}, json=json)


def settle(directory: Dir = HERE, json: Json = False) -> None:
    """Relay, pass an epoch, relay, until nothing changes; then check every law."""
    act(directory, "settle", {}, json=json)


def fault(
    kind: Annotated[
        str,
        typer.Argument(
            help="What is to break, such as down, slow or halt; docs/faults.md lists all.", autocompletion=complete.faults
        ),
    ],
    target: Annotated[str, typer.Argument(help="A validator such as juno/val-0, a chain for all of them, or relayer.")],
    given: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="What the kind takes.")] = None,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Break something: validators, networks, chains, relayers, markets; docs/faults.md lists all kinds."""
    from meshsec import verbs

    verb = f"fault.{kind}"
    act(directory, verb, verbs.in_order(verbs.find(verb), [target, *(given or [])]), json=json)


def heal(
    target: Annotated[str, typer.Argument(help="A validator such as juno/val-0, or a chain; all by default.")] = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """End the faults of a validator or a chain, or all: also partitions, branches, and what relayers were told to do wrong."""
    act(directory, "heal", {"validator": target}, json=json)


def crash(
    target: Annotated[str, typer.Argument(help="A chain's name, or relayer.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Kill a chain or the relayers without warning, and wait until they are back."""
    act(directory, "crash", {"target": target}, json=json)
