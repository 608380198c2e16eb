"""Verbs about snapshots of the whole mesh: `snapshot save|list|revert|delete|export|import`."""

from pathlib import Path
from typing import Annotated

import typer

from meshsec.cli.answer import HERE, Dir, Json, say
from meshsec.cli.running import act, attached

Name = Annotated[str, typer.Argument(help="Of the snapshot: letters, digits, dots and dashes.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Save the whole mesh, and bring it back as often as you like.", rich_markup_mode=None)
    for verb in (save, revert, delete, export):
        group.command()(verb)
    group.command("list")(list_snapshots)
    group.command("import")(import_bundle)
    app.add_typer(group, name="snapshot")


def save(name: Name, directory: Dir = HERE, json: Json = False) -> None:
    """Save chains, packets, relayers and the clock; one of the same name is replaced."""
    act(directory, "snapshot", {"name": name}, json=json)


def list_snapshots(directory: Dir = HERE, json: Json = False) -> None:
    """List the snapshots of the running mesh."""
    with attached(directory) as world:
        found = world.snapshots()
    rows = [f"{item.name}: " + ", ".join(f"{chain} at {height}" for chain, height in item.heights.items()) for item in found]
    say({"snapshots": found}, json=json, text="\n".join(rows) or "none")


def revert(name: Name, directory: Dir = HERE, json: Json = False) -> None:
    """Bring the mesh back; nobody can be accused of what happened since."""
    act(directory, "revert", {"name": name}, json=json)


def delete(name: Name, directory: Dir = HERE, json: Json = False) -> None:
    """Forget a snapshot."""
    with attached(directory) as world:
        world.forget(name)
    say({"deleted": name}, json=json, text=f"{name} is deleted")


def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="To write; it must not exist yet.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Write a snapshot with all its history into one file."""
    from meshsec.bundle import pack
    from meshsec.home import Home

    label = pack(Home(directory), name, file)
    said = {"name": name, "file": str(file), "heights": label.kept.heights}
    say(said, json=json, text=f"{name} is in {file}, {file.stat().st_size:,} bytes")


def import_bundle(
    file: Annotated[Path, typer.Argument(help="That `snapshot export` has written.")],
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Take a snapshot out of a file; a directory without a mesh becomes the mesh it is of."""
    from meshsec.bundle import unpack
    from meshsec.home import Home

    label = unpack(Home(directory), file)
    name = label.kept.name
    said = {"name": name, "heights": label.kept.heights}
    say(said, json=json, text=f"{name} is there; go to it with: meshsec snapshot revert {name} --dir {directory}")
