"""Verbs about a mesh's life: up, down, status, logs, init."""

import sys
import time
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from meshsec.cli import complete
from meshsec.cli.answer import HERE, Dir, Json, say

CANNOT_WRITE = "init/cannot-write"

FOLLOW_SECONDS = 0.2
"""Between two looks at the logs."""


class Mode(StrEnum):
    """When chains make blocks."""

    AUTO = "auto"
    INTERVAL = "interval"
    MANUAL = "manual"


Mesh = Annotated[
    str,
    typer.Argument(
        help="pair, triangle, star:N, full:N, or a mesh file; what the directory holds by default.",
        autocompletion=complete.topologies,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (up, down, status, logs, init):
        app.command()(verb)


def up(
    mesh: Mesh = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is ready, and leave it running.")] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of page and gateway: 8080 or else a free one; 0 takes a free one.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of page and gateway.")] = "127.0.0.1",
    seed: Annotated[int | None, typer.Option(help="Seed of what a simulation of this mesh leaves to chance.")] = None,
    block_mode: Annotated[Mode, typer.Option(help="auto: when there is something to include or to prove.")] = Mode.AUTO,
    block_time: Annotated[str, typer.Option(help="Time between blocks in interval mode, such as 500ms.")] = "1s",
    keep_blocks: Annotated[
        int, typer.Option(min=0, metavar="N", help="Blocks that each chain keeps, at least 1000; 0 keeps all.")
    ] = 0,
    token: Annotated[
        str | None, typer.Option(help="Take orders from those alone who show it; other verbs show MESHSEC_TOKEN.")
    ] = None,
    directory: Dir = HERE,
    json: Json = False,
) -> int:
    """Boot a mesh: chains, relayers, gateway and the live page; Ctrl-C ends it."""
    from meshsec.cli.upping import Wish, run

    wish = Wish(mesh, directory, port, host, seed, block_mode.value, block_time, token, keep_blocks)
    return run(wish, detach=detach, json=json)


def down(directory: Dir = HERE, json: Json = False) -> None:
    """End the mesh of a directory; what it holds stays and goes on at the next `up`."""
    from meshsec.home import Home, end

    stopped = end(Home(directory))
    say({"stopped": stopped}, json=json, text="stopped" if stopped else f"nothing runs in {directory}")


def status(directory: Dir = HERE, json: Json = False) -> None:
    """Show chains with their stake, and relayers with what is on its way."""
    from meshsec.cli.picture import Picture, draw
    from meshsec.home import Home

    with Picture(Home(directory)) as picture:
        seen = picture.look()
    if json:
        say(seen, json=True)
    else:
        from rich.console import Console

        Console().print(draw(seen))


def logs(
    process: Annotated[str, typer.Argument(help="One process, such as osmosis or relayer-main; all by default.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, help="Lines from the end of each log.")] = 20,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Print what the processes have logged, one JSON object a line."""
    from meshsec.home import Home

    found = Home(directory).logs(process)
    ends = {}
    for path in found:
        raw = path.read_bytes()
        ends[path] = len(raw)
        _print(path, raw.splitlines()[-lines:] if lines else [], json=json)
    while follow:
        time.sleep(FOLLOW_SECONDS)
        for path in found:
            with path.open("rb") as file:
                file.seek(ends[path])
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                ends[path] += len(whole) + 1
                _print(path, whole.splitlines(), json=json)


def _print(path: Path, rows: list[bytes], *, json: bool) -> None:
    for row in rows:
        text = row.decode(errors="replace")
        sys.stdout.write(f"{text}\n" if json else f"{path.stem:<14} {text}\n")
    sys.stdout.flush()


def init(
    mesh: Annotated[str, typer.Argument(help="The topology to start from, or a mesh file.")] = "triangle",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a file that does not exist yet, instead of printing.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of mesh files, for editors.")] = False,
    json: Json = False,
) -> None:
    """Print a mesh file to edit; `meshsec up FILE` boots it."""
    from meshsec_core.kernel.errors import Rejected
    from meshsec_sdk import mesh_yaml

    if schema:
        from meshsec_sdk.mesh_schema import mesh_schema

        print(dumps(mesh_schema(), indent=2))
        return
    spec = mesh_yaml.load(mesh)
    text = mesh_yaml.dump(spec)
    if out is None:
        say(spec, json=json, text=text.rstrip("\n"))
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Rejected(CANNOT_WRITE, file=str(out), reason=str(error.strerror), hint="choose another name") from None
    say({"file": str(out)}, json=json, text=f"{out}: boot it with meshsec up {out}")
