"""Verbs for what relayers carry: `packets list|trace|hold|release|delay|duplicate|reorder|drop`."""

from typing import Annotated, Any

import typer

from meshsec.cli.answer import HERE, Dir, Json, say
from meshsec.cli.running import act, attached

ID = "chain:port:channel:sequence"

NOTHING: dict[str, list[dict[str, Any]]] = {"packets": []}
"""What a relayer that does not answer carries."""


Id = Annotated[str, typer.Option("--id", help=f"One packet: {ID}.")]
KindOption = Annotated[str, typer.Option("--kind", help="What the packet says: transfer, stake, slash…")]
LegOption = Annotated[str, typer.Option("--leg", help="The way that is meant: recv, ack or timeout.")]
ChainOption = Annotated[str, typer.Option("--chain", help="The chain that sent it.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(
        help="See packets on their way, and hold back, delay, double, reorder and lose them.", rich_markup_mode=None
    )
    for verb in (listing, trace, hold, release, delay, duplicate, reorder, drop):
        group.command("list" if verb is listing else None)(verb)
    app.add_typer(group, name="packets")


def listing(directory: Dir = HERE, json: Json = False) -> None:
    """List the packets under way, and what each waits for."""
    with attached(directory) as world:
        told = {name: line.peek("/v1/packets", NOTHING)["packets"] for name, line in world.relayers.items()}
    found = [{**packet, "relayer": name} for name, packets in told.items() for packet in packets]
    rows = [
        f"{packet['id']}  {packet['kind']}  {packet['leg']} by {packet['relayer']}: {packet['waits_for']}" for packet in found
    ]
    say({"packets": found}, json=json, text="\n".join(rows) or "no packet is under way")


def trace(
    packet: Annotated[str, typer.Argument(metavar="ID", help=f"{ID}.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Tell a packet's story and what it waits for."""
    from meshsec.world.chain import accepted

    with attached(directory) as world:
        alive = [line for line in world.relayers.values() if line.peek("/healthz", None)]
        found = accepted(*(alive or [*world.relayers.values()])[0].get(f"/v1/packets/{packet}/trace"))
    told = found["story"] if found["settled"] else [*found["story"], f"waits: {found['packet']['waits_for']}"]
    say(found, json=json, text="\n".join(told))


def hold(
    id: Id = "",  # noqa: A002
    kind: KindOption = "",
    chain: ChainOption = "",
    leg: LegOption = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Keep matching packets back until they are released; all of them without a filter."""
    act(directory, "packets.hold", _which(id, kind, chain, leg), json=json)


def release(
    id: Id = "",  # noqa: A002
    kind: KindOption = "",
    chain: ChainOption = "",
    leg: LegOption = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Undo hold, delay, duplicate and reorder with this filter; all of them without one."""
    act(directory, "packets.release", _which(id, kind, chain, leg), json=json)


def delay(
    by: Annotated[str, typer.Argument(help="A time such as 90s, or blocks such as 5blocks, of the chain that proves them.")],
    id: Id = "",  # noqa: A002
    kind: KindOption = "",
    chain: ChainOption = "",
    leg: LegOption = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Carry matching packets that much later than they could go."""
    act(directory, "packets.delay", {**_which(id, kind, chain, leg), "by": by}, json=json)


def duplicate(
    id: Id = "",  # noqa: A002
    kind: KindOption = "",
    chain: ChainOption = "",
    leg: LegOption = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Deliver matching packets twice."""
    act(directory, "packets.duplicate", _which(id, kind, chain, leg), json=json)


def reorder(
    id: Id = "",  # noqa: A002
    kind: KindOption = "",
    chain: ChainOption = "",
    leg: LegOption = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Carry matching packets newest first; ordered channels keep their order."""
    act(directory, "packets.reorder", _which(id, kind, chain, leg), json=json)


def _which(id: str, kind: str, chain: str, leg: str) -> dict[str, str]:  # noqa: A002
    return {"id": id, "kind": kind, "chain": chain, "leg": leg}


def drop(packet: Annotated[str, typer.Argument(metavar="ID", help=f"{ID}.")], directory: Dir = HERE, json: Json = False) -> None:
    """Never carry a packet's next leg, as if it were lost; it can still time out."""
    act(directory, "packets.drop", {"id": packet}, json=json)
