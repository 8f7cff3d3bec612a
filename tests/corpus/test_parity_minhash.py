"""MinHash signatures are datatrove's, and the clusters are those that datatrove's stages find when run for real."""

from __future__ import annotations

import random
import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("datatrove")

from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
from datatrove_decisions import words

from tumbler.corpus.duplicates.clusters import clusters, pairs
from tumbler.corpus.duplicates.minhash import MinHash

BANDS = 14


def theirs(text: str, step: MinhashDedupSignature) -> list[list[int]] | None:
    shingles = step.get_shingles(text)
    return step.get_signature(shingles) if len(shingles) else None


def test_signatures_are_datatroves_on_real_pages(crawled: list[tuple[str, str]], tmp_path: Path) -> None:
    step = MinhashDedupSignature(str(tmp_path))
    for url, text in crawled:
        ours = MinHash().signature(text)
        assert (None if ours is None else ours.tolist()) == theirs(text, step), url


STRANGE = (
    "", "one two three four", "one two three four five", "a . b , c ! d ? e", "don't can't it's U.S. p.m. 3.5 1,000",
    "Ünïcödé Łódź İstanbul ǅ ﬁ ½ ² ٣٫٤ ١٢", "日本語 の テキスト です よ ね", "x" * 3000 + " a b c d",
    "a\x00b c\x85d e\u200bf g\u00adh i\u2028j k",
    "5km 3m/s C++ a.b@c.org http://a.org/x?y=1 snake_case __init__ (x) [y] {z} <t> «q» “r” ‘s’ t—u v–w…",
)  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_signatures_of_strange_texts_are_datatroves(text: str, tmp_path: Path) -> None:
    ours = MinHash().signature(text)
    assert (None if ours is None else ours.tolist()) == theirs(text, MinhashDedupSignature(str(tmp_path)))


def similar(similarity: float, seed: int, size: int = 300) -> tuple[str, str]:
    """Two texts whose 5-grams have about this Jaccard similarity s: they share a beginning of 2s / (1 + s)."""
    shared = round(size * 2 * similarity / (1 + similarity))
    base = words(size, seed * 3000)
    return " ".join(base), " ".join([*base[:shared], *words(size - shared, seed * 3000 + 1500)])


def planted() -> list[str]:
    """Pairs of Jaccard similarity 0.5 to 1.0, chains in which each resembles the next, and texts alone."""
    source = random.Random(3)
    texts = [text for step in range(40) for text in similar(0.5 + step / 80, step % 5)]
    for chain in range(4):
        row = words(330, 15_000 + chain * 400)
        texts += [" ".join(row[start : start + 250]) for start in range(0, 90, 10)]
    texts += [" ".join(source.sample(words(3000, 5), 60)) for _ in range(30)] + ["too short"] * 3
    source.shuffle(texts)
    return texts


def datatroves_clusters(texts: Sequence[str], folder: Path) -> set[frozenset[int]]:
    """Stages 1 to 3 over two files of documents; the places of what is in one cluster."""
    half = len(texts) // 2
    for rank, part in enumerate((texts[:half], texts[half:])):
        documents = (Document(text=text, id=str(place)) for place, text in enumerate(part))
        MinhashDedupSignature(str(folder / "signatures")).run(documents, rank, 2)
    for rank in range(BANDS):
        MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets")).run(None, rank, BANDS)
    MinhashDedupCluster(str(folder / "buckets"), str(folder / "clusters"), save_cluster_id=True).run(None, 0, 1)
    found: dict[int, set[int]] = defaultdict(set)
    for file, start in ((0, 0), (1, half)):
        for place, cluster in struct.iter_unpack("<II", (folder / "clusters" / f"{file:06d}.clusters").read_bytes()):
            found[cluster].add(start + place)
    return {frozenset(members) for members in found.values()}


def our_clusters(texts: Sequence[str]) -> set[frozenset[int]]:
    keys = {place: found for place, text in enumerate(texts) if (found := MinHash().band_keys(text)) is not None}
    places = np.array(list(keys), np.int64)
    links = (pairs(column, places) for column in np.array(list(keys.values())).T)
    found: dict[int, set[int]] = defaultdict(set)
    for place, first in zip(*clusters(links, len(texts)).repeated, strict=True):
        found[first].update((int(first), int(place)))
    return {frozenset(members) for members in found.values()}


def test_clusters_are_those_of_datatroves_stages(tmp_path: Path) -> None:
    texts = planted()
    ours = our_clusters(texts)
    assert ours == datatroves_clusters(texts, tmp_path)
    assert max(map(len, ours)) >= 9 and len(ours) > 5


@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0])
def test_recall_follows_the_banding_formula_in_texts(similarity: float) -> None:
    """Of 60 pairs of texts, 1 - (1 - s^8)^14 share a band, within 4 standard deviations of the drawing."""
    found, expected = 0, []
    for seed in range(60):
        one, two = similar(similarity, seed, 200)
        left, right = (MinHash().band_keys(text) for text in (one, two))
        assert left is not None and right is not None
        found += bool((left == right).any())
        expected.append(1 - (1 - jaccard(one, two) ** 8) ** BANDS)
    deviation = np.sqrt(sum(chance * (1 - chance) for chance in expected))
    assert abs(found - sum(expected)) <= 4 * deviation + 1e-9


def jaccard(one: str, two: str) -> float:
    left, right = (set(zip(*(text.split()[n:] for n in range(5)), strict=False)) for text in (one, two))
    return len(left & right) / len(left | right)
