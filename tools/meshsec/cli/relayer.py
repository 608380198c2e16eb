"""Verbs for relayers: `relayer status|health|pause|resume|step|clear|stop|start|update-client|link|channel|validate`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from meshsec.cli.answer import CHECK_FAILED, HERE, Dir, Json, say
from meshsec.cli.running import act, attached

BAD_END = "cli/bad-channel-end"

AWAY = {"reasons": ["it does not answer; if it was stopped, `meshsec relayer start` brings it back"]}

Only = Annotated[str, typer.Option("--relayer", help="The one relayer that is meant; all by default.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="See relayers, tell them what to do, and check their configuration.", rich_markup_mode=None)
    for order, text in {
        "pause": "Carry nothing until told otherwise.",
        "resume": "Go on after a pause.",
        "clear": "Bring up again what was dropped and given up, behind what is new.",
        "stop": "Take relayers away.",
        "start": "Bring relayers back.",
    }.items():
        group.command(order, help=text)(_plain(order))
    for verb in (step, status, health, update_client, link, channel, validate):
        group.command()(verb)
    app.add_typer(group, name="relayer")


def _plain(order: str) -> Callable[..., None]:
    def give(relayer: Only = "", directory: Dir = HERE, json: Json = False) -> None:
        act(directory, f"relayer.{order}", {"relayer": relayer}, json=json)

    return give


def step(
    count: Annotated[int, typer.Option(min=1, help="How many packet messages.")] = 1,
    relayer: Only = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """While paused, let so many packet messages through."""
    act(directory, "relayer.step", {"count": count, "relayer": relayer}, json=json)


def status(relayer: Only = "", directory: Dir = HERE, json: Json = False) -> None:
    """Show what relayers do: chains, paths, clients, channels and orders in force."""
    found = _status(directory, relayer)
    say(found, json=json, text=lambda: "\n".join(line for name, report in found.items() for line in _lines(name, report)))


def health(relayer: Only = "", directory: Dir = HERE, json: Json = False) -> int:
    """Say what is wrong: who does not answer, paths that do not open, clients that are dead; exit with 1 if anything is."""
    with attached(directory) as world:
        asked = {name: world.relayers[name] for name in world.meant(relayer or None)}
        found = {name: line.peek("/v1/status", AWAY)["reasons"] for name, line in asked.items()}
    wrong = [f"{name}: {reason}" for name, reasons in found.items() for reason in reasons]
    say(found, json=json, text="\n".join(wrong) or "all is well")
    return CHECK_FAILED if wrong else 0


def update_client(
    host: Annotated[str, typer.Argument(help="The chain that the client lies on.")],
    subject: Annotated[str, typer.Argument(help="The chain that it follows.")],
    relayer: Only = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Show a light client the newest header now."""
    act(directory, "relayer.update-client", {"host": host, "subject": subject, "relayer": relayer}, json=json)


def link(
    a: Annotated[str, typer.Argument(help="One chain.")],
    b: Annotated[str, typer.Argument(help="The other.")],
    relayer: Only = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Open clients and a connection between two chains; what is half open is continued, what is open stays."""
    act(directory, "relayer.link", {"a": a, "b": b, "relayer": relayer}, json=json)


def channel(
    a: Annotated[str, typer.Argument(metavar="CHAIN/PORT", help="The end that proposes.")],
    b: Annotated[str, typer.Argument(metavar="CHAIN/PORT", help="The other end.")],
    ordering: Annotated[str, typer.Option(help="unordered or ordered.")] = "unordered",
    version: Annotated[str, typer.Option(help="What to propose; the application's own by default.")] = "",
    relayer: Only = "",
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Open a channel between two chains; what is half open is continued, what is open stays."""
    (one, port), (other, counterparty_port) = _end(a), _end(b)
    given = {"a": one, "b": other, "port": port, "counterparty_port": counterparty_port}
    act(directory, "relayer.channel", {**given, "ordering": ordering, "version": version, "relayer": relayer}, json=json)


def validate(file: Annotated[Path, typer.Argument(help="A relayer's configuration.")], json: Json = False) -> None:
    """Check a relayer's configuration without starting it."""
    from meshsec_relayer.config import read_config

    config = read_config(file)
    found = {"id": config.id, "chains": list(config.chains), "paths": [path.name for path in config.paths]}
    say(found, json=json, text=f"{file} is good: relayer {config.id} serves {', '.join(found['paths'])}")


def _end(text: str) -> tuple[str, str]:
    chain, _, port = text.partition("/")
    if not chain or not port:
        from meshsec_core.kernel.errors import Rejected

        raise Rejected(BAD_END, found=text[:100], expected="CHAIN/PORT, such as osmosis/transfer")
    return chain, port


def _status(directory: Path, relayer: str) -> dict[str, Any]:
    with attached(directory) as world:
        found: dict[str, Any] = world.relayer("status", only=relayer or None)
    return found


def _lines(name: str, report: dict[str, Any]) -> list[str]:
    state = "paused" if report["paused"] else "idle" if report["idle"] else "at work"
    told = [f"{name}: {state}, {report['pending']} packets under way"]
    for path, found in report["paths"].items():
        clients = ", ".join(
            f"{client['id']} on {host} at {client['latest']}" + (f" ({client['ailment']})" if client["ailment"] else "")
            for host, client in found["clients"].items()
        )
        open_ = "open" if found["ready"] else found["problem"] or "opening"
        told.append(f"  {path}: {open_}; {len(found['open']['channels'])} channels, {found['pending']} packets; {clients}")
    return told + [f"  {reason}" for reason in report["reasons"]] + [f"  on purpose: {fault}" for fault in report["faults"]]
