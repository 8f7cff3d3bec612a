"""Shares, intervals and baselines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.eval.measures import Answered, by_relation, score_answers, wilson
from tumbler.tasks.question import Question


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (19, 20, 0.7639, 0.9911)],
)
def test_wilson_gives_the_published_interval(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_the_share_and_mirrors_its_complement(trial: tuple[int, int]) -> None:
    right, total = trial
    low, high = wilson(right, total)
    assert 0 <= low <= right / total + 1e-12 and right / total - 1e-12 <= high <= 1
    mirrored = wilson(total - right, total)
    assert mirrored == pytest.approx((1 - high, 1 - low))


def answered(relation: str, subject: str, answer: str, output: str) -> Answered:
    return Answered(Question("", "?", answer, relation, subject, "asked"), output)


def test_a_score_counts_exact_answers_beside_the_best_constant_answer() -> None:
    answers = [
        answered("region", "Chad", "The region of Chad is Africa.", "The region of Chad is Africa."),
        answered("region", "Mali", "The region of Mali is Africa.", "The region of Mali is Asia."),
        answered("region", "Iran", "The region of Iran is Asia.", "Asia"),
        answered("capital", "Peru", "The capital of Peru is Lima.", "The capital of Peru is  Lima."),
    ]
    score = score_answers(answers)
    assert (score.right, score.total, score.share, score.baseline) == (2, 4, 0.5, 0.75)


def test_answers_are_told_apart_by_relation() -> None:
    answers = [answered("region", "Chad", "Africa", ""), answered("capital", "Peru", "Lima", "")]
    assert {name: len(items) for name, items in by_relation(answers).items()} == {"capital": 1, "region": 1}
