"""Verbs that play: `scenario plan|run|verify FILE`."""

from pathlib import Path
from typing import Annotated

import typer

from meshsec.cli import complete
from meshsec.cli.answer import CHECK_FAILED, HERE, Dir, Json, say
from meshsec.scenario.where import Place


def _found(asked: str) -> Path:
    from meshsec.scenario.library import find

    return find(Path(asked))


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A story: a YAML file, or the name of one of ours, such as nato.",
        parser=_found,
        autocompletion=complete.stories,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Play stories: files of steps and of what must hold after them.", rich_markup_mode=None)
    for verb in (plan, run, verify):
        group.command()(verb)
    app.add_typer(group, name="scenario")


def plan(file: File, json: Json = False) -> None:
    """Check a story and show its timeline; nothing is started."""
    from meshsec.scenario.document import read
    from meshsec.scenario.plan import table, timeline

    story = read(file)
    steps = timeline(story)
    chains = [chain.name for chain in story.mesh.chains]
    facts = {"title": story.title, "file": story.file, "seed": story.seed, "chains": chains, "steps": steps}
    say(facts, json=json, text="\n".join([story.title, f"chains: {', '.join(chains)}; seed {story.seed}", "", *table(steps)]))


def run(
    file: File,
    world: Annotated[
        Place, typer.Option(help="sim: in this process; local: on processes of its own; running: the mesh that is up.")
    ] = Place.SIM,
    directory: Dir = HERE,
    json: Json = False,
) -> int:
    """Play a story; the run leaves a directory with its history and a page to read."""
    from meshsec.cli.playing import play_file

    passed = play_file(file, world.value, directory, json=json)
    return 0 if passed else CHECK_FAILED


def verify(file: File, json: Json = False) -> int:
    """Play a story twice in the simulation, under different hash seeds, and compare every block; exit code 1 if they differ."""
    from meshsec.scenario.verify import verify as compare

    found = compare(file)
    if (unlike := found.difference) is None:
        text = f"the same twice: {found.blocks} blocks, digest {found.digest[:16]}"
        text += "" if found.passed else "; the story itself does not go as it is written"
    else:
        where = f"step {unlike.step} ({unlike.verb}, line {unlike.line}), {unlike.chain} height {unlike.height}"
        text = f"not the same: {where}: {unlike.what} {unlike.first or 'none'} and {unlike.second or 'none'}"
    say(found, json=json, text=text)
    return 0 if found.same else CHECK_FAILED
