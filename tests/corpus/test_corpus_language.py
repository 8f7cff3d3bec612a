"""Which language a text has, by all of it or by pieces of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from crawled_texts import crawled_pages
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.extraction.extraction import Extraction
from tumbler.corpus.rules.first_paragraphs import first_paragraphs
from tumbler.corpus.rules.language import PIECES, LanguageFilter, spread


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("This is a page of plain English text about the weather.", None),
        ("Dies ist eine Seite mit deutschem Text über das Wetter von morgen.", "language:de"),
        ("C'est une page de texte français sur le temps qu'il fera demain.", "language:fr"),
        ("\n", "language:unsure"),
    ],
)
def test_language(text: str, reason: str | None) -> None:
    rule = LanguageFilter()
    assert rule(rule.identify(text)) == reason


def test_the_languages_to_keep_are_a_setting() -> None:
    rule = LanguageFilter(languages=("de", "fr"))
    assert rule(rule.identify("Dies ist eine Seite mit deutschem Text über das Wetter.")) is None
    assert rule({"en": 0.9, "de": 0.1}) == "language:en"
    assert rule({"de": 0.65, "en": 0.3}) == "language:unsure"
    assert LanguageFilter(languages=())({"sw": 0.7}) is None


def test_pieces_see_what_the_beginning_does_not_show() -> None:
    text = "Home News About us Contact. " * 100 + "Dies ist ein langer Text über das Wetter von morgen. " * 900
    rule = LanguageFilter(languages=("de",))
    assert rule(rule.identify(text)) is None
    assert rule(rule.identify(text[:2000])) == "language:en"
    everything = LanguageFilter(languages=("de",), characters="all")
    assert everything(everything.identify(text)) is None


@given(st.text(max_size=200), st.integers(1, 60))
def test_pieces_are_bounded_and_reach_both_ends(text: str, characters: int) -> None:
    found = spread(text, characters)
    assert len(found) < characters + 2 * PIECES
    assert found == text or (found[0] == text[0] and found[-1] == text[-1])


GERMAN = "Dies ist ein Absatz einer Seite über das Wetter von morgen, lang genug, um die Sprache zu erkennen. "


def page(*paragraphs: str, lang: str = "") -> str:
    return f"<!doctype html><html{lang}><body>{''.join(f'<p class=x>{text}</p>' for text in paragraphs)}</body></html>"


def test_a_page_in_another_language_is_known_by_its_first_paragraphs() -> None:
    rule = LanguageFilter()
    found = rule.foresee(page(GERMAN, GERMAN))
    assert found is not None
    assert found[0].startswith("Dies ist ein Absatz")
    assert rule(found[1]) == "language:de"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (page("This is a paragraph of a page about the weather of tomorrow. " * 3), LanguageFilter()),
        (page(GERMAN, GERMAN, lang=' class=a lang="en-GB"'), LanguageFilter()),
        (page(GERMAN, GERMAN), LanguageFilter(languages=("fr", "de"))),
        (page(GERMAN, GERMAN), LanguageFilter(languages=())),
        (page(GERMAN, GERMAN), LanguageFilter(early=False)),
        (page("Kurz und gut."), LanguageFilter()),
        (page("Oslo Stockholm København Bergen Malmö Aarhus Odense " * 3), LanguageFilter()),
    ],
)
def test_other_pages_are_read_first(source: str, rule: LanguageFilter) -> None:
    assert rule.foresee(source) is None


def test_paragraphs_are_text_without_tags_and_entities() -> None:
    source = (
        "<pre>no</pre><path d=''><P>no</P><p>short</p><p\n>A &lt;b&gt; of <b>bold\n</b> words, " + "x" * 40 + "</p>"
    )
    assert first_paragraphs(source, 1000) == "A <b> of bold words, " + "x" * 40
    assert first_paragraphs(source, 10) == "A <b> of b"
    assert first_paragraphs("<p>" + "never closed " * 10_000, 100) == ""


@pytest.mark.parametrize(
    "hostile", ["<p", "<p>", "<p><", "<p>" + "<" * 5000 + "</p>", "<p>&" + "#" * 90 + "</p>", "<html "]
)
def test_hostile_pages_take_no_time(hostile: str) -> None:
    source = hostile * (4_000_000 // len(hostile))
    begun = time.process_time()
    LanguageFilter().foresee(source)
    assert time.process_time() - begun < 2


def test_hardly_any_real_page_is_lost_to_its_first_paragraphs(shared: Path) -> None:
    """Of all 5,999 pages 3 are, and 2,151 are dropped before extraction; here one in ten is looked at."""
    rule, extraction = LanguageFilter(), Extraction()
    early = lost = 0
    for body in crawled_pages(shared, 10):
        if rule.foresee(body):
            text = extraction(body, "html")
            early, lost = early + 1, lost + (bool(text) and rule(rule.identify(text)) is None)
    assert early > 150
    assert lost <= 2
