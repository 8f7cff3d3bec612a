"""C4's and FineWeb's rules decide as datatrove's do, with the same reason and the same text left: on real pages, and
at each limit to each side.

Of all 5,924 shared pages both reject by C4 1,513 (too few sentences 935, curly bracket 568, lorem ipsum 10), by
FineWeb's rules 2,596 (duplicate lines 1,544, end marks 633, short lines 299, newlines 120), by mC4's 3,382.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

pytest.importorskip("datatrove")

from datatrove.pipeline.filters import C4BadWordsFilter, C4ParagraphFilter, C4QualityFilter, FineWebQualityFilter
from datatrove_decisions import around, decide, words
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.corpus.rules.badwords import BadWords, WordList
from tumbler.corpus.rules.c4 import C4Paragraphs, C4Quality
from tumbler.corpus.rules.fineweb_quality import FineWebQuality
from tumbler.corpus.words.prose import Prose

C4 = ("lorem_ipsum", "curly_bracket", "too_few_sentences")
FINEWEB = {
    "empty": "empty",
    "line_punct_ratio": "too_few_end_marks",
    "short_line_ratio": "too_many_short_lines",
    "char_dup_ratio": "duplicate_lines",
    "list_ratio": "too_many_newlines",
}
OURS = {"fineweb": C4Quality(), "c4": C4Quality(require_end_mark=True)}
THEIRS = {"fineweb": C4QualityFilter(filter_no_terminal_punct=False), "c4": C4QualityFilter()}
THEIR_FINEWEB = FineWebQualityFilter()
THEIR_PARAGRAPHS = C4ParagraphFilter()


def c4(text: str, which: str) -> tuple[tuple[str | None, str], tuple[str | None, str]]:
    """((our reason, our text), datatrove's); for a page that is dropped the text as it was."""
    found = OURS[which](text)
    reason = OURS[which].judge(found)
    theirs = decide(THEIRS[which], text)
    return (reason, text if reason else found.text), (theirs.reason and f"c4:{theirs.reason}", theirs.text)


def fineweb(text: str) -> tuple[str | None, str | None]:
    theirs = decide(THEIR_FINEWEB, text).reason
    return FineWebQuality()(Prose(text)), theirs and f"fineweb_quality:{FINEWEB[theirs]}"


def test_lines_and_pages_go_as_with_datatrove_on_real_pages(crawled: list[tuple[str, str]]) -> None:
    for place, (url, text) in enumerate(crawled):
        for which in OURS if place % 4 == 0 else ("fineweb",):
            ours, theirs = c4(text, which)
            assert ours == theirs, (url, which)
        assert len(set(fineweb(text))) == 1, url
        assert (C4Paragraphs()(text) is None) == (decide(THEIR_PARAGRAPHS, text).reason is None), url


KINDS_OF_LINE = [
    "A line that stays.", "Two sentences. In one line", "no mark", "", "  ", "three short words", "x" * 1001 + " a b c",
    "x" * 1000 + " a b c", "a cookie policy line here.", "Use of Cookies is our thing.", "JavaScript is off here.",
    "java[1]script is off here.", "Lorem ipsum dolor sit.", "lorem[2] ipsum dolor sit.", "a { b c.", "[1] [2] [3]",
    "[edit] it. [citation needed] [3]", "It ends so...", 'He said "so."', "'tis so'", "What? No! Yes. p.m. Mr. X",
    "  padded line here.  ", "。 full？ stops。 here", "line\u2028separator here.", "form\x0cfeed line here.",
]  # fmt: skip
LINES = st.sampled_from(KINDS_OF_LINE)


@settings(max_examples=250)
@given(st.lists(LINES, max_size=9), st.sampled_from(["\n", "\r\n", "\u2028"]))
def test_lines_and_pages_go_as_with_datatrove(lines: list[str], break_: str) -> None:
    for which in OURS:
        ours, theirs = c4(break_.join(lines), which)
        assert ours == theirs


@pytest.mark.parametrize(
    ("reason", "texts"),
    [
        ("too_few_sentences", ["This is so. " * count for count in (4, 5, 6)]),
        ("curly_bracket", ["This is so. " * 9 + mark for mark in ("(", "{")]),
        ("lorem_ipsum", ["This is so. " * 9 + phrase for phrase in ("lorem", "LOREM IPSUM", "lorem  ipsum")]),
    ],
)
def test_c4_at_the_limit(reason: str, texts: list[str]) -> None:
    found = [c4(text, "fineweb") for text in texts]
    assert all(ours == theirs for ours, theirs in found)
    assert {ours[0] for ours, _ in found} == {None, f"c4:{reason}"}


def test_lines_at_the_limit() -> None:
    for words_in_line in (2, 3, 4):
        for length in (999, 1000, 1001):
            line = " ".join(["x" * length, *["y"] * (words_in_line - 1)])
            ours, theirs = c4(f"{'This is so. ' * 9}\n{line}", "fineweb")
            assert ours == theirs


LONG = "a line of more than thirty characters"


def fineweb_sweeps() -> Iterator[tuple[str, list[str]]]:
    """(reason, texts that cross its limit, the limit itself among them)."""
    marked = [f"{LONG} {word}." for word in words(100)]
    plain = [f"{LONG} {word}" for word in words(100, 200)]
    yield "too_few_end_marks", ["\n".join([*marked[:count], *plain[count:]]) for count in range(10, 15)]
    short = [f"{word} of thirty characters.."[:30] for word in words(100)]
    yield "too_many_short_lines", ["\n".join([*short[:count], *marked[count:]]) for count in range(65, 70)]
    length = [f"{word} {'x' * 21}." for word in words(68)]
    yield (
        "too_many_short_lines",
        ["\n".join([*(f"{extra}{line}" for line in length), *marked[68:]]) for extra in ("", "x")],
    )
    yield "duplicate_lines", list(around(f"{marked[0]}.\nsame line.\nsame line.\n{plain[0]}.", 1003))
    words_and_breaks = [" ".join(words(count)) + "." + "\n" * 6 for count in range(17, 22)]
    yield "too_many_newlines", words_and_breaks


@pytest.mark.parametrize(("reason", "texts"), list(fineweb_sweeps()))
def test_fineweb_at_the_limit(reason: str, texts: list[str]) -> None:
    found = [fineweb(text) for text in texts]
    assert all(ours == theirs for ours, theirs in found)
    assert {ours for ours, _ in found} == {None, f"fineweb_quality:{reason}"}


@pytest.mark.parametrize(
    "text", ["", " \n\t\n", "\u2028", "x" * 199, "\n".join(["x" * 200] * 3), "\n".join(["x" * 200] * 2)]
)
def test_strange_texts_are_judged_alike(text: str) -> None:
    assert len(set(fineweb(text))) == 1
    assert (C4Paragraphs()(text) is None) == (decide(THEIR_PARAGRAPHS, text).reason is None)


WORDS = ["darn", "two words", "🖕", "a-b", "ünä", "'til", "x."]
BAD = st.lists(
    st.sampled_from([*WORDS, "Darn", "darning", "two", "words", " ", "\n", "-", ".", "x", "TWO WORDS"]), max_size=8
)


@given(BAD)
def test_bad_words_are_found_as_with_datatrove(pieces: list[str]) -> None:
    theirs = C4BadWordsFilter()
    theirs._badwords_regex["en"] = re.compile(r"(?:\W|^)({})(?:\W|$)".format("|".join(map(re.escape, WORDS))))
    text = "".join(pieces)
    ours = BadWords()(text, "en", "", {"en": WordList.of("en", WORDS)})
    assert (ours is None) == (decide(theirs, text).reason is None)
