"""Pages made of views: every shape is shown, every text stays text, equal views give equal bytes."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.html.columns import columns
from tumbler.html.page import clean, environment
from tumbler.views import Curve, Flow, Funnel, Histogram, Passage, Samples, Table, View

EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' \x00\x1b[31m\ud800"
PASSAGE = Passage(EVIL, 10, 4, 900, 300, tuple((f"{EVIL}{number}", 1, 10) for number in range(20)))
SHAPES: tuple[View, ...] = (
    Funnel(EVIL, EVIL, 10, ((EVIL, 4),), 6),
    Curve(EVIL, EVIL, EVIL, ((EVIL, ((0.0, 1.0), (1.0, 0.5))),)),
    Samples(EVIL, ((EVIL, EVIL, EVIL),) * 9),
    Table(EVIL, (EVIL, "n"), ((EVIL, 3), (EVIL, 0.25)) * 9),
    Histogram(EVIL, EVIL, EVIL, (EVIL, "other"), ((0, 10, (3, 4)), (10, 20, (0, 1)))),
    Flow(EVIL, EVIL, ((EVIL, (PASSAGE,)), ("en", (PASSAGE,)))),
)
TEMPLATE = """{% extends "base.html.j2" %}{% import "views.html.j2" as shapes %}
{% block main %}{{ shapes.view(view) }}{% endblock %}"""


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(view: View) -> str:
    return environment("tumbler.html").from_string(TEMPLATE).render(view=view)


@pytest.mark.parametrize("view", SHAPES, ids=lambda view: type(view).__name__)
def test_a_view_shows_hostile_text_as_text(view: View) -> None:
    made = rendered(view)
    elements = Elements(made)
    assert "<script>alert(1)</script>" in elements.text
    assert not elements.tags & {"script", "img", "link", "iframe", "object", "a"}
    assert not elements.attributes & {"onerror", "onload", "src", "href", "action"}
    assert "\x00" not in made and "\x1b" not in made
    assert made.encode() == rendered(view).encode()


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_stand_in_a_page(text: str) -> None:
    cleaned = clean(text)
    assert isinstance(cleaned, str) and len(cleaned) == len(text)
    cleaned.encode()


def test_columns_reach_up_to_a_round_number_of_things() -> None:
    bins = tuple((10.0**n, 10.0 ** (n + 1), (n, 2 * n)) for n in range(5))
    drawn = columns(Histogram("", "bytes", "pages", ("kept", "removed"), bins))
    assert [label for _, label in drawn.lines] == ["0", "5", "10", "15"]
    assert drawn.columns[4].parts == (4 / 15, 8 / 15)
    assert drawn.columns[2].told == "100 to 1k bytes: 2 kept, 4 removed"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_no_column_is_higher_than_the_picture(counts: list[int]) -> None:
    bins = tuple((float(n), float(n + 1), (count,)) for n, count in enumerate(counts))
    drawn = columns(Histogram("", "", "", ("all",), bins))
    assert all(0 <= part <= 1 for column in drawn.columns for part in column.parts)
    assert drawn.lines[-1][0] == 1 and sum(bool(column.label) for column in drawn.columns) <= 10


def test_a_histogram_of_nothing_is_drawn() -> None:
    assert columns(Histogram("", "", "", ("all",), ())).columns == ()
