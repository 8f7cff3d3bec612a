"""Views: the small typed files under `views/` that the report, the terminal and the server render.

A stage writes what people will want to look at; whoever renders it knows these shapes and no
stage. Every text in a view is untrusted: a renderer escapes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from tumbler.errors import UserError


@dataclass(frozen=True)
class Funnel:
    """How many things went in, what each rule took out (in the order of the rules), what is left."""

    title: str
    unit: str
    read: int
    dropped: tuple[tuple[str, int], ...]
    kept: int


@dataclass(frozen=True)
class Curve:
    """Named series over one x axis; each point is (x, y)."""

    title: str
    x: str
    y: str
    series: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True)
class Samples:
    """Prompts and what the model made of them; `note` says how they were drawn or judged."""

    title: str
    items: tuple[tuple[str, str, str], ...]
    """(prompt, output, note)"""


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]


@dataclass(frozen=True)
class Histogram:
    """How many things have a size in each bin; the numbers of several names are parts of one whole (stacked)."""

    title: str
    x: str
    """What the bins measure, with its unit."""
    unit: str
    """What is counted."""
    names: tuple[str, ...]
    bins: tuple[tuple[float, float, tuple[int, ...]], ...]
    """(from, below, how many of each name), in rising order, without a gap"""


@dataclass(frozen=True)
class Passage:
    """What went into one step and what came out of it."""

    step: str
    items_in: int
    items_out: int
    bytes_in: int
    bytes_out: int
    reasons: tuple[tuple[str, int, int], ...]
    """(reason, things, bytes) that it took out; a reason of no things changed texts and took bytes only."""


@dataclass(frozen=True)
class Flow:
    """The way of things through the same steps (one at least), for all of them and then for each group by itself."""

    title: str
    unit: str
    """What flows: the items of its passages."""
    groups: tuple[tuple[str, tuple[Passage, ...]], ...]
    """(group, its passages in the order of the steps): first of everything together."""


View = Funnel | Curve | Samples | Table | Histogram | Flow
SHAPES: Mapping[str, type[View]] = {
    "funnel": Funnel,
    "curve": Curve,
    "samples": Samples,
    "table": Table,
    "histogram": Histogram,
    "flow": Flow,
}


def shape_of(view: View) -> str:
    return next(name for name, cls in SHAPES.items() if type(view) is cls)


def to_json(view: View) -> str:
    return json.dumps({"shape": shape_of(view), **dataclasses.asdict(view)}, ensure_ascii=False, indent=1) + "\n"


def read_view(path: Path) -> View:
    """Read one view file; raises UserError when it is none."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        fields = {name: value for name, value in body.items() if name != "shape"}
        view: View = TypeAdapter(SHAPES[body["shape"]]).validate_python(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a view (of shape {', '.join(SHAPES)}); the folder is damaged") from error
    return view


def read_views(artifact: Path) -> dict[str, View]:
    """All views of an artifact folder, by name, in alphabetical order."""
    return {path.stem: read_view(path) for path in sorted((artifact / "views").glob("*.json"))}
