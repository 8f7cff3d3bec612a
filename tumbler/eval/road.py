"""The road that led to a report: the artifacts behind the inputs, in the order in which the data flowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumbler.artifact import Artifact, lineage
from tumbler.html.numbers import fact
from tumbler.views import View, read_views

INNER = " · "
"""Stands between the name of an inner table of facts and those in it."""
SHORT = 40
"""Characters."""


@dataclass(frozen=True)
class Stop:
    """One artifact on the road, as a report shows it."""

    step: str
    stage: str
    kind: str
    digest: str
    seconds: float | None
    facts: tuple[tuple[str, str], ...]
    """What one asks first: plain and short."""
    details: tuple[tuple[str, str], ...]
    """The other facts."""
    licences: tuple[str, ...]
    """Licences of sources that enter here."""
    views: tuple[tuple[str, View], ...]


def road(inputs: Sequence[Artifact]) -> list[Stop]:
    """Every artifact behind `inputs`, each after those it was made from, each once."""
    return [_stop(artifact, inherited) for artifact, inherited in _in_order(inputs)]


def _in_order(inputs: Sequence[Artifact]) -> list[tuple[Artifact, set[str]]]:
    """Artifacts sorted so that what was made from others comes after them, with the licences it inherits."""
    known = {item.path.resolve(): item for start in inputs for item in lineage(start)}
    placed: dict[Path, tuple[Artifact, set[str]]] = {}

    def place(path: Path) -> None:
        if path in placed or path not in known:
            return
        sources = [(path / entry["path"]).resolve() for entry in known[path].manifest.get("inputs", [])]
        for source in sources:
            place(source)
        inherited = {name for source in sources if source in known for name in _licences(known[source])}
        placed[path] = (known[path], inherited)

    for item in inputs:
        place(item.path.resolve())
    return list(placed.values())


def _licences(artifact: Artifact) -> list[str]:
    return list(artifact.manifest.get("licences", []))


def _stop(artifact: Artifact, inherited: set[str]) -> Stop:
    manifest = artifact.manifest
    rows = flat(artifact.facts)
    short = [row for row in rows if INNER not in row[0] and len(row[1]) <= SHORT]
    return Stop(
        step=manifest.get("step", artifact.path.name),
        stage=manifest.get("stage", "outside"),
        kind=artifact.kind,
        digest=artifact.digest,
        seconds=manifest.get("seconds"),
        facts=tuple(short),
        details=tuple(row for row in rows if row not in short),
        licences=tuple(name for name in _licences(artifact) if name not in inherited),
        views=tuple(read_views(artifact.path).items()),
    )


def flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Facts as (name, text): the plain ones first, then those of inner tables as `outer · inner`."""
    labels = {name: prefix + name.replace("_", " ") for name in facts}
    rows = [(labels[name], fact(value)) for name, value in facts.items() if not isinstance(value, Mapping)]
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += flat(value, labels[name] + INNER)
    return rows
