"""Curves as a page that needs nothing else: both axes logarithmic, so that a power of the size is a straight line."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from meshsec.bench.curves import LINEAR, Curve
from meshsec.scenario.report import STYLE
from meshsec_core.kernel.errors import Rejected

UNWRITABLE = "bench/unwritable-page"

LEGEND = f"""Points are measured; the line is the power law that fits them best; the dashed line is linear growth from the first
point. Both axes are logarithmic. Linear or better is an exponent of at most {LINEAR}."""

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 44, 14, 34


def write(file: Path, curves: Sequence[Curve]) -> None:
    """Write the page.

    Raises:
        Rejected: `bench/unwritable-page`.
    """
    body = f'<h1>How costs grow with size</h1><p>{LEGEND}</p><div class="charts">{"".join(map(_figure, curves))}</div>'
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    style = STYLE.read_text(encoding="utf-8")
    try:
        file.write_text(
            f"{head}<title>How costs grow</title><style>{style}</style><main>{body}</main></html>\n", encoding="utf-8"
        )
    except OSError as error:
        raise Rejected(UNWRITABLE, file=str(file), reason=error.strerror or type(error).__name__) from None


class _Plane:
    """Turns sizes and costs into places."""

    def __init__(self, curve: Curve) -> None:
        first, last = curve.points[0], curve.points[-1]
        self.sizes = log10(first.size), log10(last.size)
        costs = [log10(point.cost) for point in curve.points]
        self.costs = float(floor(min(costs))), float(max(ceil(max(costs)), floor(min(costs)) + 1))

    def x(self, size: float) -> float:
        """Return where a size is."""
        low, high = self.sizes
        return LEFT + (log10(size) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, cost: float) -> float:
        """Return where a cost is."""
        low, high = self.costs
        return HEIGHT - BOTTOM - (log10(cost) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(self, curve: Curve, exponent: float, factor: float) -> str:
        """Return the path of a power law."""
        ends = (curve.points[0].size, curve.points[-1].size)
        return "M" + "L".join(f"{self.x(size):.1f} {self.y(factor * size**exponent):.1f}" for size in ends)


def _figure(curve: Curve) -> str:
    plane = _Plane(curve)
    name, unit, of = escape(curve.name), escape(curve.unit), escape(curve.of)
    verdict = "linear or better" if curve.linear else "more than linear"
    law = f"{of}<sup>{curve.exponent:.2f}</sup>, R² {curve.r2:.2f}; at the end {of}<sup>{curve.steepness:.2f}</sup>"
    first = curve.points[0]
    body = [
        _grid(plane, curve),
        f'<svg x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" '
        f'viewBox="{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {HEIGHT - TOP - BOTTOM}">'
        f'<path d="{plane.line(curve, 1.0, first.cost / first.size)}" fill="none" stroke="var(--soft)" stroke-dasharray="4 4"/>',
        f'<path d="{plane.line(curve, curve.exponent, curve.factor)}" fill="none" stroke="var(--c0)" stroke-width="2"/></svg>',
        *(
            f'<circle cx="{plane.x(point.size):.1f}" cy="{plane.y(point.cost):.1f}" r="4.5" fill="var(--c1)">'
            f"<title>{point.size:,}: {point.cost:,g} {unit}</title></circle>"
            for point in curve.points
        ),
    ]
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(body)}</svg>'
    told = f'<p><span class="verdict{"" if curve.linear else " bad"}">{verdict}</span> {law}</p>'
    return f"<figure><figcaption>{name} <small>{unit}, over {of}</small></figcaption>{drawn}{told}</figure>"


def _grid(plane: _Plane, curve: Curve) -> str:
    right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM
    drawn = []
    for power in range(int(plane.costs[0]), int(plane.costs[1]) + 1):
        y = plane.y(10.0**power)
        drawn.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>')
    drawn += [
        f'<text x="{plane.x(point.size):.1f}" y="{foot + 20}" text-anchor="middle">{point.size:,}</text>'
        for point in curve.points
    ]
    return "".join(drawn)
