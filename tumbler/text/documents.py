"""Document: a text with its provenance; a corpus is a folder of Parquet files of them, in FineWeb's columns.

Columns: text, id, dump, url, date, file_path, language, language_score, token_count (null until a
tokenizer has counted); then source and licence. Any Parquet reader (datasets, polars, duckdb) reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.errors import UserError


@dataclass(frozen=True)
class Document:
    text: str
    id: str
    dump: str
    url: str
    date: str
    """When the page was fetched, ISO 8601; empty when unknown."""
    file_path: str
    """The source file that held the page."""
    language: str
    """ISO 639 code, as fastText's lid.176 names languages."""
    language_score: float
    token_count: int | None = None
    source: str = ""
    """The step or file that brought the page in: what a mixture is made of."""
    licence: str = ""
    """SPDX identifier or name; empty when unknown."""


SCHEMA: Final = pa.schema(
    [
        ("text", pa.large_string()),
        ("id", pa.string()),
        ("dump", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("file_path", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("token_count", pa.int64()),
        ("source", pa.string()),
        ("licence", pa.string()),
    ]
)
READ_ROWS: Final = 1024


def read_documents(folder: Path) -> Iterator[Document]:
    """Yield the documents of all Parquet files in `folder`, in the files' order; UserError when there are none."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise UserError(f"{folder}: holds no .parquet file; expected the documents of a corpus")
    for path in files:
        yield from read_document_file(path)


def read_document_file(path: Path) -> Iterator[Document]:
    """Yield the documents of one Parquet file; columns beyond ours are passed over, missing ones are empty."""
    file = pq.ParquetFile(path)
    names = [name for name in SCHEMA.names if name in file.schema_arrow.names]
    if "text" not in names:
        raise UserError(f"{path}: has no column 'text'; its columns are {', '.join(file.schema_arrow.names)}")
    defaults = {"text": "", "id": "", "dump": "", "url": "", "date": "", "file_path": "", "language": ""}
    for batch in file.iter_batches(READ_ROWS, columns=names):
        for row in batch.to_pylist():
            yield Document(**{"language_score": 0.0, **defaults, **row})


def write_documents(documents: Iterable[Document], path: Path) -> int:
    """Write one Parquet file (zstd) and return the number of documents."""
    count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        rows: list[Document] = []
        for document in documents:
            rows.append(document)
            count += 1
            if len(rows) == READ_ROWS:
                writer.write_table(to_table(rows))
                rows = []
        writer.write_table(to_table(rows))
    return count


def to_table(rows: list[Document]) -> pa.Table:
    return pa.Table.from_pydict({name: [getattr(row, name) for row in rows] for name in SCHEMA.names}, schema=SCHEMA)
