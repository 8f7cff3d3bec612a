"""Which language a text has, by all of it or by pieces of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.language import PIECES, LanguageFilter, spread


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
