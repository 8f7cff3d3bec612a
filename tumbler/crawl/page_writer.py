"""Pages -> one Parquet file, with the account of its source inside, so that file and account are never apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.crawl.pages import SCHEMA, Counts, Dropped, Page

COUNTS_KEY: Final = "tumbler.counts"
ROW_GROUP_BYTES: Final = 8 << 20
"""Text collected before it is written: bounds a worker's memory whatever the size of the source."""
PAGE_BYTES: Final = 500
"""What a page takes beside its text and URL."""
MAX_LICENCES: Final = 1000
OTHER: Final = "other licences"


def write_pages(records: Iterable[Page | Dropped], path: Path) -> Counts:
    """Write the pages in their order and return the account (which the file holds too)."""
    dropped: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    rows: list[Page] = []
    kept = size = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer, Packer(writer) as packer:
        for record in records:
            if isinstance(record, Dropped):
                dropped[record.reason] += 1
                continue
            kept, size = kept + 1, size + len(record.body) + len(record.url) + PAGE_BYTES
            licences[record.licence if record.licence in licences or len(licences) < MAX_LICENCES else OTHER] += 1
            rows.append(record)
            if size >= ROW_GROUP_BYTES:
                packer.write(_table(rows))
                rows, size = [], 0
        packer.write(_table(rows))
        packer.finish()
        del licences[""]
        counts = Counts(kept + dropped.total(), kept, dict(sorted(dropped.items())), dict(sorted(licences.items())))
        writer.add_key_value_metadata({COUNTS_KEY: json.dumps(asdict(counts))})
    return counts


class Packer:
    """Packs one table while the caller reads pages for the next."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.writer = writer
        self.thread = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None

    def write(self, table: pa.Table) -> None:
        """Raises what the packing of the table before raised."""
        self.finish()
        self.pending = self.thread.submit(self.writer.write_table, table)

    def finish(self) -> None:
        if self.pending is not None:
            self.pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.thread.shutdown()


def read_counts(path: Path) -> Counts:
    """The account that `write_pages` left in the file."""
    metadata = pq.read_metadata(path).metadata
    return Counts(**json.loads(metadata[COUNTS_KEY.encode()]))


def _table(rows: list[Page]) -> pa.Table:
    return pa.Table.from_pydict({name: [getattr(row, name) for row in rows] for name in SCHEMA.names}, schema=SCHEMA)
