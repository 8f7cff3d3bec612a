"""The statistics files of a corpus artifact: rows in batches, keys column by column, always in corpus order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.errors import UserError

FOLDER: Final = "statistics"
ROWS: Final = 4096


@dataclass(frozen=True)
class StatisticsFiles:
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, corpus: Path) -> StatisticsFiles:
        """The files of the corpus in a folder; UserError when it has none."""
        paths = tuple(sorted((corpus / FOLDER).glob("*.parquet"), key=lambda path: int(path.stem)))
        if not paths:
            raise UserError(f"{corpus}: has no {FOLDER}/; make the corpus with keep_statistics = true")
        return cls(paths)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path in self.paths:
            yield from pq.ParquetFile(path).iter_batches(ROWS, columns=list(columns))

    def keys(self, column: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """((pages,) keys, (pages,) whether a page has one)."""
        parts: list[Any] = [pq.read_table(path, columns=[column])[column].combine_chunks() for path in self.paths]
        keys = np.concatenate([part.fill_null(0).to_numpy() for part in parts])
        return keys, np.concatenate([part.is_valid().to_numpy(zero_copy_only=False) for part in parts])
