"""MinHash and the clusters of duplicates."""

from __future__ import annotations

import itertools
import random

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tumbler.corpus.duplicates.clusters import clusters, pairs
from tumbler.corpus.duplicates.minhash import PRIME, MinHash, _modulo_prime
from tumbler.corpus.words.normal import Normal


def text(seed: int, size: int = 400) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choices("abcdefghij", k=5)) for _ in range(size)]


def originals(keys: list[NDArray[np.uint64]], size: int) -> list[int]:
    """For each document the first one that it is linked to, over however many of the columns of keys."""
    places, first = clusters((pairs(column, np.arange(size)) for column in keys), size).repeated
    found = np.arange(size)
    found[places] = first
    return found.tolist()


def test_planted_near_duplicates_are_found_and_others_stay() -> None:
    base = text(0)
    edited = [*base[:200], "changed", *base[201:]]
    texts = [" ".join(words) for words in (text(1), base, text(2), edited, [*base, "and", "more"], text(3))]
    bands = [MinHash().band_keys(item) for item in texts]
    assert originals(list(np.array(bands).T), 6) == [0, 1, 2, 1, 1, 5]
    assert MinHash().band_keys("too short") is None


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
    assert Normal("Café № 12,50 — DONE!").joined == Normal("cafe № 3 done").joined == "cafe № 0 done ".encode()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_the_remainder_without_division_is_exact(values: list[int]) -> None:
    array = np.array(values, np.uint64)
    expected = array % PRIME
    _modulo_prime(array, np.empty_like(array))
    assert (array == expected).all()


def test_shingles_are_the_hashes_of_neighbouring_words() -> None:
    rows = (b"\xd1\x8f bb", b"bb c", b"c dd")
    assert Normal("Я bb c dd").shingles(2).tolist() == list(map(xxhash.xxh64_intdigest, rows))
    assert len(Normal("Я bb c dd").shingles(5)) == 0


def test_pairs_name_the_first_place_of_equal_keys() -> None:
    keys = np.array([3, 1, 3, 9, 1, 3], np.uint64)
    assert pairs(keys, np.arange(10, 16)).tolist() == [[11, 14], [10, 12], [10, 15]]
    assert pairs(keys[:0], np.arange(0)).tolist() == []


@given(st.lists(st.lists(st.integers(0, 9), min_size=20, max_size=20), max_size=5))
def test_clusters_are_those_of_a_plain_search(columns: list[list[int]]) -> None:
    expected = list(range(20))
    for _ in range(20):
        for column in columns:
            for left, right in itertools.combinations(range(20), 2):
                if column[left] == column[right]:
                    expected[left] = expected[right] = min(expected[left], expected[right])
    assert originals([np.array(column, np.uint64) for column in columns], 20) == expected


def test_a_chain_of_links_is_one_cluster_whatever_the_order() -> None:
    links = np.array([[place, place + 1] for place in range(1000)])
    for seed in range(3):
        places, first = clusters(np.array_split(np.random.default_rng(seed).permutation(links), 7), 1001).repeated
        assert places.tolist() == list(range(1, 1001)) and not first.any()
