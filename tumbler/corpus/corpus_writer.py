"""The last pass: candidates that stay -> data/*.parquet of a given size; rejects -> rejected/*.parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.artifact import replacing
from tumbler.corpus.candidates import CANDIDATES, REJECT_SCHEMA, REJECTS
from tumbler.corpus.deduplication import Deduplicated
from tumbler.text.documents import SCHEMA

ROWS: Final = 1024


@dataclass(frozen=True)
class Piece:
    """Some candidates of one shard: `rows` are rising row numbers in its file."""

    file: Path
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class DataFile:
    path: Path
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class RejectFile:
    """The rejects of one shard, then its candidates that repeat a document: why, and that document's id."""

    path: Path
    rejects: Path
    duplicates: Piece
    reasons: tuple[str, ...]
    originals: tuple[str, ...]


def plan_data(found: Deduplicated, folders: Sequence[Path], output: Path, shard_bytes: int) -> list[DataFile]:
    """Cut the kept candidates, in corpus order, into files of about `shard_bytes` of text; at least one file."""
    kept = np.flatnonzero(found.kept)
    before = np.cumsum(found.sizes[kept]) - found.sizes[kept]
    number = before // shard_bytes
    files = []
    for index, value in enumerate(np.unique(number) if len(kept) else [0]):
        pieces = tuple(_pieces(found, folders, kept[number == value]))
        files.append(DataFile(output / f"{index:05d}.parquet", pieces))
    return files


def _pieces(found: Deduplicated, folders: Sequence[Path], places: NDArray[np.int64]) -> Iterator[Piece]:
    shards = np.searchsorted(found.starts, places, side="right") - 1
    for shard in np.unique(shards):
        yield Piece(folders[shard] / CANDIDATES, places[shards == shard] - found.starts[shard])


def write_data(file: DataFile) -> Path:
    """Write one file of documents, unless an earlier run did."""
    if not file.path.exists():
        with replacing(file.path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            writer.write_table(SCHEMA.empty_table())
            for piece in file.pieces:
                for table in _rows(piece):
                    writer.write_table(table.select(SCHEMA.names).cast(SCHEMA))
    return file.path


def _rows(piece: Piece) -> Iterator[pa.Table]:
    """The piece's rows, row group by row group."""
    source = pq.ParquetFile(piece.file)
    start = 0
    for group in range(source.num_row_groups):
        stop = start + source.metadata.row_group(group).num_rows
        wanted = piece.rows[(piece.rows >= start) & (piece.rows < stop)] - start
        if len(wanted):
            yield source.read_row_group(group).take(wanted)
        start = stop


def plan_rejects(found: Deduplicated, folders: Sequence[Path], output: Path) -> list[RejectFile]:
    repeats = ~found.kept
    ids = _ids(folders) if repeats.any() else []
    files = []
    for shard, folder in enumerate(folders):
        places = np.flatnonzero(repeats[found.starts[shard] : found.starts[shard + 1]]) + found.starts[shard]
        piece = Piece(folder / CANDIDATES, places - found.starts[shard])
        reasons = tuple(found.reason(place) for place in places)
        originals = tuple(ids[found.original[place]] for place in places)
        files.append(RejectFile(output / f"{shard:05d}.parquet", folder / REJECTS, piece, reasons, originals))
    return files


def _ids(folders: Sequence[Path]) -> list[str]:
    return [item for folder in folders for item in pq.read_table(folder / CANDIDATES, columns=["id"])["id"].to_pylist()]


def write_rejects(file: RejectFile) -> Path:
    """Write one file of rejected pages with their reasons, unless an earlier run did."""
    if not file.path.exists():
        with replacing(file.path) as temporary, pq.ParquetWriter(temporary, REJECT_SCHEMA, compression="zstd") as out:
            for batch in pq.ParquetFile(file.rejects).iter_batches(ROWS):
                out.write_batch(batch)
            done = 0
            for table in _rows(file.duplicates):
                stop = done + table.num_rows
                out.write_table(_with_reasons(table, file.reasons[done:stop], file.originals[done:stop]))
                done = stop
    return file.path


def _with_reasons(table: pa.Table, reasons: tuple[str, ...], originals: tuple[str, ...]) -> pa.Table:
    plain = table.select(SCHEMA.names)
    with_reason = plain.append_column("reason", pa.array(reasons, pa.string()))
    return with_reason.append_column("duplicate_of", pa.array(originals, pa.string())).cast(REJECT_SCHEMA)
