"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.html.funnel import funnel_rows
from tumbler.html.numbers import compact, duration, fact, share, size
from tumbler.views import Funnel


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (8.24, "8.2 s"), (45.4, "45 s"), (243, "4 min 03 s"), (7500, "2 h 05 min")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
     (69_487_112, "69.5 MB"), (15e12, "15.0 TB"), (44e15, "44.0 PB"), (-830, "−830 B"), (-4612, "−4.61 kB")],
)  # fmt: skip
def test_sizes_have_three_digits(count: float, text: str) -> None:
    assert size(count) == text


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_only_nothing_reads_as_nothing_and_only_all_as_all(part: int, whole: int) -> None:
    part = min(part, whole)
    text = share(part, whole)
    assert (text == "0 %") == (part == 0)
    assert (text == "100 %") == (part == whole)
    assert "100.0" not in text and text != "0.0 %"


def test_ticks_and_facts_are_short() -> None:
    assert [compact(value) for value in (0.25, 900, 5000, 1_200_000, 3e9)] == ["0.25", "900", "5k", "1.2M", "3G"]
    assert [fact(value) for value in (12345, 8123.7, 0.123456, True, ["a", 2])] == [
        "12,345", "8,124", "0.1235", "True", "a, 2",
    ]  # fmt: skip


def test_a_funnel_shows_what_is_left_after_each_rule() -> None:
    rows = funnel_rows(Funnel("", "pages", 10, (("empty", 2), ("short", 3)), 5))
    assert rows == [("read", 10, 1.0, 0.0), ("empty", 2, 0.8, 0.2), ("short", 3, 0.5, 0.3), ("kept", 5, 0.5, 0.0)]
