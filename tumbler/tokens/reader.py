"""Reads a corpus as rows with their number: what a token shard tells of each document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.artifact import Artifact
from tumbler.errors import UserError
from tumbler.text.documents import READ_ROWS


@dataclass(frozen=True)
class CorpusFile:
    """One Parquet file. `first_row`: rows of the corpus in the files before it."""

    path: Path
    first_row: int
    rows: int
    text_bytes: int
    """Of the text column, uncompressed; a little more than the texts themselves, or less if they repeat."""


@dataclass(frozen=True)
class CorpusRow:
    text: str
    id: str
    url: str
    row: int


def corpus_files(inputs: Sequence[Artifact]) -> list[CorpusFile]:
    """The Parquet files of all inputs, in the order of the inputs and then of their names.

    An input is a corpus of tumbler's (kind "documents", its `data/`), or an outside Parquet file or
    folder of such; a checkpoint among them, which gives the tokenizer, is passed over. Raises UserError
    for any other, for a file without texts, and when there is no row.
    """
    files: list[CorpusFile] = []
    for path in [path for item in inputs if item.kind != "checkpoint" for path in _parquet_files(item)]:
        rows, text_bytes = _sizes(path)
        files.append(CorpusFile(path, files[-1].first_row + files[-1].rows if files else 0, rows, text_bytes))
    if not any(file.rows for file in files):
        raise UserError("tokens: its inputs hold no document; give a corpus with at least one")
    return files


def read_rows(file: CorpusFile, wanted: Callable[[str], bool] = lambda id: True) -> Iterator[CorpusRow]:
    """The documents of one file whose id is wanted, in its order; no other's text is made a Python object.

    Where an outside file has no id, the id is FILE:ROW.
    """
    parquet = pq.ParquetFile(file.path)
    columns = [name for name in ("text", "id", "url") if name in parquet.schema_arrow.names]
    first = 0
    for batch in parquet.iter_batches(READ_ROWS, columns=columns):
        ids = [id or f"{file.path.name}:{row}" for row, id in enumerate(_column(batch, "id"), first)]
        kept = [at for at, id in enumerate(ids) if wanted(id)]
        taken = batch.take(pa.array(kept, pa.int64()))
        for at, text, url in zip(kept, _column(taken, "text"), _column(taken, "url"), strict=True):
            yield CorpusRow(text or "", ids[at], url or "", file.first_row + first + at)
        first += len(batch)


def _column(batch: pa.RecordBatch, name: str) -> list[str | None]:
    return batch[name].to_pylist() if name in batch.schema.names else [None] * len(batch)


def _parquet_files(item: Artifact) -> list[Path]:
    if item.kind == "documents":
        return sorted((item.path / "data").glob("*.parquet"))
    if item.kind != "outside":
        raise UserError(f"tokens: input {item.path.name} is of kind {item.kind!r}; give a corpus (kind 'documents')")
    found = [item.path] if item.path.is_file() else sorted(item.path.rglob("*.parquet"))
    if not found:
        raise UserError(f"tokens: {item.path}: holds no .parquet file")
    return found


def _sizes(path: Path) -> tuple[int, int]:
    """Rows, and bytes of the text column."""
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise UserError(f"tokens: {path}: not a Parquet file ({error})") from error
    schema = metadata.schema.to_arrow_schema()
    if "text" not in schema.names or schema.field("text").type not in (pa.string(), pa.large_string()):
        raise UserError(f"tokens: {path}: has no column 'text' of strings")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    return metadata.num_rows, sum(item.total_uncompressed_size for item in columns if item.path_in_schema == "text")
