"""The figures of a report: each has a stable name, a label for people, and what it must be read beside.

`report.json` is the flat dictionary that `by_name` gives; the pages show the same values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from tumbler.eval.measures import Answered, Score, by_group, by_relation, score_answers

GROUPS = {
    "asked": "countries asked about in SFT",
    "never_asked": "countries never asked about in SFT",
    "left_out": "countries left out of the corpus",
}
"""What a question's group means; the last is there to show what guessing reaches."""


@dataclass(frozen=True)
class Figure:
    """One number: its name in report.json, what it says, and for shares the interval and the baseline."""

    name: str
    label: str
    value: float
    unit: str = ""
    """"share" is shown as a percentage."""
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    count: int | None = None
    """How many trials the share is of."""


def of_score(name: str, label: str, score: Score) -> Figure:
    return Figure(name, label, score.share, "share", score.low, score.high, score.baseline, score.total)


def of_answers(answers: Sequence[Answered]) -> list[Figure]:
    """`accuracy_GROUP` for each group of questions, over held-out wordings."""
    return [
        of_score(f"accuracy_{group}", f"exact answers, {GROUPS.get(group, group)}", score_answers(members))
        for group, members in _in_order(by_group(answers))
    ]


def of_relations(answers: Sequence[Answered]) -> dict[str, list[Figure]]:
    """For each group, one figure a relation, named by the relation."""
    return {
        group: [of_score(name, name, score_answers(items)) for name, items in by_relation(members).items()]
        for group, members in _in_order(by_group(answers))
    }


def _in_order(groups: Mapping[str, list[Answered]]) -> list[tuple[str, list[Answered]]]:
    known = [(group, groups[group]) for group in GROUPS if group in groups]
    return known + [(group, members) for group, members in groups.items() if group not in GROUPS]


def by_name(figures: Iterable[Figure], relations: Mapping[str, Sequence[Figure]]) -> dict[str, JsonValue]:
    """Flat and stable: NAME, NAME_low, NAME_high, NAME_count, and baseline_NAME where there is one."""
    values: dict[str, JsonValue] = {}
    for figure in figures:
        values[figure.name] = _rounded(figure.value)
        beside = {"low": figure.low, "high": figure.high, "count": figure.count}
        values |= {f"{figure.name}_{key}": _rounded(value) for key, value in beside.items() if value is not None}
        if figure.baseline is not None:
            values[f"baseline_{figure.name}"] = _rounded(figure.baseline)
    for group, members in relations.items():
        values[f"accuracy_{group}_by_relation"] = {item.name: _rounded(item.value) for item in members}
        values[f"baseline_accuracy_{group}_by_relation"] = {item.name: _rounded(item.baseline) for item in members}
    return values


def shown(value: float, unit: str) -> str:
    """A figure as people read it: 87.5 %, 1.234, 8,192 tokens/s."""
    if unit == "share":
        return f"{100 * value:.1f} %"
    text = f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3f}"
    return f"{text} {unit}".rstrip()


def _rounded(value: float | None) -> float | int | None:
    return round(value, 6) if isinstance(value, float) else value
