"""A Histogram as columns: their heights and labels. The template draws them as boxes, so that text keeps its size
on a narrow screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tumbler.html.charts import ticks
from tumbler.html.numbers import compact
from tumbler.views import Histogram

MOST_LABELS: Final = 7


@dataclass(frozen=True)
class Column:
    label: str
    """Where the bin begins; empty where there is no room to say so."""
    told: str
    """The bin in words."""
    parts: tuple[float, ...]
    """The height of each name's part, as a share of the tallest grid line."""


@dataclass(frozen=True)
class Columns:
    columns: tuple[Column, ...]
    lines: tuple[tuple[float, str], ...]
    """(height as a share, label) of each grid line."""


def columns(histogram: Histogram) -> Columns:
    tallest = max((sum(counts) for _, _, counts in histogram.bins), default=0)
    grid = [tick for tick in ticks(0, max(tallest, 1), about=3) if tick == round(tick)]
    labelled = _labelled([low for low, _, _ in histogram.bins])
    drawn = tuple(
        Column(
            label=compact(low) if low in labelled else "",
            told=_told(histogram, low, high, counts),
            parts=tuple(count / grid[-1] for count in counts),
        )
        for low, high, counts in histogram.bins
    )
    return Columns(drawn, tuple((tick / grid[-1], f"{tick:,.0f}") for tick in grid))


def _labelled(edges: Sequence[float]) -> set[float]:
    """The edges that get a label: the powers of ten of a scale that has some, else some at equal distances."""
    powers = {edge for edge in edges if edge >= 1 and math.log10(edge).is_integer()}
    return powers if len(powers) > 2 else set(edges[:: max(1, math.ceil(len(edges) / MOST_LABELS))])


def _told(histogram: Histogram, low: float, high: float, counts: tuple[int, ...]) -> str:
    numbers = ", ".join(f"{count:,} {name}" for name, count in zip(histogram.names, counts, strict=True))
    return f"{compact(low)} to {compact(high)} {histogram.x}: {numbers}"
