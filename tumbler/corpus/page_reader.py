"""Pages from a crawl's Parquet files (or documents from a corpus's), cut into tasks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS: Final = ("id", "url", "date", "dump", "licence", "file_path", "form", "body", "text")


@dataclass(frozen=True)
class Pages:
    """Some row groups of a Parquet file of pages, and the name of the source that it is a part of."""

    path: Path
    source: str
    groups: tuple[int, ...]


def plan_pages(path: Path, source: str, task_bytes: int) -> Iterator[Pages]:
    """Cut a file of pages into tasks of about `task_bytes` of row groups; none for a file without rows."""
    metadata = pq.read_metadata(path)
    groups: list[int] = []
    size = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        size += metadata.row_group(group).total_byte_size
        if size >= task_bytes:
            yield Pages(path, source, tuple(groups))
            groups, size = [], 0
    if groups:
        yield Pages(path, source, tuple(groups))


def read_pages(pages: Pages) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a crawl's (or a corpus's) pages, row group by row group; `bytes` are the body's in UTF-8.

    The next row group is unpacked by a thread of its own while the caller works on this one.
    """
    file = pq.ParquetFile(pages.path)
    columns = [name for name in COLUMNS if name in file.schema_arrow.names]
    unpack = partial(file.read_row_group, columns=columns, use_threads=False)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(unpack, pages.groups[0])
        for following in (*pages.groups[1:], None):
            table = coming.result()
            if following is not None:
                coming = thread.submit(unpack, following)
            yield _rows(table)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    body = "body" if "body" in table.column_names else "text"
    rows = table.to_pylist()
    for row, size in zip(rows, pc.binary_length(table[body]).to_pylist(), strict=True):
        row["body"], row["bytes"] = row[body], size
    return [{"licence": "", "form": "text", **row} for row in rows]
