"""Counting pre-tokens: the split is the encoder's, the table is bounded, and nothing but the texts decides it."""

from __future__ import annotations

import random
import time
import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tumbler.text.bpe_trainer import learn_merges
from tumbler.text.byte_pairs import SPLIT
from tumbler.text.pieces import LONGEST_PIECE, SCHEMA, count, merge

HARD = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u3000",
    "\x85",
    "\u2028",
    "\x1c",
    "'s",
    "'LL",
    "'ſ",
    "don't",
    "e\u0301",
    "日本",
    "123",
]
HARD += ["4567", "²", "!", "!!", "abc", " the", "🙂", "\ufeff", "<|end|>", "a" * 70]


def assigned(text: str) -> bool:
    """Of no character that one Unicode version knows and another does not."""
    return all(unicodedata.category(character) not in ("Cn", "Cs") for character in text)


TEXTS = st.lists(st.one_of(st.sampled_from(HARD), st.text(max_size=4).filter(assigned)), max_size=12).map("".join)


def counts(table: pa.Table) -> dict[str, int]:
    return dict(zip(table["piece"].to_pylist(), table["count"].to_pylist(), strict=True))


def as_the_encoder_splits(texts: list[str]) -> dict[str, int]:
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    pieces = [piece for text in texts for part in text.split("\0") for piece, _ in split.pre_tokenize_str(part)]
    return dict(
        Counter(piece[at : at + LONGEST_PIECE] for piece in pieces for at in range(0, len(piece), LONGEST_PIECE))
    )


@settings(max_examples=150)
@given(texts=st.lists(TEXTS, max_size=3))
def test_pre_tokens_are_those_of_the_encoder(texts: list[str]) -> None:
    assert counts(count(texts)) == as_the_encoder_splits(texts)


def test_pre_tokens_of_real_prose_are_those_of_the_encoder(paragraphs: list[str]) -> None:
    assert counts(count(paragraphs[:2000])) == as_the_encoder_splits(paragraphs[:2000])


def test_how_texts_are_spread_over_tables_makes_no_difference(paragraphs: list[str]) -> None:
    parts = [paragraphs[at::7] for at in range(7)]
    whole, summed = count(paragraphs), merge(map(count, parts))
    assert counts(summed) == counts(whole)
    assert learn_merges(summed, 300) == learn_merges(whole, 300)


def test_a_bounded_table_keeps_the_frequent_and_gives_nearly_the_same_merges(paragraphs: list[str]) -> None:
    whole, bounded = count(paragraphs), count(paragraphs, largest=20_000)
    assert len(bounded) <= 20_000 < len(whole)
    kept = counts(bounded)
    assert kept == {piece: times for piece, times in counts(whole).items() if piece in kept}
    assert len({*learn_merges(bounded, 500)} & {*learn_merges(whole, 500)}) > 470


def test_a_table_beyond_its_bound_keeps_what_is_rarer_than_none_that_is_forgotten() -> None:
    rows = [{"piece": piece, "count": times} for piece, times in zip("abcdef", (2, 5, 1, 3, 2, 4), strict=True)]
    table = pa.Table.from_pylist(rows, SCHEMA)
    assert counts(merge([table], largest=6)) == {"a": 2, "b": 5, "c": 1, "d": 3, "e": 2, "f": 4}
    assert counts(merge([table], largest=5)) == {"b": 5, "f": 4}


def test_a_stream_of_ever_new_words_stays_within_its_bound() -> None:
    made = random.Random(0)
    words = ["".join(made.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(1200)]
    tables = [count([" ".join(words[at : at + 30])]) for at in range(0, 1200, 30)]
    assert all(len(merge(tables[:number], largest=100)) <= 100 for number in range(1, 41))


def test_counts_go_beyond_32_bits() -> None:
    rows = [{"piece": "abab", "count": 2**40}, {"piece": "cd", "count": 2**39}, {"piece": "ef", "count": 7}]
    table = merge([pa.Table.from_pylist(rows, SCHEMA)] * 3)
    assert counts(table) == {"abab": 3 * 2**40, "cd": 3 * 2**39, "ef": 21}
    assert learn_merges(table, 9) == [b"ab", b"abab", b"cd", b"ef"]


def test_merges_end_where_the_texts_do() -> None:
    assert learn_merges(count(["qrs xyz"]), 50) == [b"qr", b"xy", b"qrs", b"xyz", b" xyz"]
    assert learn_merges(count([]), 50) == []


def test_the_order_of_the_counts_does_not_matter(paragraphs: list[str]) -> None:
    table = count(paragraphs[:500])
    shuffled = table.take(pa.array(random.Random(1).sample(range(len(table)), len(table))))
    assert learn_merges(shuffled, 400) == learn_merges(table, 400)


@pytest.mark.parametrize("run", ["a", "<", " ", "é", "\n", "9", " \n", "🙂"])
def test_a_megabyte_of_one_character_is_counted_at_once(run: str) -> None:
    begin = time.process_time()
    table = count([run * (1_000_000 // len(run.encode())), "the quick brown fox"])
    assert max(map(len, table["piece"].to_pylist())) <= LONGEST_PIECE
    assert time.process_time() - begin < 5
