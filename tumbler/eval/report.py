"""What a report says, as one value, before it is written as JSON, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from tumbler.eval.figures import Figure, by_name, shown
from tumbler.eval.road import Stop
from tumbler.views import Funnel, Samples, Table


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


def funnel_rows(funnel: Funnel) -> list[tuple[str, int, float, float]]:
    """(what, how many, share left after it, share it took) for each bar of a funnel, of what was read."""
    whole = max(funnel.read, 1)
    rows = [("read", funnel.read, 1.0, 0.0)]
    left = funnel.read
    for reason, count in funnel.dropped:
        left -= count
        rows.append((reason, count, left / whole, count / whole))
    return [*rows, ("kept", funnel.kept, funnel.kept / whole, 0.0)]


def duration(seconds: float) -> str:
    """8.2 s, 45 s, 4 min 03 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
