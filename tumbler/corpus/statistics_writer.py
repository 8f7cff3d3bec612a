"""Statistics of pages -> Parquet, one row a page that had a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tumbler.corpus.duplicates.keys import NO_KEY
from tumbler.corpus.row_writer import RowWriter
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.statistics import BAND, BEFORE, BEHIND, EXACT, columns, measure, row
from tumbler.corpus.verdict import PageRules, Refined, Verdict


class StatisticsWriter:
    """Writes nothing when `path` is None."""

    def __init__(self, path: Path | None, rules: PageRules, bands: int) -> None:
        self.rules = rules
        self.measured: Mapping[str, Rule] = {name: getattr(rules, name) for name in (*BEFORE, *BEHIND)}
        self.rows = RowWriter(path, columns(self.measured, bands)) if path else None

    def write(self, page: Mapping[str, Any], verdict: Verdict, refined: Refined, keys: Sequence[int]) -> None:
        """`keys` are the text's, as `text_keys` gives them."""
        assert self.rows is not None, "this writer was given no path"
        exact, *bands = keys
        self.rows.write(
            {
                **{"id": page["id"], "url": page["url"], "bytes": len(refined.text.encode())},
                **{"language": verdict.language, "language_score": verdict.language_score},
                **{"reason": verdict.reason or refined.reason, "late": refined.reason, EXACT: exact},
                **{BAND.format(band): None if key == NO_KEY else key for band, key in enumerate(bands)},
                **row(self.measured, measure(self.rules, verdict.text, verdict.scores)),
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.rows:
            self.rows.__exit__(kind, error, at)
