"""What a report says, as one value, before it is written as JSON, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from tumbler.eval.figures import Figure, by_name, shown
from tumbler.eval.road import Stop
from tumbler.views import Samples, Table


@dataclass(frozen=True)
class Report:
    """Figures first, then what the models say, then the road that led to them."""

    title: str
    figures: tuple[Figure, ...]
    relations: Mapping[str, Sequence[Figure]]
    """By group of questions, one figure a relation."""
    samples: tuple[Samples, ...]
    road: tuple[Stop, ...]

    @property
    def seconds(self) -> float:
        return sum(stop.seconds or 0.0 for stop in self.road)

    @property
    def licences(self) -> list[tuple[str, str]]:
        """(step where it entered, licence)."""
        return [(stop.step, name) for stop in self.road for name in stop.licences]


def to_json(report: Report) -> dict[str, JsonValue]:
    """Every figure by name, and the seconds of each step."""
    seconds: dict[str, JsonValue] = {stop.step: stop.seconds for stop in report.road if stop.seconds is not None}
    return {
        **by_name(report.figures, report.relations),
        "seconds": round(report.seconds, 2),
        "seconds_by_step": seconds,
    }


def scores(figures: Sequence[Figure]) -> Table:
    """The figures as a view: what, how much, what guessing would reach."""
    rows = [
        (item.label, shown(item.value, item.unit), "" if item.baseline is None else shown(item.baseline, item.unit))
        for item in figures
    ]
    return Table("Scores", ("figure", "value", "baseline"), tuple(rows))
