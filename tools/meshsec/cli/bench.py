"""The verb that measures: `bench [SUITE]`, with a baseline to compare with, and `bench scale`."""

from pathlib import Path
from typing import Annotated

import typer

from meshsec.cli import complete
from meshsec.cli.answer import CHECK_FAILED, Json

MISPLACED = "bench/misplaced-option"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(bench)


def bench(
    suite: Annotated[
        str, typer.Argument(help="One suite, all by default; or scale: how costs grow with size.", autocompletion=complete.suites)
    ] = "",
    save: Annotated[str, typer.Option(metavar="NAME", help="Keep the figures under a name, or in a FILE.json.")] = "",
    compare: Annotated[str, typer.Option(metavar="NAME", help="Say what has become of figures that were saved.")] = "",
    fail_above: Annotated[
        str, typer.Option(metavar="PART", help="With --compare: exit with 1 if anything is slower by more, such as 20%.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="With scale: small sizes, only to see it work.")] = False,
    html: Annotated[Path | None, typer.Option(help="With scale: draw the curves in this file.")] = None,
    json: Json = False,
) -> int:
    """Measure this installation on this machine."""
    from os import getloadavg

    from meshsec import bench as suites
    from meshsec.bench import baseline
    from meshsec.bench.figure import tell
    from meshsec.cli import bench_picture as picture
    from meshsec_core.kernel.errors import Rejected

    misplaced = (save or compare or fail_above) if suite == suites.SCALE else (quick or html)
    if misplaced or (fail_above and not compare):
        hint = "--save and --compare are of suites, --quick and --html of scale, --fail-above of --compare"
        raise Rejected(MISPLACED, suite=suite or "all", hint=hint)
    if suite == suites.SCALE:
        return _scale(quick=quick, html=html, json=json)
    most = baseline.part(fail_above) if fail_above else None
    before = baseline.load(compare) if compare else None
    load = getloadavg()[0]
    file = baseline.place(save) if save else None
    figures = []
    try:
        with picture.progress(suites.named(suite), json=json) as told:
            for figure in suites.run(suite, told):
                figures.append(figure)
    finally:
        if file is not None and figures:  # minutes of work, even if a later suite fails
            baseline.save(file, figures, load)
    changes = baseline.compare(before.figures if before else (), figures)
    picture.show(figures, changes if before else None, json=json)
    if before and (doubt := before.doubt(load)):
        tell(doubt)
    return CHECK_FAILED if most is not None and baseline.worse(changes, most) else 0


def _scale(*, quick: bool, html: Path | None, json: bool) -> int:
    from meshsec.bench import curve_page, scale
    from meshsec.cli import bench_picture as picture

    sizes = scale.SMALL if quick else scale.SIZES
    with picture.progress(sizes, json=json) as told:
        curves = scale.run(sizes, tries=1 if quick else scale.TRIES, told=told)
    if html is not None:
        curve_page.write(html, curves)
    picture.show_curves(curves, json=json)
    return 0
