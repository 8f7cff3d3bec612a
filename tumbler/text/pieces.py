"""How often each pre-token occurs: all that a BPE trainer has to know of its texts, in bounded memory.

The split is Llama 3's (`SPLIT` in `tumbler.text.byte_pairs`), in two steps that RE2, and so Arrow, can run (it knows no
lookahead): first a cut before each blank that a word follows, which `\\s+(?!\\S)` makes; then the other branches, on
each distinct stretch once. Counts are 64-bit. A table of more than LARGEST pre-tokens forgets its rarest, which no
merge hangs on: the threshold follows from the counts alone, so equal texts in equal order give equal tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

SCHEMA: Final = pa.schema([("piece", pa.large_string()), ("count", pa.int64())])
LARGEST: Final = 4_000_000
"""Distinct pre-tokens that are kept in memory; with their counts, about 100 MB."""
LONGEST_TEXT: Final = 1_000_000
"""Characters of one text that training reads: one endless page must not shape the vocabulary."""
LONGEST_PIECE: Final = 64
"""Longer pre-tokens are cut to pieces of so many characters for training: trainers hang or panic on a run of a million
equal characters, and no useful token is longer. Encoding has no such cap."""
BATCH: Final = 16_000_000
"""Characters that are split at once."""
_SPACE: Final = r"\t\n\v\f\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_BLANK: Final = _SPACE.replace(r"\n", "").replace(r"\r", "")
_CUT: Final = "\0"
_BEFORE_WORDS: Final = rf"[{_BLANK}][^{_SPACE}\x00]"
_BRANCHES: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}\x00]?\p{L}+|\p{N}{1,3}"
    rf"| ?[^{_SPACE}\p{{L}}\p{{N}}\x00]+[\r\n]*|[{_SPACE}]*[\r\n]+|[{_SPACE}]+"
)


def count(texts: Iterable[str], largest: int = LARGEST) -> pa.Table:
    """The pre-tokens of the texts and how often each occurs; NUL separates, and is in none of them."""
    return merge((_count_batch(batch) for batch in _batches(texts)), largest)


def merge(tables: Iterable[pa.Table], largest: int = LARGEST) -> pa.Table:
    """The sum of tables of counts, in the order of their first rows, bounded to `largest` pre-tokens."""
    total, pending = SCHEMA.empty_table(), SCHEMA.empty_table()
    for table in tables:
        pending = pa.concat_tables([pending, table])
        if len(pending) > max(len(total), largest // 4):  # so that a table is summed up rarely
            total, pending = _bounded(_sum(pa.concat_tables([total, pending])), largest), SCHEMA.empty_table()
    return _bounded(_sum(pa.concat_tables([total, pending])), largest)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text[:LONGEST_TEXT])
        size += len(batch[-1])
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _count_batch(texts: Sequence[str]) -> pa.Table:
    cut = pc.replace_substring_regex(pa.array(texts, pa.large_string()), _BEFORE_WORDS, _CUT + r"\0")
    stretches = _table(pc.split_pattern(cut, _CUT).flatten().value_counts())
    split = pc.split_pattern(pc.replace_substring_regex(stretches["piece"], _BRANCHES, r"\0" + _CUT), _CUT)
    lists = split.combine_chunks()
    counts = stretches["count"].take(pc.list_parent_indices(lists))
    pieces = _sum(pa.table({"piece": lists.flatten(), "count": counts}, SCHEMA))
    return _capped(pieces.filter(pc.not_equal(pieces["piece"], "")))


def _table(counts: pa.StructArray) -> pa.Table:
    return pa.table([counts.field("values"), counts.field("counts")], SCHEMA)


def _sum(table: pa.Table) -> pa.Table:
    summed = table.group_by("piece", use_threads=False).aggregate([("count", "sum")])
    return summed.rename_columns(SCHEMA.names).cast(SCHEMA)


def _bounded(table: pa.Table, largest: int) -> pa.Table:
    """At most half of `largest` pre-tokens when there are more than `largest`: those that occur most often."""
    if len(table) <= largest:
        return table
    threshold = pc.sort_indices(table["count"], sort_keys=[("count", "descending")])[largest // 2]
    return table.filter(pc.greater(table["count"], table["count"][threshold.as_py()]))


def _capped(table: pa.Table) -> pa.Table:
    long = pc.greater(pc.utf8_length(table["piece"]), LONGEST_PIECE)
    rows = [
        {"piece": row["piece"][start : start + LONGEST_PIECE], "count": row["count"]}
        for row in table.filter(long).to_pylist()
        for start in range(0, len(row["piece"]), LONGEST_PIECE)
    ]
    if not rows:
        return table
    return _sum(pa.concat_tables([table.filter(pc.invert(long)), pa.Table.from_pylist(rows, SCHEMA)]))
