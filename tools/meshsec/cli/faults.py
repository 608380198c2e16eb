"""Verbs that move a mesh's time and break it: advance, settle, fault, heal, crash."""

from enum import StrEnum
from typing import Annotated

import typer

from meshsec.cli.answer import HERE, Dir, Json
from meshsec.cli.running import act


class Kind(StrEnum):
    """How a validator misbehaves."""

    DOWN = "down"
    DOUBLE_SIGN = "double-sign"


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
    kind: Annotated[Kind, typer.Argument(help="How the validator misbehaves.")],
    target: Annotated[str, typer.Argument(help="A validator such as juno/val-0.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Make a validator misbehave: silence it, or have it sign two blocks of one height, once."""
    act(directory, f"fault.{kind.value}", {"validator": target}, json=json)


def heal(
    target: Annotated[str, typer.Argument(help="A validator such as juno/val-0; all by default.")] = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """End the faults of one validator, or of all."""
    act(directory, "heal", {"validator": target}, json=json)


def crash(
    target: Annotated[str, typer.Argument(help="A chain's name, or relayer.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Kill a chain or the relayers without warning, and wait until they are back."""
    act(directory, "crash", {"target": target}, json=json)
