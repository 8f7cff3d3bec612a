"""Rows -> Parquet, by row groups of bounded size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 8 << 20
ROW_BYTES: Final = 256
"""What a row has beside its text, about."""


class RowWriter:
    """Rows (dicts of the schema's columns; others are left out)."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.writer = pq.ParquetWriter(path, schema, compression="zstd")
        self.rows: list[dict[str, Any]] = []
        self.size = 0

    def write(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.size += ROW_BYTES + len(row.get("text", ""))
        if self.size >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
        self.rows, self.size = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self.writer.close()
