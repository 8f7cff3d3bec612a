"""C4's line rules and page rules, its sentences, its bad words."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tumbler.corpus.rules.badwords import BadWords, WordList
from tumbler.corpus.rules.badwords_reader import read_word_lists
from tumbler.corpus.rules.c4 import C4Paragraphs, C4Quality
from tumbler.corpus.words.sentences import count_sentences
from tumbler.errors import UserError

FIVE = "\n".join(["This is a line."] * 5)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("These are three.", None),
        ("two words", "too_few_words"),
        ("", "too_few_words"),
        (f"a word of {'x' * 1000}", None),
        (f"a word of {'x' * 1001}", "too_long_word"),
        (f"word of {'x' * 900} {'y' * 900}", None),
        ("please enable JavaScript now", "javascript"),
        ("our Privacy Policy applies here", "policy"),
        ("this site uses cookies today", "policy"),
        ("these are cookies to eat", None),
    ],
)
def test_a_line_goes_for_what_is_wrong_with_it(line: str, fault: str | None) -> None:
    found = C4Quality()(f"{line}\n{FIVE}")
    assert found.removed == ({fault: 1} if fault else {})
    assert found.text == (FIVE if fault else f"{line}\n{FIVE}")


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ('He said "no."', True),
        ("Is that so?", True),
        ("that's the 'end'", True),
        ("without a mark", False),
        ("and so on...", False),
        ("a colon ends:", False),
        ("This has a source.[1]", True),
    ],
)
def test_end_marks_are_asked_for_only_on_request(line: str, stays: bool) -> None:
    assert C4Quality()(line).removed == {}
    assert C4Quality(require_end_mark=True)(line).removed == ({} if stays else {"no_end_mark": 1})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FIVE, None),
        ("\n".join(["This is a line."] * 4), "c4:too_few_sentences"),
        ("One two three. Four five. Six! Seven? Eight", None),
        (f"{FIVE}\nThe Lorem Ipsum is here", "c4:lorem_ipsum"),
        (f"{FIVE}\nlorem ipsum", None),
        (f"{FIVE}\nif (a) {{ b }}", "c4:curly_bracket"),
        (f"{FIVE}\nfunction() {{", None),
        (f"{FIVE}\njavascript has a {{", None),
        (f"{FIVE}\nlorem ipsum has a {{", "c4:lorem_ipsum"),
        ("", "c4:too_few_sentences"),
    ],
)
def test_a_page_goes_for_what_its_lines_are(text: str, reason: str | None) -> None:
    rule = C4Quality()
    assert rule.judge(rule(text)) == reason


def test_citations_are_taken_out() -> None:
    text = "It is[1] so[citation needed] they[edit] say[] here[note 2]."
    assert C4Quality()(text).text == "It is so they say here[note 2]."
    assert C4Quality(remove_citations=False)(text).text == text


def test_each_rule_can_be_left_out() -> None:
    text = "lorem ipsum and a {\njavascript and a privacy policy\nshort"
    off = C4Quality(
        ban_lorem_ipsum=False,
        ban_curly_brackets=False,
        remove_javascript=False,
        remove_policies=False,
        min_words_per_line=0,
        min_sentences=0,
    )
    assert off(text).text == text
    assert off.judge(off(text)) is None


def test_paragraphs_are_counted_by_their_length() -> None:
    assert C4Paragraphs()("\n".join(["x" * 200] * 3)) is None
    assert C4Paragraphs()("\n".join(["x" * 200] * 2 + ["x" * 199] * 5)) == "c4_paragraphs:too_few"
    assert not C4Paragraphs().enabled


@functools.cache
def sentencizer() -> Any:
    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    return language


def spacys_count(text: str) -> int:
    return len(list(sentencizer()(text).sents)) or 1


MARKED = """
    . ! ? .. ... … ' " ) ( ; , - — 。 ？ : [ ] don't U.S. Dr. p.m. 3.5 no.1 a b. c! ok? x.y end.Next :) $5 word Word.
"""
TOKENS = st.sampled_from([*MARKED.split(), " ", "  ", "\t", "\u00a0", "\u3000"])


@hypothesis_settings(max_examples=600)
@given(st.lists(TOKENS, max_size=14), st.sampled_from(["", " "]))
@example(["Foo.", " "], "")
@example(["Foo.", "  "], "")
@example([" ", "Foo."], "")
@example(["a.", "\t"], "")
def test_sentences_are_counted_as_spacy_cuts_them(tokens: list[str], space: str) -> None:
    text = space.join(tokens)
    assert count_sentences(text) == spacys_count(text)


@hypothesis_settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_sentences_of_any_text_are_counted_as_spacy_cuts_them(text: str) -> None:
    assert count_sentences(text) == spacys_count(text)


LISTS = {"en": WordList.of("en", ["darn", "two words", "🖕", "", "sm"]), "ja": WordList.of("ja", ["馬鹿", "女の子"])}


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("Oh Darn!", "en", "badwords:en"),
        ("darning socks", "en", None),
        ("a pair of two  words", "en", None),
        ("a pair of TWO WORDS.", "en", "badwords:en"),
        ("two wordsmiths", "en", None),
        ("look 🖕", "en", "badwords:en"),
        ("sm", "en", None),
        ("darn", "de", None),
        ("この馬鹿者", "ja", "badwords:ja"),
        ("女の子", "ja", None),
    ],
)
def test_bad_words_stand_alone_where_a_language_has_spaces(text: str, language: str, reason: str | None) -> None:
    assert BadWords()(text, language, "id", LISTS) == reason


def test_the_share_that_stays_is_drawn_by_the_pages_id() -> None:
    rule = BadWords(keep_fraction=0.3, seed=7)
    kept = {page for page in map(str, range(2000)) if rule("darn", "en", page, LISTS) is None}
    assert 0.25 < len(kept) / 2000 < 0.35
    assert kept == {page for page in map(str, reversed(range(2000))) if rule("darn", "en", page, LISTS) is None}
    other = BadWords(keep_fraction=0.3, seed=8)
    assert kept != {page for page in map(str, range(2000)) if other("darn", "en", page, LISTS) is None}


def test_lists_are_files_named_by_language(tmp_path: Path) -> None:
    (tmp_path / "en").write_text("darn\n\n two words \n", encoding="utf-8")
    (tmp_path / "ja.txt").write_text("馬鹿\n", encoding="utf-8")
    lists = read_word_lists([str(tmp_path)])
    assert sorted(lists) == ["en", "ja"]
    assert lists["en"].found_in("two words") and not lists["en"].found_in("")
    assert list(read_word_lists([str(tmp_path / "en")])) == ["en"]
    with pytest.raises(UserError, match="no list is given"):
        read_word_lists([])
    with pytest.raises(UserError, match="no such file"):
        read_word_lists([str(tmp_path / "de")])


@given(
    st.lists(
        st.sampled_from(["One. Two. Three.", "no mark at all", "{", "too few", "A line. Another line"]), max_size=9
    )
)
def test_a_text_is_judged_alike_whether_or_not_all_sentences_are_counted(lines: list[str]) -> None:
    rule, text = C4Quality(), "\n".join(lines)
    quick, exact = rule(text), rule(text, exact=True)
    assert rule.judge(quick) == rule.judge(exact)
    assert (quick.text, quick.removed, quick.sentences <= exact.sentences) == (exact.text, exact.removed, True)
