"""The vectorised repetition statistics against the plain definition, and the n-gram limits one by one."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.gopher_quality import measure as measure_quality
from tumbler.corpus.gopher_repetition import DUPLICATE_SIZES, TOP_SIZES, GopherRepetition, RepetitionStatistics, measure
from tumbler.corpus.marks import symbols
from tumbler.corpus.words import Prose

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
