"""Charts as inline SVG: figures that stay from one step of a story to the next. Colours and fonts come from the page's style."""

from collections.abc import Iterable, Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 30
"""Margins: numbers stand to the left of the plot, steps below it."""
MOST_TICKS = 12
COLOURS = 6
"""How many the style has."""


class Line(msgspec.Struct, frozen=True):
    """One figure over the steps of a story, the first before it begins."""

    name: str
    values: tuple[int, ...]


class Mark(msgspec.Struct, frozen=True):
    """A step that is told of in every chart."""

    step: int
    what: str
    kind: str
    """`fault` or `revert`."""


def chart(title: str, unit: str, series: Sequence[Line], marks: Iterable[Mark], *, stacked: bool = False) -> str:
    """Draw a chart with its legend.

    Args:
        title: what is shown.
        unit: of the values.
        series: what is drawn; what is always zero is left out.
        marks: steps at which something happened.
        stacked: add the values up, as parts of a whole.
    """
    shown = [line for line in series if any(line.values)]
    if not shown:
        return ""
    steps = len(shown[0].values)
    floors = [0] * steps
    layers = []
    for line in shown:
        tops = [floor + value for floor, value in zip(floors, line.values, strict=True)] if stacked else list(line.values)
        layers.append((tops, list(floors)))
        floors = tops if stacked else floors
    top, ticks = _scale(max(max(tops) for tops, _ in layers))
    plane = _Plane(steps, top)
    body = [_grid(plane, ticks), _marks(plane, marks)]
    for number, (tops, bottoms) in enumerate(layers):
        colour = f"var(--c{number % COLOURS})"
        if stacked:
            body.append(f'<path d="{plane.area(tops, bottoms)}" fill="{colour}" fill-opacity=".28"/>')
        body.append(f'<path d="{plane.steps(tops)}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    body.append(_tips(plane, shown))
    legend = "".join(
        f'<li><i style="background:var(--c{n % COLOURS})"></i>{escape(line.name)}</li>' for n, line in enumerate(shown)
    )
    return (
        f"<figure><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def spell_short(value: int) -> str:
    """Spell a number so that it fits beside an axis: 1250000 as 1.25M."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            whole, part = divmod(value * 100 // size, 100)  # down; only to be read
            return f"{whole}.{part:02d}".rstrip("0").rstrip(".") + letter
    return str(value)


def spell_long(text: str) -> str:
    """Group the digits of whole numbers, also of a range: 1000000 as 1,000,000."""
    return "–".join(f"{int(part):,}" if part.lstrip("-").isdigit() else part for part in text.split("–"))


class _Plane:
    """From steps and values to places on the drawing."""

    def __init__(self, steps: int, top: int) -> None:
        self.count = steps
        self.top = top

    def x(self, step: int) -> str:
        """Return where a step begins to count."""
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, self.count):.1f}"

    def y(self, value: int) -> str:
        """Return how high a value is."""
        return f"{HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top:.1f}"

    def steps(self, values: Sequence[int]) -> str:
        """Return a line that stays at each value until the next."""
        parts = [f"M{self.x(0)} {self.y(values[0])}H{self.x(1)}"]
        parts += [f"V{self.y(value)}H{self.x(index + 1)}" for index, value in enumerate(values) if index]
        return "".join(parts)

    def area(self, tops: Sequence[int], bottoms: Sequence[int]) -> str:
        """Return the area between two such lines."""
        back = [f"V{self.y(bottoms[index])}H{self.x(index)}" for index in reversed(range(len(bottoms)))]
        return f"{self.steps(tops)}{''.join(back)}Z"


def _scale(highest: int) -> tuple[int, list[int]]:
    """Return a round number above all values, and what is marked up to it."""
    size = 10 ** (len(str(highest)) - 1)
    step = next(part for part in (size // 5 or 1, size // 2 or 1, size, 2 * size, 5 * size) if part * 5 >= highest)
    ticks = list(range(0, highest + step, step))
    return ticks[-1], ticks


def _grid(plane: _Plane, ticks: Sequence[int]) -> str:
    lines = [
        f'<path class="grid" d="M{LEFT} {plane.y(tick)}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{plane.y(tick)}" dy=".35em" text-anchor="end">{spell_short(tick)}</text>'
        for tick in ticks
    ]
    every = max(1, -(-plane.count // MOST_TICKS))
    half = (WIDTH - LEFT - RIGHT) / plane.count / 2
    low = HEIGHT - BOTTOM + 16
    lines += [
        f'<text x="{float(plane.x(step)) + half:.1f}" y="{low}" text-anchor="middle">{step or "start"}</text>'
        for step in range(0, plane.count, every)
    ]
    return "".join(lines)


def _marks(plane: _Plane, marks: Iterable[Mark]) -> str:
    return "".join(
        f'<g class="mark {mark.kind}"><path d="M{plane.x(mark.step)} {TOP}V{HEIGHT - BOTTOM}"/>'
        f"<title>step {mark.step}: {escape(mark.what)}</title></g>"
        for mark in marks
        if mark.step < plane.count
    )


def _tips(plane: _Plane, series: Sequence[Line]) -> str:
    """Return what is told when a step is pointed at."""
    width = (WIDTH - LEFT - RIGHT) / plane.count
    return "".join(
        f'<rect class="tip" x="{plane.x(step)}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"><title>'
        + escape("\n".join([f"step {step}" if step else "start", *(f"{line.name}: {line.values[step]:,}" for line in series)]))
        + "</title></rect>"
        for step in range(plane.count)
    )
