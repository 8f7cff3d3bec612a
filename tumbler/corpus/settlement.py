"""The account of one shard, once the duplicates of the whole corpus are known: what stays, what goes, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tumbler.corpus.candidates import CANDIDATES
from tumbler.corpus.duplicates.deduplication import EXACT, NEAR, Repeats
from tumbler.corpus.report.flow import KEPT, Tally, count, rule_of
from tumbler.corpus.report.pictures import EACH, Examples, length_bins
from tumbler.corpus.selection import lot_bytes

COLUMNS: Final = ["language", "late", "draw", "extracted_bytes", "c4_bytes", "bytes", "replaced", "eval_items"]
C4: Final = ("c4",)
"""Rules that saw the text before C4's line rules had worked on it."""


@dataclass(frozen=True)
class Settled:
    tally: Tally
    """Of the candidates."""
    lots: NDArray[np.int64]
    """Bytes kept, by lot: see `selection.lot_bytes`."""
    kept_lengths: Counter[int]
    """Documents kept, by length bin of their bytes."""
    dropped_lengths: Counter[int]
    replaced: Counter[str]
    """Personal data replaced in what stays, by kind."""
    contaminated: list[tuple[int, ...]]
    """Of each document dropped for it, the items of evaluation sets that it shares a row of words with."""
    examples: list[tuple[str, str, str]]
    """(reason, text, URL) of the first few drops of each reason."""


def settle(job: tuple[Path, Repeats]) -> Settled:
    folder, repeats = job
    table = pq.read_table(folder / CANDIDATES, columns=COLUMNS)
    late = table["late"].to_pylist()
    reasons = with_repeats(late, repeats)
    kept = np.array([reason is None for reason in reasons], bool)
    sizes = table["bytes"].to_numpy()
    replaced: Counter[str] = Counter()
    for stays, pairs in zip(kept, table["replaced"].to_pylist(), strict=True):
        if stays and pairs:
            replaced.update(dict(pairs))
    return Settled(
        tally=_tally(table, reasons),
        lots=lot_bytes(table["draw"].to_numpy()[kept], sizes[kept]),
        kept_lengths=length_bins(sizes[kept]),
        dropped_lengths=length_bins(table["extracted_bytes"].to_numpy()[~kept]),
        replaced=replaced,
        contaminated=[
            tuple(items)
            for items, reason in zip(table["eval_items"].to_pylist(), reasons, strict=True)
            if items and rule_of(reason or "") == "decontamination"
        ],
        examples=_examples(folder, reasons),
    )


def with_repeats(late: list[str | None], repeats: Repeats) -> list[str | None]:
    """Why each candidate goes: deduplication stands before the rules that `late` is of."""
    reasons = list(late)
    for row, exact in zip(repeats.rows.tolist(), repeats.exact.tolist(), strict=True):
        reasons[row] = EXACT if exact else NEAR
    return reasons


def _tally(table: pa.Table, reasons: list[str | None]) -> Tally:
    tally: Tally = {}
    columns = [table[name].to_pylist() for name in ("language", "extracted_bytes", "c4_bytes", "bytes")]
    for reason, language, extracted, after_c4, final in zip(reasons, *columns, strict=True):
        if reason in (EXACT, NEAR) or (reason and rule_of(reason) in C4):
            count(tally, reason, language, extracted)
            continue
        if extracted != after_c4:
            count(tally, "c4:lines", language, extracted - after_c4, pages=0)
        if reason is None and after_c4 != final:
            count(tally, "pii:replaced", language, after_c4 - final, pages=0)
        count(tally, reason or KEPT, language, after_c4 if reason else final)
    return tally


def _examples(folder: Path, reasons: list[str | None]) -> list[tuple[str, str, str]]:
    examples = Examples()
    for row, text, url in texts(folder, _first_of_each(reasons)):
        reason = reasons[row]
        assert reason is not None
        examples.offer(reason, text, url)
    return examples.rows()


def _first_of_each(reasons: list[str | None]) -> list[int]:
    seen: Counter[str] = Counter()
    rows = []
    for row, reason in enumerate(reasons):
        if reason is not None and seen[reason] < EACH:
            seen[reason] += 1
            rows.append(row)
    return rows


def texts(folder: Path, rows: list[int]) -> Iterator[tuple[int, str, str]]:
    """(row, text, URL) of some candidates, by rising row; only the row groups that hold them are read."""
    file = pq.ParquetFile(folder / CANDIDATES)
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        if wanted := [row for row in rows if start <= row < stop]:
            table = file.read_row_group(group, columns=["text", "url"]).take(np.array(wanted) - start)
            for row, item in zip(wanted, table.to_pylist(), strict=True):
                yield row, item["text"], item["url"]
        start = stop
