"""Views: the small typed files under `views/` that the report, the terminal and the server render.

A stage writes what people will want to look at; whoever renders it knows these four shapes and no
stage. Every text in a view is untrusted: a renderer escapes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


View = Funnel | Curve | Samples | Table
SHAPES: Mapping[str, type[View]] = {"funnel": Funnel, "curve": Curve, "samples": Samples, "table": Table}


def to_json(view: View) -> str:
    shape = next(name for name, cls in SHAPES.items() if isinstance(view, cls))
    return json.dumps({"shape": shape, **dataclasses.asdict(view)}, ensure_ascii=False, indent=1) + "\n"


def read_view(path: Path) -> View:
    """Read one view file; raises UserError when it is none."""
    body = json.loads(path.read_text(encoding="utf-8"))
    cls = SHAPES.get(body.pop("shape", None))
    if cls is None:
        raise UserError(f"{path}: not a view (shape is not one of {', '.join(SHAPES)})")
    return cls(**{key: _tuples(value) for key, value in body.items()})


def read_views(artifact: Path) -> dict[str, View]:
    """All views of an artifact folder, by name, in alphabetical order."""
    return {path.stem: read_view(path) for path in sorted((artifact / "views").glob("*.json"))}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
