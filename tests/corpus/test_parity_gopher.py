"""Gopher's rules decide as datatrove's do, with the same reason: on real pages, and at each limit to each side.

Of all 5,924 shared pages both reject 1,296 for repetition and 4,174 for quality, and agree on every reason. Of some
reasons there are few (duplicate lines by characters 9, 6- to 10-grams 9 to 19, bullets 7, short words 2, # 2,
ellipses 1 + 1, long texts 0), so each limit is crossed on purpose too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

pytest.importorskip("datatrove")

from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove_decisions import around, decide, stretched, words

from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.gopher_repetition import GopherRepetition
from tumbler.corpus.words.prose import Prose

REPETITION = {
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    **{f"top_{n}_gram": f"top_{n}_gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"duplicate_{n}_grams" for n in range(5, 11)},
}
QUALITY = {
    "gopher_short_doc": "too_few_words",
    "gopher_long_doc": "too_many_words",
    "gopher_below_avg_threshold": "words_too_short",
    "gopher_above_avg_threshold": "words_too_long",
    "gopher_too_many_hashes": "too_many_hashes",
    "gopher_too_many_ellipsis": "too_many_ellipses",
    "gopher_too_many_bullets": "too_many_bullet_lines",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines",
    "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words",
}
THEIR_REPETITION = GopherRepetitionFilter()
THEIR_QUALITY = GopherQualityFilter()


def repetition(text: str) -> tuple[str | None, str | None]:
    """(our reason, datatrove's in our words)."""
    ours, theirs = GopherRepetition()(Prose(text)), decide(THEIR_REPETITION, text).reason
    return ours, theirs and f"gopher_repetition:{REPETITION[theirs]}"


def quality(text: str) -> tuple[str | None, str | None]:
    ours, theirs = GopherQuality()(Prose(text)), decide(THEIR_QUALITY, text).reason
    return ours, theirs and f"gopher_quality:{QUALITY[theirs]}"


def test_both_rules_decide_as_datatroves_on_real_pages(crawled: list[tuple[str, str]]) -> None:
    for url, text in crawled:
        for rule in (repetition, quality):
            ours, theirs = rule(text)
            assert ours == theirs, url


GRAMS = {2: "qabc qabde", 3: "qabcd qabce qabcfg", 4: "qab qac qad qaef"}


def repeated_characters() -> Iterator[tuple[str, str, int]]:
    """(reason, beginning of a text, length at which its repeated characters are exactly the limit)."""
    for reason, break_ in (("duplicate_paragraph_characters", "\n\n"), ("duplicate_line_characters", "\n")):
        pieces = [f"{word} {word}zzzzz" for word in words(10)]
        parts = [
            part
            for piece, other in zip(pieces, words(10, 100), strict=True)
            for part in (piece, other, piece, f"{other}s")
        ]
        yield reason, break_.join(parts), 1000
    for (n, gram), percent in zip(GRAMS.items(), (20, 18, 16), strict=True):
        count = 10 * percent // len(gram)
        yield f"top_{n}_gram", " ".join(f"{gram} {other}" for other in words(count)), 1000
    for n, percent in zip(range(5, 11), range(15, 9, -1), strict=True):
        pieces = [" ".join(words(n, 20 * place)) for place in range(percent)]
        mixed = itertools.chain.from_iterable(zip([*pieces, *pieces], words(2 * percent, 1000), strict=True))
        yield f"duplicate_{n}_grams", " ".join(mixed), n * 7 * 100


@pytest.mark.parametrize(("reason", "beginning", "length"), list(repeated_characters()))
def test_repeated_characters_at_the_limit(reason: str, beginning: str, length: int) -> None:
    found = [repetition(text) for text in around(beginning, length)]
    assert found == [(f"gopher_repetition:{reason}",) * 2, (None, None), (None, None)]


@pytest.mark.parametrize(("reason", "break_"), [("duplicate_paragraphs", "\n\n"), ("duplicate_lines", "\n")])
def test_repeated_paragraphs_and_lines_at_the_limit(reason: str, break_: str) -> None:
    for copies in range(1, 20):
        text = stretched(break_.join([*["same"] * (copies + 1), *words(19 - copies)]), 1000)
        expected = f"gopher_repetition:{reason}" if copies > 6 else None
        assert repetition(text) == (expected, expected)


BASE = " ".join(["the", "of", *words(98)])


def quality_sweeps() -> Iterator[tuple[str, list[str]]]:
    """(reason, texts that cross its limit, the limit itself among them)."""
    yield "too_few_words", [" ".join(["the of", *words(count), ". , ;"]) for count in range(45, 52)]
    yield "words_too_short", ["the of " + "a " * 50 + "bbbb " * count for count in range(80, 120)]
    yield "words_too_long", ["the of " + "abcdefghij " * 60 + "abcdefghijk " * count for count in range(12, 19)]
    yield "too_many_hashes", [f"{BASE} {'#' * count}" for count in range(8, 40)]
    yield "too_many_hashes", [f"{BASE} {'# ' * count}" for count in range(8, 16)]
    yield "too_many_ellipses", [f"{'… ' * count}{BASE}" for count in range(8, 16)]
    yield "too_many_ellipses", [f"{'... ' * count}{BASE}" for count in range(8, 16)]
    for mark in ("- ", "•", " \t-"):
        lines = [f"{mark}{BASE}"] * 20
        yield "too_many_bullet_lines", ["\n".join([*lines[:count], *[BASE] * (20 - count)]) for count in range(15, 21)]
    for mark in ("...", "…", "... "):
        lines = [f"{BASE}{mark}"] * 20
        yield "too_many_ellipsis_lines", ["\n".join([*lines[:count], *[BASE] * (20 - count)]) for count in range(3, 10)]
    yield "too_few_alphabetic_words", [f"{BASE} {'123 ' * count}" for count in range(20, 30)]
    yield "too_few_stop_words", [f"{extra} {' '.join(words(60))}" for extra in ("", "the", "the the", "The", "the of")]


@pytest.mark.parametrize(("reason", "texts"), list(quality_sweeps()))
def test_quality_at_the_limit(reason: str, texts: list[str]) -> None:
    found = [quality(text) for text in texts]
    assert all(ours == theirs for ours, theirs in found)
    assert {ours for ours, _ in found} == {None, f"gopher_quality:{reason}"}


def test_the_longest_text_is_as_long_as_datatroves() -> None:
    theirs = GopherQualityFilter(max_doc_words=120)
    for count in range(115, 125):
        text = " ".join(["the of", *words(count)])
        reason = decide(theirs, text).reason
        assert GopherQuality(max_words=120)(Prose(text)) == (reason and f"gopher_quality:{QUALITY[reason]}")
