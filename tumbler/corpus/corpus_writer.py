"""The last pass: what was chosen -> data/*.parquet of a given size, in corpus order or shuffled; rejects -> rejected/.

A shuffle is exact: every copy of a document has a lot, a file holds the copies whose lots are in its range, sorted
by them. So that no file needs all shards in memory, the copies are first spilt, group of shards by group of shards,
into one Arrow file a group with one batch a data file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.artifact import Work, replacing
from tumbler.corpus.candidates import CANDIDATES
from tumbler.corpus.selection import ShardOfCandidates
from tumbler.text.documents import SCHEMA

ROWS: Final = 1024
SPILL_BYTES: Final = 128 << 20
"""Text of the shards that are spilt together, about: bounds a worker's memory."""
SPILL_SCHEMA: Final = SCHEMA.append(pa.field("lot", pa.uint64()))


@dataclass(frozen=True)
class Chapter:
    """A shard, and where its chosen documents begin in the whole corpus, in bytes of text."""

    shard: ShardOfCandidates
    start: int
    bytes: int


def write_corpus(chapters: Sequence[Chapter], shard_bytes: int, shuffle: bool, work: Work) -> list[Path]:
    """Write the documents into files of about `shard_bytes` of text, at least one; their paths in order."""
    total = sum(chapter.bytes for chapter in chapters)
    files = max(1, -(-total // shard_bytes))
    paths = [work.path / f"data/{number:05d}.parquet" for number in range(files)]
    if not shuffle:
        ordered = partial(write_ordered, chapters=tuple(chapters), shard_bytes=shard_bytes)
        return work.map(ordered, list(enumerate(paths)), "files written")
    spills = list(_groups(chapters, work.path / "resume" / "spills"))
    spilt = work.map(partial(spill, files=files), spills, "shards spilt")
    return work.map(partial(write_shuffled, spills=tuple(spilt)), list(enumerate(paths)), "files written")


def write_ordered(job: tuple[int, Path], chapters: Sequence[Chapter], shard_bytes: int) -> Path:
    """One file: the documents that begin in its stretch of the corpus. Unless an earlier run did it."""
    number, path = job
    low, high = number * shard_bytes, (number + 1) * shard_bytes
    if not path.exists():
        with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            writer.write_table(SCHEMA.empty_table())
            for chapter in chapters:
                if chapter.start < high and chapter.start + chapter.bytes > low:
                    for table in _stretch(chapter, low, high):
                        writer.write_table(table)
    return path


def _stretch(chapter: Chapter, low: int, high: int) -> Iterator[pa.Table]:
    chosen = chapter.shard.chosen()
    begin = chapter.start + np.cumsum(chosen.sizes) - chosen.sizes
    yield from rows_of(chapter.shard.folder / CANDIDATES, chosen.rows[(begin >= low) & (begin < high)])


def rows_of(path: Path, rows: NDArray[np.int64], names: Sequence[str] = tuple(SCHEMA.names)) -> Iterator[pa.Table]:
    """Rows of a Parquet file, by row number (rising, maybe several times), row group by row group."""
    source = pq.ParquetFile(path)
    start = 0
    for group in range(source.num_row_groups):
        stop = start + source.metadata.row_group(group).num_rows
        low, high = np.searchsorted(rows, [start, stop])
        if high > low:
            yield source.read_row_group(group, columns=list(names)).take(rows[low:high] - start)
        start = stop


def _groups(chapters: Sequence[Chapter], folder: Path) -> Iterator[tuple[Path, tuple[Chapter, ...]]]:
    """Neighbouring shards of together about SPILL_BYTES of text, and the file that they are spilt into."""
    number, group, size = 0, [], 0
    for chapter in chapters:
        group.append(chapter)
        size += chapter.bytes
        if size >= SPILL_BYTES:
            yield folder / f"{number:05d}.arrow", tuple(group)
            number, group, size = number + 1, [], 0
    if group:
        yield folder / f"{number:05d}.arrow", tuple(group)


def spill(job: tuple[Path, tuple[Chapter, ...]], files: int) -> Path:
    """One batch a data file, unless an earlier run did it."""
    path, chapters = job
    if not path.exists():
        tables = [SPILL_SCHEMA.empty_table(), *(table for chapter in chapters for table in _with_lots(chapter))]
        table = pa.concat_tables(tables)
        lots = table["lot"].to_numpy()
        order = np.argsort(lots, kind="stable")
        width = -(-(1 << 64) // files)
        edges = [0, *np.searchsorted(lots[order], np.array([width * n for n in range(1, files)], np.uint64)), len(lots)]
        with replacing(path) as temporary, pa.ipc.new_file(str(temporary), SPILL_SCHEMA) as writer:
            for low, high in pairwise(edges):
                writer.write_batch(_batch(table.take(order[low:high])))
    return path


def _with_lots(chapter: Chapter) -> Iterator[pa.Table]:
    chosen = chapter.shard.chosen()
    done = 0
    for table in rows_of(chapter.shard.folder / CANDIDATES, chosen.rows):
        lots = chosen.lots[done : done + table.num_rows]
        done += table.num_rows
        yield table.append_column(SPILL_SCHEMA.field("lot"), pa.array(lots))


def _batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], SPILL_SCHEMA)


def write_shuffled(job: tuple[int, Path], spills: Sequence[Path]) -> Path:
    """One file of the shuffled corpus, unless an earlier run did it."""
    number, path = job
    if not path.exists():
        batches = []
        for file in spills:
            with pa.memory_map(str(file)) as source:
                batches.append(pa.ipc.open_file(source).get_batch(number))
        table = pa.Table.from_batches(batches, SPILL_SCHEMA)
        ordered = table.take(np.argsort(table["lot"].to_numpy(), kind="stable")).select(SCHEMA.names)
        with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            writer.write_table(ordered, row_group_size=ROWS)
    return path
