"""A Curve as inline SVG: drawn here so that a page needs no script, follows its own colours (light or dark),
prints sharp, and is the same bytes for the same curve.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from tumbler.html.numbers import compact
from tumbler.views import Curve

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 12, 34
MAX_POINTS = 400
"""More points than this a series are averaged in equal groups: a line is 640 pixels wide."""

Points = Sequence[tuple[float, float]]


def svg(curve: Curve) -> str:
    """The chart as one `<svg>` element; its colours are the classes s0, s1, ... of the page's style sheet."""
    series = [(name, thin(finite(points))) for name, points in curve.series]
    series = [(name, points) for name, points in series if points]
    if not series:
        return ""
    xs = [x for _, points in series for x, _ in points]
    ys = [y for _, points in series for _, y in points]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    x_of = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_of = _scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_attribute(curve.title)}">',
        *(_horizontal(y_of(tick), compact(tick)) for tick in y_ticks),
        *(_vertical(x_of(tick), compact(tick)) for tick in x_ticks if min(xs) <= tick <= max(xs)),
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 2}" text-anchor="middle">'
        f"{escape(curve.x)}</text>",
        *(_line(points, x_of, y_of, place) for place, (_, points) in enumerate(series)),
        "</svg>",
    ]
    return "\n".join(parts)


def finite(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def thin(points: Points, most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most `most` points: means of equal groups of neighbours, so that no spike is dropped unseen."""
    if len(points) <= most:
        return list(points)
    edges = [round(place * len(points) / most) for place in range(most + 1)]
    groups = [points[start:stop] for start, stop in itertools.pairwise(edges)]
    return [(_mean([x for x, _ in group]), _mean([y for _, y in group])) for group in groups]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that enclose [low, high]."""
    near = 1e-9 * max(1.0, abs(low), abs(high))  # within less, rounding would merge the ticks
    if high - low < near:
        low, high = low - max(0.5, near), high + max(0.5, near)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """The linear map from [low, high] to [start, stop], in tenths of a pixel."""
    slope = (stop - start) / (high - low or 1.0)
    return lambda value: round(start + (value - low) * slope, 1)


def _horizontal(y: float, label: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:g}" y2="{y:g}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y + 4:g}" text-anchor="end">{label}</text>'
    )


def _vertical(x: float, label: str) -> str:
    return f'<text class="tick" x="{x:g}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label}</text>'


def _line(points: Points, x_of: Callable[[float], float], y_of: Callable[[float], float], place: int) -> str:
    path = " ".join(f"{x_of(x):g},{y_of(y):g}" for x, y in points)
    x, y = points[-1]
    return (
        f'<polyline class="line s{place}" points="{path}"/>'
        f'<circle class="dot s{place}" cx="{x_of(x):g}" cy="{y_of(y):g}" r="3"/>'
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
