"""Verbs for relayers and what they carry: `relayer ORDER`, `packets list|trace|hold|release|drop`."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from meshsec.cli.answer import HERE, Dir, Json, say
from meshsec.cli.running import act, attached

ID = "chain:port:channel:sequence"


class Order(StrEnum):
    """What relayers are told."""

    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    CLEAR = "clear"
    STOP = "stop"
    START = "start"


Id = Annotated[str, typer.Option("--id", help=f"One packet: {ID}.")]
KindOption = Annotated[str, typer.Option("--kind", help="What the packet says: transfer, stake, slash…")]
ChainOption = Annotated[str, typer.Option("--chain", help="The chain that sent it.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(relayer)
    group = typer.Typer(help="See, hold back, let go and lose packets on their way.", rich_markup_mode=None)
    for verb in (listing, trace, hold, release, drop):
        group.command("list" if verb is listing else None)(verb)
    app.add_typer(group, name="packets")


def relayer(
    order: Annotated[Order, typer.Argument(help="What to do.")],
    count: Annotated[int, typer.Option(min=1, help="How many packet messages step lets through.")] = 1,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Pause, resume, step or clear the relayers; take them away and bring them back."""
    act(directory, f"relayer.{order.value}", {"count": count} if order is Order.STEP else {}, json=json)


def listing(directory: Dir = HERE, json: Json = False) -> None:
    """List the packets under way, and what each waits for."""
    with attached(directory) as world:
        found = [packet for asked in world.relayers.values() for packet in _get(asked, "/v1/packets")["packets"]]
    rows = [f"{packet['id']}  {packet['kind']}  {packet['leg']}: waits for {packet['waits_for']}" for packet in found]
    say({"packets": found}, json=json, text="\n".join(rows) or "no packet is under way")


def trace(
    packet: Annotated[str, typer.Argument(metavar="ID", help=f"{ID}.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Tell a packet's story and what it waits for."""
    with attached(directory) as world:
        found = _get(next(iter(world.relayers.values())), f"/v1/packets/{packet}/trace")
    told = [*found["story"], found["settled"] or f"waits for {found['packet']['waits_for']}"]
    say(found, json=json, text="\n".join(told))


def hold(id: Id = "", kind: KindOption = "", chain: ChainOption = "", directory: Dir = HERE, json: Json = False) -> None:  # noqa: A002
    """Keep matching packets back until they are released; all of them without a filter."""
    act(directory, "packets.hold", {"id": id, "kind": kind, "chain": chain}, json=json)


def release(id: Id = "", kind: KindOption = "", chain: ChainOption = "", directory: Dir = HERE, json: Json = False) -> None:  # noqa: A002
    """Let packets go that were held with this filter; all of them without one."""
    act(directory, "packets.release", {"id": id, "kind": kind, "chain": chain}, json=json)


def drop(packet: Annotated[str, typer.Argument(metavar="ID", help=f"{ID}.")], directory: Dir = HERE, json: Json = False) -> None:
    """Never carry a packet's next leg, as if it were lost; it can still time out."""
    act(directory, "packets.drop", {"id": packet}, json=json)


def _get(relayer: Any, path: str) -> Any:
    from meshsec.world.base import accepted

    return accepted(*relayer.get(path))
