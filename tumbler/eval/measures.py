"""Scores of exact answers: shares right, their intervals, and what a constant answer would reach."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tumbler.tasks.question import Question, exact_match, majority_accuracy, majority_answers

Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Answered:
    """A question and what a model said to it."""

    question: Question
    output: str

    @property
    def right(self) -> bool:
        return exact_match(self.question.answer, self.output)


@dataclass(frozen=True)
class Score:
    """`right` of `total`, with the 95 % interval of the share and the share of the best constant answer."""

    right: int
    total: int
    low: float
    high: float
    baseline: float | None = None

    @property
    def share(self) -> float:
        return self.right / self.total


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927): honest at 0, at 1 and for few trials."""
    assert 0 <= right <= total and total > 0, f"{right} of {total}"
    share, z2 = right / total, Z95**2
    middle = share + z2 / (2 * total)
    spread = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    scale = 1 + z2 / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def score(verdicts: Sequence[bool], baseline: float | None = None) -> Score:
    right = sum(verdicts)
    return Score(right, len(verdicts), *wilson(right, len(verdicts)), baseline)


def score_answers(answers: Sequence[Answered]) -> Score:
    """The baseline's constant answers are counted on the tested questions themselves: none can do better."""
    questions = [item.question for item in answers]
    baseline = majority_accuracy(majority_answers(questions), questions)
    return score([item.right for item in answers], baseline)


def by_group(answers: Iterable[Answered]) -> dict[str, list[Answered]]:
    return _split(answers, lambda item: item.question.group)


def by_relation(answers: Iterable[Answered]) -> dict[str, list[Answered]]:
    return _split(answers, lambda item: item.question.relation)


def _split(answers: Iterable[Answered], key: Callable[[Answered], str]) -> dict[str, list[Answered]]:
    parts: dict[str, list[Answered]] = defaultdict(list)
    for item in answers:
        parts[key(item)].append(item)
    return dict(sorted(parts.items()))
