"""Which documents repeat an earlier one: exactly, or nearly by a shared MinHash band. Pure: keys in, places out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def exact_duplicates(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(documents,) the place of the first document with the same key. `keys` is (documents, 2): 128-bit hashes."""
    if not len(keys):
        return np.empty(0, np.int64)
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[group.reshape(-1)], np.int64)


def near_duplicates(bands: Iterable[NDArray[np.uint64]], documents: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """(total,) the place of the first document of each one's cluster, itself when it is alone.

    Each band is (len(documents),) keys; `documents` are the rising places of those that take part.
    """
    parents = Forest(total)
    for keys in bands:
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        for left, right in zip(documents[order[:-1][same]], documents[order[1:][same]], strict=True):
            parents.join(int(left), int(right))
    return np.fromiter(map(parents.root, range(total)), np.int64, total)


class Forest:
    """Union-find whose roots are the smallest members, so that the result does not depend on the order of joins."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size)

    def root(self, member: int) -> int:
        parent = self.parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = int(parent[member])
        return member

    def join(self, left: int, right: int) -> None:
        left, right = self.root(left), self.root(right)
        self.parent[max(left, right)] = min(left, right)
