"""MinHash and the clusters of duplicates."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.duplicates import exact_duplicates, near_duplicates
from tumbler.corpus.minhash import PRIME, MinHash, _modulo_prime, normalised_words, shingle_hashes


def text(seed: int, size: int = 400) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choices("abcdefghij", k=5)) for _ in range(size)]


def originals(texts: list[str]) -> list[int]:
    keys = [MinHash().band_keys(item) for item in texts]
    places = np.array([place for place, key in enumerate(keys) if key is not None], np.int64)
    stacked = np.array([key for key in keys if key is not None]).reshape(-1, 14)
    return near_duplicates(iter(stacked.T), places, len(texts)).tolist()


def test_planted_near_duplicates_are_found_and_others_stay() -> None:
    base = text(0)
    edited = [*base[:200], "changed", *base[201:]]
    texts = [" ".join(words) for words in (text(1), base, text(2), edited, [*base, "and", "more"], text(3))]
    assert originals([*texts, "too short", "too short"]) == [0, 1, 2, 1, 1, 5, 6, 7]


def test_recall_follows_the_banding_formula() -> None:
    """At Jaccard similarity s, 1 - (1 - s^8)^14 of the pairs share a band (here within 5 standard deviations)."""
    rule, trials = MinHash(shingle_words=1), 100
    for shared_words, total in ((300, 400), (320, 400), (200, 400)):
        s = shared_words / (2 * total - shared_words)
        expected = 1 - (1 - s**8) ** 14
        found = 0
        for seed in range(trials):
            pool = [_letters(seed) + _letters(number) for number in range(2 * total)]
            one = rule.band_keys(" ".join(pool[:total]))
            two = rule.band_keys(" ".join(pool[total - shared_words : 2 * total - shared_words]))
            assert one is not None and two is not None
            found += bool((one == two).any())
        assert abs(found / trials - expected) <= 5 * np.sqrt(expected * (1 - expected) / trials) + 0.01


def _letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(3))


def test_copies_that_differ_in_case_marks_and_numbers_have_one_signature() -> None:
    assert normalised_words("Café № 12,50 — DONE!") == normalised_words("cafe № 3 done")


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_the_remainder_without_division_is_exact(values: list[int]) -> None:
    array = np.array(values, np.uint64)
    assert (_modulo_prime(array) == array % PRIME).all()


def test_shingles_are_the_hashes_of_neighbouring_words() -> None:
    import xxhash

    words = ["à", "bb", "c", "dd"]
    assert shingle_hashes(words, 2).tolist() == [xxhash.xxh64_intdigest(s.encode()) for s in ("à bb", "bb c", "c dd")]
    assert len(shingle_hashes(words, 5)) == 0


def test_the_first_of_equal_documents_is_the_original() -> None:
    keys = np.array([[1, 2], [3, 4], [1, 2], [1, 4], [3, 4]], np.uint64)
    assert exact_duplicates(keys).tolist() == [0, 1, 0, 3, 1]
    assert exact_duplicates(np.empty((0, 2), np.uint64)).tolist() == []


@given(st.lists(st.lists(st.integers(0, 5), min_size=12, max_size=12), max_size=4))
def test_clusters_are_those_of_a_plain_search(bands: list[list[int]]) -> None:
    arrays = [np.array(band, np.uint64) for band in bands]
    expected = list(range(12))
    for _ in range(12):
        for band in bands:
            for left in range(12):
                for right in range(12):
                    if band[left] == band[right]:
                        expected[left] = expected[right] = min(expected[left], expected[right])
    assert near_duplicates(arrays, np.arange(12), 12).tolist() == expected
