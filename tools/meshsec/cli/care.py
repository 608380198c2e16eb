"""Verbs for when something is wrong: doctor, dump."""

from pathlib import Path
from typing import Annotated

import typer

from meshsec.cli.answer import CHECK_FAILED, HERE, Dir, Json, say

MARKS = {"ok": "ok", "optional": "--", "bad": "!!"}


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (doctor, dump):
        app.command()(verb)


def doctor(directory: Dir = HERE, json: Json = False) -> int:
    """Check this machine and installation; exit with 1 if anything must be mended."""
    from meshsec.checkup import State, look
    from meshsec.home import Home

    found = look(Home(directory))
    bad = [finding for finding in found if finding.state is State.BAD]
    width = max(len(finding.name) for finding in found)
    rows = [
        f"{MARKS[finding.state]} {finding.name:<{width}}  {finding.found}" + (f"; {finding.advice}" if finding.advice else "")
        for finding in found
    ]
    rows += ["", f"{len(bad)} things must be mended" if bad else "all is well"]
    say(found, json=json, text="\n".join(rows))
    return CHECK_FAILED if bad else 0


def dump(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; meshsec-dump-TIME.zip by default.")] = None,
    directory: Dir = HERE,
    json: Json = False,
) -> None:
    """Put all that helps to find a bug into one file: versions, logs, the state of every process, last runs of stories."""
    from datetime import datetime

    from meshsec.dump import collect
    from meshsec.home import Home

    file = out or Path(f"meshsec-dump-{datetime.now():%Y%m%d-%H%M%S}.zip")
    names = collect(Home(directory), file)
    say({"file": str(file), "holds": names}, json=json, text=f"{file}: {len(names)} parts; attach it to a bug report")
