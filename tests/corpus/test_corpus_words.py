"""The splitter gives spaCy's words, whatever the text, and the lexicon remembers them rightly."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tumbler.corpus.words import prose as words
from tumbler.corpus.words.marks import TERMINAL, characters, symbols, terminal
from tumbler.corpus.words.prose import Lexicon, Prose
from tumbler.corpus.words.splitter import LONGEST_RUN, english

TRICKY = """
    don't can't it's 'tis I'm we'll cannot p.m. a.m. U.S. Dr. etc. e.g. :) :-) (╯°□°） o_O C++ ... .. … — -- - ' " ( )
    $5 US$10 5km 3m/s 10% 1,000.50 1/2 +49 a+b x=y a:b <tag> 4-5 A.B lower.Upper end. END. U.K. word, (word) "word"
    http://a.org/x?y=1 www.a.org a@b.org mailto:x@y.com file.txt snake_case __init__ self.x() a->b {x} # * & ~
    é naïve übung ñ. Ω, 日本語。 тест. 5км ½ ² km² °C. ° № € £3 3€ 🙂 🙂🙂 \u200b \u00ad n't 's ’s ’re o’clock
"""
PIECES = TRICKY.split()
RUNS = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=12),
    st.text("aBz09.,:;'’\"()[]-–+*/=<>$%&#@_!?…", min_size=1, max_size=14),
).filter(lambda run: len(run.split()) == 1 and run.split()[0] == run)


@functools.cache
def spacy_tokenizer() -> Any:
    spacy = pytest.importorskip("spacy")
    return spacy.blank("en").tokenizer


def spacys(text: str) -> list[str]:
    return [word for token in spacy_tokenizer()(text) if (word := token.text.strip())]


@settings(max_examples=2000)
@given(RUNS)
@example("(don't).")
@example("a.m.-p.m.")
@example("x:))")
def test_a_run_is_split_as_spacy_splits_it(run: str) -> None:
    assert list(english()(run)) == spacys(run)


def has_a_special_case_across_a_space(text: str) -> bool:
    parts = (text[start:stop].strip() for start, stop in combinations(range(len(text) + 1), 2))
    return any(" " in part and part.replace(" ", "") in spacy_tokenizer().rules for part in parts)


@settings(max_examples=300)
@given(st.lists(RUNS, max_size=12), st.sampled_from([" ", "  ", "\n", "\t \n", "\u00a0"]))
@example([")", ":)don't"], " ")
def test_a_text_has_spacys_words_if_no_special_case_lies_across_a_space(runs: list[str], space: str) -> None:
    text = space.join(runs)
    assert Prose(text).words == spacys(text) or has_a_special_case_across_a_space(text)


def test_a_run_that_no_text_has_is_cut_and_split_in_time() -> None:
    hostile = "a." * 50_000
    assert "".join(english()(hostile)) == hostile
    assert len(max(english()("x" * 3 * LONGEST_RUN + "1"), key=len)) == LONGEST_RUN


def test_a_new_lexicon_is_begun_when_the_old_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_RUNS", 3)
    first = words.lexicon()
    prose = Prose("one two three four five, six")
    assert len(prose) == 7
    assert words.lexicon() is not first
    assert prose.words == ["one", "two", "three", "four", "five", ",", "six"], (
        "a text keeps the lexicon it was read with"
    )


def test_what_the_rules_ask_of_words_is_right_across_the_growth_of_the_arrays() -> None:
    lexicon = Lexicon(english())

    def texts() -> Iterator[str]:
        yield "Short words , and $ 5 ."
        yield " ".join(f"word{number}" for number in range(10_000))

    for text in texts():
        ids = lexicon.ids(text)
        found = [lexicon.names[number] for number in ids]
        assert lexicon.length[ids].tolist() == [len(word) for word in found]
        assert lexicon.symbol[ids].tolist() == [symbols().issuperset(word) for word in found]
        assert lexicon.lettered[ids].tolist() == [any(map(str.isalpha, word)) for word in found]


def test_marks_are_datatroves() -> None:
    text = pytest.importorskip("datatrove.utils.text")
    assert symbols() == text.PUNCTUATION_SET
    assert set(terminal()) == characters(TERMINAL) == text.TERMINAL_PUNCTUATION
