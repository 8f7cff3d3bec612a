"""A report as Markdown. Texts of models and pages are escaped: they can make no markup, link or table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tumbler.eval.figures import GROUPS, Figure, shown
from tumbler.eval.report import Report
from tumbler.eval.road import Stop
from tumbler.html.funnel import funnel_rows
from tumbler.html.numbers import compact, duration, size
from tumbler.views import Curve, Flow, Funnel, Histogram, Samples, Table, View

MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@])")
LONGEST = 400
"""Characters of one text; the rest is cut, visibly."""


def markdown(report: Report) -> str:
    lines = [f"# {plain(report.title)}", "", *_figures("Scores", report.figures)]
    for group, figures in report.relations.items():
        lines += _figures(f"By relation: {GROUPS.get(group, group)}", figures)
    for samples in report.samples:
        lines += _samples(samples)
    lines += ["## The road", ""]
    lines += _table(
        ("step", "made", "time", "digest"),
        [(stop.step, stop.kind, duration(stop.seconds or 0.0), stop.digest[:12]) for stop in report.road],
    )
    for stop in report.road:
        lines += _stop(stop)
    lines += ["## Licences of the sources", "", *(f"- {plain(step)}: {plain(name)}" for step, name in report.licences)]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """A text as one line that Markdown shows as it is."""
    line = " ".join(text.split())
    return MARKUP.sub(r"\\\1", line if len(line) <= LONGEST else line[:LONGEST] + " […]")


def _figures(title: str, figures: Sequence[Figure]) -> list[str]:
    rows = []
    for item in figures:
        interval = "" if item.low is None or item.high is None else f"{100 * item.low:.1f} – {100 * item.high:.1f} %"
        baseline = "" if item.baseline is None else shown(item.baseline, item.unit)
        count = "" if item.count is None else f"{item.count:,}"
        rows.append((item.label, shown(item.value, item.unit), interval, baseline, count))
    columns = ("figure", "value", "95 % interval", "majority baseline", "of")
    return [f"## {plain(title)}", "", *_table(columns, rows)]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> list[str]:
    lines = ["| " + " | ".join(map(plain, columns)) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(plain(str(cell)) for cell in row) + " |" for row in rows]
    return [*lines, ""]


def _samples(samples: Samples) -> list[str]:
    lines = [f"### {plain(samples.title)}", ""]
    for prompt, output, note in samples.items:
        lines.append(f"- **{plain(prompt)}** {plain(output)}" + (f" *{plain(note)}*" if note else ""))
    return [*lines, ""]


def _stop(stop: Stop) -> list[str]:
    lines = [f"## {plain(stop.step)}", ""]
    if stop.facts + stop.details:
        lines += _table(("fact", "value"), stop.facts + stop.details)
    for _, view in stop.views:
        lines += _view(view)
    return lines


def _view(view: View) -> list[str]:
    if isinstance(view, Samples):
        return _samples(view)
    return [f"### {plain(view.title)}", "", *_table(*_cells(view))]


def _cells(view: Funnel | Curve | Table | Histogram | Flow) -> tuple[Sequence[str], list[Sequence[str | int | float]]]:
    """(names of columns, rows) that say what the picture shows."""
    match view:
        case Funnel():
            bars = [(what, f"{count:,}", f"{100 * left:.1f} %") for what, count, left, _ in funnel_rows(view)]
            return (view.unit, "number", "left"), [*bars]
        case Table():
            return view.columns, [*view.rows]
        case Histogram():
            bins = [
                (f"{compact(low)} to {compact(high)}", *map("{:,}".format, counts)) for low, high, counts in view.bins
            ]
            return (view.x, *view.names), [*bins]
        case Flow():
            passages = view.groups[0][1] if view.groups else ()
            return ("step", f"{view.unit} in", f"{view.unit} out", "in", "out"), [
                (item.step, f"{item.items_in:,}", f"{item.items_out:,}", size(item.bytes_in), size(item.bytes_out))
                for item in passages
            ]
        case Curve():
            ends = [(name, f"{points[0][1]:.4g}", f"{points[-1][1]:.4g}") for name, points in view.series if points]
            return (view.y, "first", "last"), [*ends]
