"""FineWeb's own rules: each limit at its value and one step to each side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.rules.fineweb_quality import FineWebQuality, LineStatistics, measure
from tumbler.corpus.words.marks import terminal
from tumbler.corpus.words.prose import Prose

GOOD = LineStatistics(lines=10, end_marks=1.0, short_lines=0.0, duplicate_characters=0.0, newlines_per_word=0.0)


@pytest.mark.parametrize(
    ("statistic", "limit", "direction", "reason"),
    [
        ("end_marks", 0.12, -1, "too_few_end_marks"),
        ("short_lines", 0.67, 1, "too_many_short_lines"),
        ("duplicate_characters", 0.01, 1, "duplicate_lines"),
        ("newlines_per_word", 0.3, 1, "too_many_newlines"),
    ],
)
def test_a_limit_itself_is_allowed(statistic: str, limit: float, direction: int, reason: str) -> None:
    rule, step = FineWebQuality(), direction * 1e-9
    assert rule.judge(replace(GOOD, **{statistic: limit})) is None
    assert rule.judge(replace(GOOD, **{statistic: limit - step})) is None
    assert rule.judge(replace(GOOD, **{statistic: limit + step})) == f"fineweb_quality:{reason}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A line that is long enough and that ends well.\n" * 3 + "x" * 9359, None),
        ("A line that is long enough and that ends well.\n" * 3 + "x" * 9061, "fineweb_quality:duplicate_lines"),
        ("\n \n\t", "fineweb_quality:empty"),
        ("A line that is long enough, but no mark\nAnother of that kind, no mark", "fineweb_quality:too_few_end_marks"),
        ("\n".join(f"Short line {number}." for number in range(9)), "fineweb_quality:too_many_short_lines"),
        ("Alpha-beta-gamma-delta-epsilon-zeta.\n\n\n\n\n", "fineweb_quality:too_many_newlines"),
        ("これは日本語の文章です。とても長い一行なので短い行ではありません。", None),
    ],
)  # fmt: skip
def test_a_page_is_judged_by_its_lines(text: str, reason: str | None) -> None:
    assert FineWebQuality()(Prose(text)) == reason


@given(st.lists(st.sampled_from(["", " ", "a b.", "long " * 7, "ends？", "x" * 30, "y" * 31, "a b."]), max_size=12))
def test_the_statistics_are_those_of_the_plain_definition(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = measure(Prose(text), 30)
    full = [line for line in lines if line.strip()]
    assert found.lines == len(full)
    if full:
        assert found.end_marks == sum(line.endswith(terminal()) for line in full) / len(full)
        assert found.short_lines == sum(len(line) < 31 for line in full) / len(full)
        again = sum(len(line) for place, line in enumerate(full) if line in full[:place])
        assert found.duplicate_characters == again / len(text.replace("\n", ""))
        assert found.newlines_per_word == text.count("\n") / len(Prose(text).words)


@given(st.lists(st.sampled_from(["", "a.", "a-b c/d.", "long " * 7, "x" * 31]), max_size=12), st.floats(0, 2))
def test_a_text_is_judged_by_its_statistics_though_not_all_are_worked_out(lines: list[str], limit: float) -> None:
    rule = FineWebQuality(min_end_marks=0, max_short_lines=1, max_duplicate_characters=1, max_newlines_per_word=limit)
    text = "\n".join(lines)
    assert rule(Prose(text)) == rule.judge(measure(Prose(text), rule.short_line_characters))
