"""A report as one HTML page that opens offline."""

from __future__ import annotations

from tumbler.eval.figures import GROUPS, Figure, shown
from tumbler.eval.report import Report
from tumbler.html.page import page


def html(report: Report) -> str:
    return page("tumbler.eval", "report.html.j2", report=report, groups=GROUPS, figure=figure)


def figure(item: Figure) -> str:
    return shown(item.value, item.unit)
