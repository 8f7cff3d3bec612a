"""Inline SVG of curves."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from tumbler.html import charts
from tumbler.views import Curve

VALUES = st.floats(-1e6, 1e6, allow_nan=False)


@given(VALUES, VALUES)
@example(1000000.0, 999999.9999999999)
@example(0.0, 5e-324)
@example(1e17, 1e17)
def test_ticks_enclose_the_range_with_few_equal_steps(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = charts.ticks(low, high)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 9


def test_ticks_are_round_numbers() -> None:
    assert charts.ticks(0.93, 8.31) == [0, 2, 4, 6, 8, 10]
    assert charts.ticks(0, 500) == [0, 100, 200, 300, 400, 500]


def test_thinning_keeps_short_series_and_averages_long_ones() -> None:
    short = [(float(x), 1.0) for x in range(10)]
    assert charts.thin(short, 10) == short
    long = [(float(x), float(x % 2)) for x in range(1000)]
    thinned = charts.thin(long, 100)
    assert len(thinned) == 100
    assert all(y == 0.5 for _, y in thinned)


def test_a_chart_is_well_formed_and_escapes_its_texts() -> None:
    curve = Curve('<b>"loss"</b>', "st<ep", "nats", (("train", ((0.0, 8.0), (10.0, 2.0), (20.0, math.nan))),))
    root = ElementTree.fromstring(charts.svg(curve))
    assert root.attrib["aria-label"] == '<b>"loss"</b>'
    assert [text.text for text in root.iter("text")][-1] == "st<ep"
    line = next(root.iter("polyline")).attrib["points"].split()
    assert len(line) == 2, "a value that is no number has no place in a line"


def test_points_lie_inside_the_chart() -> None:
    curve = Curve("", "", "", (("a", ((3.0, -2.0), (7.0, 5.0))), ("b", ((1.0, 1.0),))))
    for line in ElementTree.fromstring(charts.svg(curve)).iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert charts.LEFT <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT


def test_a_curve_without_points_draws_nothing() -> None:
    assert charts.svg(Curve("", "", "", (("train", ()),))) == ""
