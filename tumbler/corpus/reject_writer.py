"""rejected/*.parquet, one file a shard: every page that is no document, and why.

First those dropped before deduplication, in the order of the pages; then the rest of the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.artifact import Work, replacing
from tumbler.corpus.candidates import CANDIDATES, REJECT_SCHEMA, REJECTS
from tumbler.corpus.corpus_writer import rows_of
from tumbler.corpus.duplicates.deduplication import Deduplicated, Repeats
from tumbler.corpus.settlement import with_repeats
from tumbler.text.documents import SCHEMA

ROWS: Final = 1024


@dataclass(frozen=True)
class RejectFile:
    path: Path
    folder: Path
    repeats: Repeats
    originals: dict[int, str]
    """Ids of the documents that are repeated, by place."""


def write_rejected(found: Deduplicated, folders: Sequence[Path], work: Work) -> list[Path]:
    ids = _ids(found, folders)
    files = []
    for shard, folder in enumerate(folders):
        repeats = found.of_shard(shard)
        originals = {place: ids[place] for place in repeats.original.tolist()}
        files.append(RejectFile(work.path / f"rejected/{shard:05d}.parquet", folder, repeats, originals))
    return work.map(write_rejects, files, "files of rejects written")


def _ids(found: Deduplicated, folders: Sequence[Path]) -> dict[int, str]:
    """Ids of all documents that are repeated, by place."""
    ids: dict[int, str] = {}
    places = np.unique(found.original)
    for shard, folder in enumerate(folders):
        start, stop = found.starts[shard : shard + 2]
        wanted = places[(places >= start) & (places < stop)]
        if len(wanted):
            column = pq.read_table(folder / CANDIDATES, columns=["id"])["id"].take(wanted - start)
            ids.update(zip(wanted.tolist(), column.to_pylist(), strict=True))
    return ids


def write_rejects(file: RejectFile) -> Path:
    """Write one file of rejected pages with their reasons, unless an earlier run did."""
    if not file.path.exists():
        late = pq.read_table(file.folder / CANDIDATES, columns=["late"])["late"].to_pylist()
        reasons = with_repeats(late, file.repeats)
        rows = np.flatnonzero([reason is not None for reason in reasons])
        originals = dict(zip(file.repeats.rows.tolist(), file.repeats.original.tolist(), strict=True))
        with replacing(file.path) as temporary, pq.ParquetWriter(temporary, REJECT_SCHEMA, compression="zstd") as out:
            for batch in pq.ParquetFile(file.folder / REJECTS).iter_batches(ROWS):
                out.write_batch(batch)
            done = 0
            for table in rows_of(file.folder / CANDIDATES, rows):
                part = rows[done : done + table.num_rows].tolist()
                done += table.num_rows
                why = [reasons[row] for row in part]
                of = [file.originals[originals[row]] if row in originals else None for row in part]
                out.write_table(_with_reasons(table, why, of))
    return file.path


def _with_reasons(table: pa.Table, reasons: list[str | None], originals: list[str | None]) -> pa.Table:
    with_reason = table.select(SCHEMA.names).append_column("reason", pa.array(reasons, pa.string()))
    return with_reason.append_column("duplicate_of", pa.array(originals, pa.string())).cast(REJECT_SCHEMA)
