"""`report.html` of a corpus: what went in, what each rule took out and why, what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tumbler.corpus.rules.rule import Rule
from tumbler.html.page import page
from tumbler.recipe import Settings, toml_value
from tumbler.views import Flow, Histogram, Samples, Table, View

PLACED: Final = ("funnel", "removed", "kept", "duplicates", "languages")
"""Views that have their own place on the page; histograms stand together, the others follow as they are."""
SAID: Final = ("read", "kept", "bytes", "files")
"""Facts that the head of the page says anyway."""
SHOWN_CHARACTERS: Final = 400
"""Of a setting's value."""


@dataclass(frozen=True)
class Setting:
    key: str
    value: str
    default: str
    """Empty when the value in force is the default."""
    about: str


@dataclass(frozen=True)
class InForce:
    """A rule's table of settings."""

    name: str
    about: str
    enabled: bool
    settings: tuple[Setting, ...]


def html(views: Mapping[str, View], settings: Settings, facts: Mapping[str, int], licences: Sequence[str]) -> str:
    """The page. `views` has a Flow "funnel", and may have Samples "removed", "kept" and "duplicates", a Table
    "languages", and any others; `facts` are further counts by name."""
    flow = views["funnel"]
    assert isinstance(flow, Flow)
    others = [view for name, view in views.items() if name not in PLACED]
    return page(
        "tumbler.corpus",
        "report.html.j2",
        flow=flow,
        views=views,
        examples=examples_by_reason(views.get("removed")),
        histograms=[view for view in others if isinstance(view, Histogram)],
        others=[view for view in others if not isinstance(view, Histogram)],
        languages=largest_first(views.get("languages")),
        facts={name: number for name, number in facts.items() if name not in SAID and not _same(name, facts)},
        licences=licences,
        rules=list(in_force(settings)),
    )


def _same(name: str, facts: Mapping[str, int]) -> bool:
    """Documents are counted with their copies, of which there are none without a mixture."""
    return name == "documents" and facts[name] == facts.get("kept")


def examples_by_reason(removed: View | None) -> dict[str, list[tuple[str, str]]]:
    """(text, where it is from) of the examples of each reason."""
    found: dict[str, list[tuple[str, str]]] = {}
    for reason, text, source in removed.items if isinstance(removed, Samples) else ():
        found.setdefault(reason, []).append((text, source))
    return found


def largest_first(languages: View | None) -> list[tuple[str, int, int, float, float]]:
    """(language, pages in, documents, both as shares of the largest language's pages)."""
    rows = languages.rows if isinstance(languages, Table) else ()
    counts = [(str(name), int(came), int(stayed)) for name, came, stayed, *_ in rows]
    most = max((came for _, came, _ in counts), default=1)
    return [(name, came, stayed, came / most, stayed / most) for name, came, stayed in counts]


def in_force(settings: Settings) -> Iterator[InForce]:
    """Each rule with its thresholds, then what is no rule's own."""
    meanings = type(settings).meanings()
    for name, value in settings:
        if isinstance(value, Settings):
            enabled = value.enabled if isinstance(value, Rule) else True
            yield InForce(name, meanings.get(name, ""), enabled, tuple(_settings(value)))
    yield InForce("corpus", "What is no rule's own.", True, tuple(_settings(settings)))


def _settings(model: Settings) -> Iterator[Setting]:
    meanings = type(model).meanings()
    for key, value in model:
        if isinstance(value, Settings) or key == "enabled":
            continue
        field = type(model).model_fields[key]
        default = field.get_default(call_default_factory=True, validated_data={})
        changed = "" if value == default else _value(default)
        yield Setting(key, _value(value), changed, meanings.get(key, ""))


def _value(value: object) -> str:
    text = "none" if value is None else toml_value(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
