"""Documents, shuffled and packed into rows, without end.

Shapes: B rows, T time. A document longer than a row is cut into pieces of a row, each of which begins with the token
that is the last target of the one before, so every token is a target once. Every epoch is one pass over all pieces in
an order of its own (the pieces of one document lie apart: a batch of them would teach little); a row is filled from
where the last one ended, so no token is padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tumbler.train.batch import IGNORE, Batch

Ids = NDArray[Any]
Row = NDArray[np.int64]
PackedRow = tuple[Row, Row, Row, Row]
"""Ids, targets, positions, documents, each (T,)."""


class Documents(Protocol):
    """Token ids by document; text.shards.Shards is one."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Sequence[int] | NDArray[np.int64]:
        """Tokens of each document; at least 2."""

    def document(self, index: int, /) -> Ids:
        """The ids of one document, from its begin to its end token."""


class Loader(Protocol):
    """An endless source of batches that can be put back to where it was."""

    def __next__(self) -> Batch: ...

    def state(self) -> dict[str, Any]:
        """What JSON can hold; `load_state` of it makes the next batch the same."""

    def load_state(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Place:
    """The next token: of which epoch, which piece of its order, which token of that."""

    epoch: int = 0
    index: int = 0
    offset: int = 0


class Pieces:
    """Documents, cut into pieces of at most `length` targets; of each document the first `longest` tokens."""

    def __init__(self, documents: Documents, length: int, longest: int | None = None) -> None:
        self.documents, self.length = documents, length
        lengths = np.asarray(documents.lengths)
        self.lengths = lengths if longest is None else np.minimum(lengths, longest)
        counts = -(-(self.lengths - 1) // length)
        self._ends = counts.cumsum()
        self._firsts = self._ends - counts

    def __len__(self) -> int:
        return int(self._ends[-1])

    def piece(self, number: int) -> Ids:
        """The ids of one piece; a further piece of a document begins with the last id of the one before."""
        index = int(np.searchsorted(self._ends, number, side="right"))
        start = (number - int(self._firsts[index])) * self.length
        end = min(start + self.length + 1, int(self.lengths[index]))
        return self.documents.document(index)[start:end]


class PackedLoader:
    """Batches of `rows` rows of `length` tokens from `documents`; `seed` decides the order of each epoch.

    longest: so many tokens of a document are read, from its begin; None: all.
    """

    def __init__(self, documents: Documents, rows: int, length: int, seed: int, longest: int | None = None) -> None:
        assert len(documents) > 0, "a loader needs at least one document"
        self.pieces, self.rows, self.length, self.seed = Pieces(documents, length, longest), rows, length, seed
        self._go_to(Place())

    def __iter__(self) -> PackedLoader:
        return self

    def __next__(self) -> Batch:
        return stack([self.row() for _ in range(self.rows)])

    def state(self) -> dict[str, Any]:
        return asdict(self.place)

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._go_to(Place(**state))

    def _go_to(self, place: Place) -> None:
        self.place = place
        self.order = np.random.default_rng((self.seed, place.epoch)).permutation(len(self.pieces))

    def row(self) -> PackedRow:
        """The next row."""
        pieces: list[Ids] = []
        wanted = self.length + 1
        while wanted > 0:
            pieces.append(self._take(wanted))
            wanted -= len(pieces[-1])
        return pack(pieces)

    def _take(self, wanted: int) -> Ids:
        """Up to `wanted` tokens of the current piece; moves on."""
        place = self.place
        ids = self.pieces.piece(int(self.order[place.index]))
        piece = ids[place.offset : place.offset + wanted]
        end = place.offset + len(piece)
        if end < len(ids):
            # Only a full row leaves a piece unfinished: its last target is the next row's first token.
            self.place = Place(place.epoch, place.index, end - 1)
        elif place.index + 1 < len(self.order):
            self.place = Place(place.epoch, place.index + 1)
        else:
            self._go_to(Place(place.epoch + 1))
        return piece


class MixedLoader:
    """Rows of several sources in one batch, by weight; each source has its own order, place and epoch.

    The next row is of the source that is furthest behind its share, so after any number of rows each source
    has given its share to within a row.
    """

    def __init__(self, sources: Sequence[PackedLoader], weights: Sequence[float], rows: int) -> None:
        assert len(sources) == len(weights) > 0 and min(weights) > 0, "each source needs a weight above 0"
        self.sources, self.rows = sources, rows
        self.shares = [weight / sum(weights) for weight in weights]
        self.given = [0] * len(sources)
        """Rows of each source so far."""

    def __next__(self) -> Batch:
        return stack([self._row() for _ in range(self.rows)])

    def state(self) -> dict[str, Any]:
        return {"given": self.given, "places": [source.state() for source in self.sources]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.given = list(state["given"])
        for source, place in zip(self.sources, state["places"], strict=True):
            source.load_state(place)

    def _row(self) -> PackedRow:
        rows = sum(self.given) + 1
        behind = [share * rows - given for share, given in zip(self.shares, self.given, strict=True)]
        chosen = behind.index(max(behind))
        self.given[chosen] += 1
        return self.sources[chosen].row()


def stack(rows: Sequence[PackedRow]) -> Batch:
    return Batch(*(torch.from_numpy(np.stack(field)) for field in zip(*rows, strict=True)))


def pack(pieces: list[Ids]) -> PackedRow:
    """Pieces of documents, T + 1 tokens together -> ids, targets, positions, documents, each (T,).

    A piece's last token has the next piece's first as its target, which is not trained: documents
    know nothing of each other.
    """
    ids = np.concatenate(pieces).astype(np.int64)
    lengths = [len(piece) for piece in pieces]
    documents = np.repeat(np.arange(len(pieces)), lengths)
    positions = np.concatenate([np.arange(length) for length in lengths])
    targets = np.where(documents[1:] == documents[:-1], ids[1:], IGNORE)
    return ids[:-1], targets, positions[:-1], documents[:-1]
