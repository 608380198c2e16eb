"""How a cost grows with a size: points, the power of the size that fits them best, and whether that is linear or better."""

from collections.abc import Sequence
from math import exp, log
from statistics import correlation, linear_regression

import msgspec

LINEAR = 1.1
"""The highest exponent that is called linear; what is measured twice differs by less."""


class Point(msgspec.Struct, frozen=True):
    """One size and what it costs."""

    size: int
    cost: float
    """In the curve's unit."""


class Curve(msgspec.Struct, frozen=True):
    """A cost over sizes, and the power law `cost = factor * size ** exponent` that least squares fit to its logarithms."""

    name: str
    of: str
    """What there is more and more of."""
    unit: str
    points: tuple[Point, ...]
    exponent: float
    factor: float
    r2: float
    """The part of the logarithms' variance that the law explains; low where the cost hardly depends on the size."""
    steepness: float
    """The exponent between the last two points: fixed costs are small there, and a steeper law would show first."""
    linear: bool


def fit(name: str, of: str, unit: str, points: Sequence[Point]) -> Curve:
    """Fit a power law to two points or more, in order of size."""
    sizes, costs = [log(point.size) for point in points], [log(point.cost) for point in points]
    exponent, intercept = linear_regression(sizes, costs)
    r2 = correlation(sizes, costs) ** 2 if len(set(costs)) > 1 else 1.0
    steepness = (costs[-1] - costs[-2]) / (sizes[-1] - sizes[-2])
    rounded = round(exponent, 3), round(exp(intercept), 6), round(r2, 3), round(steepness, 3)
    return Curve(name, of, unit, tuple(points), *rounded, exponent <= LINEAR)
