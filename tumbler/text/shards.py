"""Token shards: flat ids in NNNNN.bin and beside it an index of the documents, NNNNN.parquet.

A document is framed as `Tokenizer.document` does: `<|bos|> ids <|end|>`. Index columns: start and length
(in tokens, within the shard's .bin), id and url of the document, row (in the corpus, counted over all its
files), bytes (of its text in UTF-8). Ids are little-endian uint16 where the vocabulary allows it, else uint32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.errors import UserError

Ids = npt.NDArray[np.unsignedinteger[Any]]
COLUMNS: Final = {
    "start": pa.int64(),
    "length": pa.int64(),
    "id": pa.string(),
    "url": pa.string(),
    "row": pa.int64(),
    "bytes": pa.int64(),
}
ROW_GROUP: Final = 10_000


@dataclass(frozen=True)
class TokenDocument:
    """One document on its way into a shard; `ids` framed."""

    ids: Sequence[int] | Ids
    id: str
    url: str
    row: int
    bytes: int


def id_type(vocab_size: int) -> np.dtype[Any]:
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


def write_shard(bin_path: Path, index_path: Path, documents: Iterable[TokenDocument], vocab_size: int) -> None:
    """Stream documents into one shard. The paths are the caller's (temporary ones, for an atomic write)."""
    dtype = id_type(vocab_size)
    schema = pa.schema([pa.field(name, kind) for name, kind in COLUMNS.items()], metadata={"dtype": dtype.str})
    start = 0
    with bin_path.open("wb") as file, pq.ParquetWriter(index_path, schema, compression="zstd") as index:
        for group in _groups(documents):
            for item in group:
                file.write(np.asarray(item.ids, dtype=dtype).tobytes())
            index.write_table(_index(group, start, schema))
            start += sum(len(item.ids) for item in group)


def _index(group: Sequence[TokenDocument], start: int, schema: pa.Schema) -> pa.Table:
    lengths = np.array([len(item.ids) for item in group], np.int64)
    told = [[getattr(item, name) for item in group] for name in ("id", "url", "row", "bytes")]
    return pa.table([start + np.cumsum(lengths) - lengths, lengths, *told], schema=schema)


class Shards:
    """All shards of one folder as one sequence of documents, in the order of their names; memory-mapped."""

    def __init__(self, folder: Path, indexes: Sequence[Path]) -> None:
        self._indexes = indexes
        self._shards: list[Ids] = []
        starts, lengths, shard_of = [], [], []
        for number, index in enumerate(indexes):
            table = pq.read_table(index, columns=["start", "length"])
            length = table["length"].to_numpy()
            self._shards.append(_map_ids(index, int(length.sum())))
            starts.append(table["start"].to_numpy())
            lengths.append(length)
            shard_of.append(np.full(len(length), number))
        self.folder = folder
        self.starts: npt.NDArray[np.int64] = np.concatenate(starts)
        self.lengths: npt.NDArray[np.int64] = np.concatenate(lengths)
        """Tokens of each document, its `<|bos|>` and `<|end|>` included."""
        self._shard_of = np.concatenate(shard_of)

    @classmethod
    def open(cls, folder: Path) -> Shards:
        """Map the shards of `folder` (`train/` or `val/` of a tokens artifact); UserError when there are none."""
        indexes = sorted(folder.glob("*.parquet"))
        if not indexes:
            raise UserError(f"{folder}: holds no token shards (NNNNN.bin + NNNNN.parquet); run the tokens stage")
        return cls(folder, indexes)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    def document(self, number: int) -> Ids:
        """The ids of one document, (length,), a read-only view of the file."""
        start = self.starts[number]
        ids: Ids = self._shards[self._shard_of[number]][start : start + self.lengths[number]]
        return ids

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of the index (id, url, row, bytes, ...), aligned with the document numbers."""
        return pa.chunked_array(
            [chunk for path in self._indexes for chunk in pq.read_table(path, columns=[name])[name].chunks],
            COLUMNS[name],
        )


def _groups(documents: Iterable[TokenDocument]) -> Iterator[list[TokenDocument]]:
    source = iter(documents)
    while group := list(islice(source, ROW_GROUP)):
        yield group


def _map_ids(index: Path, tokens: int) -> Ids:
    dtype = np.dtype((pq.read_schema(index).metadata or {})[b"dtype"].decode())
    path = index.with_suffix(".bin")
    size = path.stat().st_size if path.is_file() else -1
    if size != tokens * dtype.itemsize:
        raise UserError(f"{path}: has {size} bytes where its index tells {tokens * dtype.itemsize}; make it again")
    if not tokens:  # an empty file cannot be mapped
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r")
