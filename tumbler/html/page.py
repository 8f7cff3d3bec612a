"""One HTML page from a template: `base.html.j2` is the frame, `views.html.j2` has a macro for each shape of view.

A room's own templates lie in its folder `templates/` and find those of this room by name.
"""

from __future__ import annotations

import re

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tumbler.html import charts, numbers
from tumbler.html.columns import columns
from tumbler.html.funnel import funnel_rows
from tumbler.views import Curve, shape_of

FEW, MANY = 6, 12
"""Samples beyond the few, and rows beyond the many, are folded away."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no page may hold: controls and lone surrogates."""


def page(package: str, template: str, **values: object) -> str:
    """The template of `package` (such as `tumbler.eval`), filled in: the whole file."""
    return environment(package).get_template(template).render(values) + "\n"


def environment(package: str) -> Environment:
    """The template engine for the templates of `package`."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates"), PackageLoader("tumbler.html", "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    made.filters |= {
        "duration": numbers.duration,
        "fact": numbers.fact,
        "size": numbers.size,
        "percent": percent,
        "chart": chart,
        "columns": columns,
        "funnel_rows": funnel_rows,
        "shape": shape_of,
    }
    made.globals |= {"share": numbers.share, "FEW": FEW, "MANY": MANY}
    return made


def clean(value: object) -> object:
    """Characters that no page may hold become U+FFFD."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return CONTROL.sub("\ufffd", value)
    return value


def percent(share: float) -> str:
    """A share as a CSS length."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def chart(curve: Curve) -> Markup:
    return Markup(CONTROL.sub("\ufffd", charts.svg(curve)))
