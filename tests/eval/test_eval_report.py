"""The report as JSON, Markdown and HTML: complete, escaped, the same each time."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.eval.figures import Figure, of_answers, of_relations
from tumbler.eval.markdown import markdown, plain
from tumbler.eval.measures import Answered
from tumbler.eval.page import html
from tumbler.eval.report import Report, to_json
from tumbler.eval.road import Stop, flat
from tumbler.tasks.question import Question
from tumbler.views import Curve, Flow, Funnel, Histogram, Passage, Samples, Table, View

EVIL = '<script>alert(1)</script> | [x](http://evil.example) `code` </style><img src="http://evil.example/a.png">'


class Elements(HTMLParser):
    """The tags, the addresses and the visible text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def answers() -> list[Answered]:
    return [
        Answered(Question("", "?", answer, relation, "", group), answer if right else EVIL)
        for group in ("asked", "never_asked")
        for relation, answer, right in (("capital", "Lima", True), ("capital", "Rome", True), ("region", "Asia", False))
    ]


def report(*views: View, text: str = EVIL) -> Report:
    named = tuple((f"view{number}", view) for number, view in enumerate(views))
    stop = Stop(text, "corpus", "documents", "ab" * 32, 75.5, (("kept", "12"),), ((text, text),), (text,), named)
    samples = Samples(text, ((text, text, text),))
    figures = (Figure("val_bpb_base", text, 0.71234567, "bits"), *of_answers(answers()))
    return Report(text, figures, of_relations(answers()), (samples,), (stop,))


ALL_SHAPES: tuple[View, ...] = (
    Funnel(EVIL, EVIL, 10, ((EVIL, 4),), 6),
    Curve(EVIL, EVIL, EVIL, ((EVIL, ((0.0, 1.0), (1.0, 0.5))),)),
    Samples(EVIL, ((EVIL, EVIL, EVIL),)),
    Table(EVIL, (EVIL, "n"), ((EVIL, 3), (EVIL, 0.25))),
    Histogram(EVIL, EVIL, EVIL, (EVIL, "other"), ((0, 10, (3, 4)), (10, 20, (0, 1)))),
    Flow(EVIL, EVIL, ((EVIL, (Passage(EVIL, 10, 4, 900, 300, ((EVIL, 6, 600), ("", 0, 0))),)),)),
)


def test_every_figure_is_in_the_json_by_a_flat_name() -> None:
    values = to_json(report())
    assert values["val_bpb_base"] == 0.712346
    assert values["accuracy_asked"] == values["accuracy_never_asked"] == 0.666667
    assert values["baseline_accuracy_asked"] == 0.666667
    assert values["accuracy_asked_count"] == 3
    assert values["accuracy_never_asked_by_relation"] == {"capital": 1.0, "region": 0.0}
    assert values["seconds"] == 75.5


def test_the_page_holds_no_script_no_foreign_address_and_no_tag_of_a_text() -> None:
    elements = Elements(html(report(*ALL_SHAPES)))
    assert not elements.tags & {"script", "img", "link", "iframe", "object"}
    assert all(address.startswith("#") for address in elements.addresses)
    assert elements.text.count("<script>alert(1)</script>") >= 10, "texts are shown, as text"


@pytest.mark.parametrize("view", ALL_SHAPES)
def test_each_shape_of_view_is_shown_on_both_pages(view: View) -> None:
    assert len(html(report(view))) > len(html(report()))
    assert len(markdown(report(view))) > len(markdown(report()))


def test_markdown_texts_make_no_markup() -> None:
    page = markdown(report(*ALL_SHAPES))
    unescaped = re.sub(r"\\[^\w\s]", "", page)
    assert "<" not in unescaped and "`" not in unescaped and "](" not in unescaped
    tables = [line for line in unescaped.splitlines() if line.startswith("| ")]
    assert tables and all(line.count("|") in (3, 4, 5, 6) for line in tables)


@given(st.text())
def test_any_text_fits_one_line_of_markdown(text: str) -> None:
    assert "\n" not in plain(text) and "\r" not in plain(text)


@settings(deadline=None, max_examples=30)
@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_text_gives_a_page_that_can_be_written(text: str) -> None:
    page = html(report(Samples(text, ((text, text, text),)), text=text))
    assert "\x00" not in page
    page.encode()


def test_equal_reports_give_equal_pages() -> None:
    assert html(report(*ALL_SHAPES)) == html(report(*ALL_SHAPES))


def test_facts_are_flattened_for_reading() -> None:
    facts = {"read": 12345, "dropped": {"too_short": 7}, "rate": 0.123456, "files": ["a", "b"]}
    assert flat(facts) == [("read", "12,345"), ("rate", "0.1235"), ("files", "a, b"), ("dropped · too short", "7")]
