"""The vectorised repetition statistics against the plain definition, and the n-gram limits one by one."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tumbler.corpus.rules.gopher_quality import measure as measure_quality
from tumbler.corpus.rules.gopher_repetition import (
    DUPLICATE_SIZES,
    TOP_SIZES,
    GopherRepetition,
    RepetitionStatistics,
    measure,
)
from tumbler.corpus.words.marks import symbols
from tumbler.corpus.words.prose import Prose
from tumbler.corpus.words.spelling import Spelling, word_hashes

TEXTS = st.lists(
    st.sampled_from(["a", "aa", "bb", "ccc", "d,", "eeee", "f.\n", "g\n\n", "\U0001f600"]), min_size=1, max_size=60
)


def top_characters(words: list[str], n: int) -> int:
    grams = [" ".join(words[place : place + n]) for place in range(len(words) - n + 1)]
    if not grams:
        return 0
    gram, count = Counter(grams).most_common(1)[0]
    return len(gram) * count


def duplicate_characters(words: list[str], n: int) -> int:
    seen: set[str] = set()
    characters = place = 0
    while place + n <= len(words):
        gram = "".join(words[place : place + n])
        characters += len(gram) if gram in seen else 0
        place += n if gram in seen else 1
        seen.add(gram)
    return characters


@given(TEXTS)
def test_ngram_fractions_are_those_of_the_plain_definition(parts: list[str]) -> None:
    prose = Prose(" ".join(parts))
    found = measure(prose)
    size = len(prose.text)
    assert found.top_ngram_characters == tuple(top_characters(prose.words, n) / size for n in TOP_SIZES)
    repeated = tuple(duplicate_characters(prose.words, n) / size for n in DUPLICATE_SIZES)
    assert found.duplicate_ngram_characters == repeated


@given(TEXTS)
def test_quality_statistics_are_those_of_the_plain_definition(parts: list[str]) -> None:
    prose = Prose(" ".join(parts))
    found = measure_quality(prose, ("a", "ccc"))
    proper = [word for word in prose.words if not symbols().issuperset(word)]
    assert found.words == len(proper)
    assert found.mean_word_length == (sum(map(len, proper)) / len(proper) if proper else 0.0)
    assert found.alphabetic_words == sum(any(c.isalpha() for c in w) for w in prose.words) / len(prose.words)


LONG = "internationalisation of characterisations in internationals"


@given(
    st.lists(st.sampled_from([LONG, "a b c d e f", "g", "\n", "\n\n", "\n\n\n"]), min_size=1),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5]), min_size=6, max_size=6),
)
@example([LONG, "a b c d e f", LONG], [0.3] * 6)
def test_a_text_is_judged_by_its_statistics_though_not_all_are_worked_out(
    parts: list[str], limits: list[float]
) -> None:
    text = " ".join(parts).strip(" ") + "."
    rule = GopherRepetition(
        max_duplicate_paragraphs=1,
        max_duplicate_lines=1,
        max_duplicate_line_characters=1,
        max_duplicate_paragraph_characters=1,
        max_top_ngram_characters=(1.0, 1.0, 1.0),
        max_duplicate_ngram_characters=tuple(limits),
    )
    assert rule(Prose(text)) == rule.judge(measure(Prose(text)))


@given(st.text("a\n ", max_size=30))
def test_lines_and_paragraphs_are_cut_at_any_number_of_line_breaks(text: str) -> None:
    found = measure(Prose(text + "a"))
    lines, paragraphs = re.split(r"\n+", text + "a"), re.split(r"\n{2,}", (text + "a").strip())
    assert found.duplicate_lines == (len(lines) - len(set(lines))) / len(lines)
    assert found.duplicate_paragraphs == (len(paragraphs) - len(set(paragraphs))) / len(paragraphs)


@given(st.lists(st.text("ab\ud800\U0001f600", min_size=1, max_size=5), min_size=2, max_size=12), st.integers(1, 11))
def test_hashes_of_rows_of_words_are_equal_when_they_spell_the_same(words: list[str], n: int) -> None:
    ends = np.cumsum([0, *map(len, words)])
    hashes = Spelling(word_hashes(words), ends).ngrams(n).tolist()
    spelt = ["".join(words[place : place + n]) for place in range(len(words) - n + 1)]
    assert [hashes.index(value) for value in hashes] == [spelt.index(value) for value in spelt]


def test_each_limit_has_its_own_reason() -> None:
    clean = RepetitionStatistics(0, 0, 0, 0, (0.0, 0.0, 0.0), (0.0,) * 6)
    rule = GopherRepetition()
    assert rule.judge(clean) is None
    for place, (n, limit) in enumerate(zip(DUPLICATE_SIZES, rule.max_duplicate_ngram_characters, strict=True)):
        for share, reason in ((limit, None), (limit + 0.001, f"gopher_repetition:duplicate_{n}_grams")):
            shares = tuple(share if index == place else 0.0 for index in range(6))
            assert rule.judge(RepetitionStatistics(0, 0, 0, 0, (0.0, 0.0, 0.0), shares)) == reason
    for place, (n, limit) in enumerate(zip(TOP_SIZES, rule.max_top_ngram_characters, strict=True)):
        tops = tuple(limit + 0.001 if index == place else 0.0 for index in range(3))
        assert rule.judge(RepetitionStatistics(0, 0, 0, 0, tops, (0.0,) * 6)) == f"gopher_repetition:top_{n}_gram"
