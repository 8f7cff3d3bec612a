"""A report as one HTML page that opens offline: no script, no request, every text escaped by the template engine."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tumbler.eval import charts
from tumbler.eval.figures import GROUPS, Figure, shown
from tumbler.eval.report import Report, duration, funnel_rows
from tumbler.eval.road import fact
from tumbler.views import Curve, Funnel, Samples, View

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def html(report: Report) -> str:
    environment = Environment(
        loader=PackageLoader("tumbler.eval", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    environment.filters |= {
        "duration": duration,
        "figure": figure,
        "percent": percent,
        "chart": chart,
        "funnel_rows": funnel_rows,
        "shape": shape,
        "fact": fact,
    }
    template = environment.get_template("report.html.j2")
    return template.render(report=report, groups=GROUPS) + "\n"


def clean(value: object) -> object:
    """Characters that no page may hold (controls, lone surrogates) become U+FFFD."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return CONTROL.sub("\ufffd", value)
    return value


def figure(item: Figure) -> str:
    return shown(item.value, item.unit)


def percent(share: float) -> str:
    """A share as a CSS length."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def chart(curve: Curve) -> Markup:
    return Markup(CONTROL.sub("\ufffd", charts.svg(curve)))


def shape(view: View) -> str:
    match view:
        case Funnel():
            return "funnel"
        case Curve():
            return "curve"
        case Samples():
            return "samples"
        case _:
            return "table"
