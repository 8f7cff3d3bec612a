"""Which documents repeat an earlier one. Pure: keys in, pairs out; pairs in, clusters out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


def pairs(keys: NDArray[np.uint64], places: Places) -> Places:
    """(pairs, 2) places with equal keys: the first of them, and each other one. `places` rise where keys are equal
    after a stable sort by key."""
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    new = np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]
    first = places[np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))]
    return np.stack([first[~new], places[~new]], axis=1)


class Clusters:
    """Documents that are linked, over however many links: union-find on whole arrays (Tarjan 1975).

    Memory: 4 bytes a document, 4 GB for 10^9 of them (8 bytes from 2^32 documents on).
    """

    def __init__(self, documents: int) -> None:
        self._parent = np.arange(documents, dtype=np.uint32 if documents < 1 << 32 else np.int64)

    def join(self, links: Places) -> None:
        """(links, 2) places that belong together. A root hangs under a smaller one, never the other way round."""
        while len(links):
            roots = self._roots(links)
            links = roots[roots[:, 0] != roots[:, 1]]
            self._parent[links.max(axis=1)] = links.min(axis=1)  # of several for one root the last counts; then again

    def _roots(self, places: Places) -> NDArray[Any]:
        roots: NDArray[Any] = self._parent[places]
        while not np.array_equal(roots, above := self._parent[roots]):
            roots = above
        self._parent[places] = roots
        return roots

    @property
    def repeated(self) -> tuple[Places, Places]:
        """((documents,) rising places that repeat an earlier one, (documents,) the first of their cluster)."""
        places = np.flatnonzero(self._parent != np.arange(len(self._parent), dtype=self._parent.dtype))
        return places, self._roots(places).astype(np.int64)


def clusters(links: Iterable[Places], documents: int) -> Clusters:
    found = Clusters(documents)
    for some in links:
        found.join(some)
    return found
