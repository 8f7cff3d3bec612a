"""The books of a finished corpus: the shards' accounts added up, as facts and as pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow.parquet as pq
from pydantic import JsonValue

from tumbler.corpus.duplicates.deduplication import Deduplicated
from tumbler.corpus.report import pictures
from tumbler.corpus.report.account import Account
from tumbler.corpus.report.flow import KEPT, Count, Tally, by_language, by_outcome, dropped, flow, merged
from tumbler.corpus.report.pictures import CLUSTERS, MEMBERS, Cluster, Example, Examples
from tumbler.corpus.rules.decontamination import Contamination, Index, tally
from tumbler.corpus.settlement import Settled, texts
from tumbler.views import Samples, Table, View

K = TypeVar("K")
KEPT_SHOWN: Final = 12


@dataclass(frozen=True)
class Books:
    accounts: tuple[Account, ...]
    """Of the first pass, by shard."""
    settled: tuple[Settled, ...]
    """Of the candidates, by shard."""
    rules: tuple[str, ...]
    """In their order."""

    @cached_property
    def tally(self) -> Tally:
        return merged([*(account.tally for account in self.accounts), *(item.tally for item in self.settled)])

    @property
    def dropped(self) -> dict[str, int]:
        return dropped(self.tally, self.rules)

    def facts(self, files: Sequence[Path], size: int) -> dict[str, JsonValue]:
        """`files` are those of the corpus, `size` its bytes of text; both count each copy of a document."""
        pages = {name: amount.pages for name, amount in by_language(self.tally).items() if name}
        kept = {name: amount.pages for name, amount in by_language(self.tally, {KEPT}).items()}
        replaced = _added(item.replaced for item in self.settled)
        return {
            "read": sum(amount.pages for amount in self.tally.values()),
            "kept": by_outcome(self.tally).get(KEPT, Count()).pages,
            "dropped": {**self.dropped},
            "documents": sum(pq.read_metadata(path).num_rows for path in files),
            "bytes": size,
            "files": len(files),
            "languages_seen": {**pages},
            "languages_kept": {**kept},
            "replaced": {kind: replaced[kind] for kind in sorted(replaced)},
        }

    def views(self) -> dict[str, View]:
        kept = _added(item.kept_lengths for item in self.settled)
        gone = _added(item.dropped_lengths for item in self.settled) + _added(a.lengths for a in self.accounts)
        return {
            "funnel": flow(self.tally, self.rules),
            "languages": pictures.languages(self.tally),
            "lengths": pictures.lengths("Length of texts", "bytes of text", kept, gone),
            "removed": pictures.removed(self._examples(), tuple(self.dropped)),
        }

    def contamination(self, index: Index) -> Table:
        """What of each evaluation set was found, and dropped."""
        found = tally(index, (Contamination("", "", items) for item in self.settled for items in item.contaminated))
        rows = tuple((hits.task, hits.items, hits.items_hit, hits.documents) for hits in found)
        return Table("Evaluation sets", ("task", "items", "items found", "documents dropped"), rows)

    def _examples(self) -> Examples:
        examples = Examples()
        for account in self.accounts:
            examples.add(account.examples.rows())
        for item in self.settled:
            examples.add(item.examples)
        return examples


def _added(counters: Iterable[Counter[K]]) -> Counter[K]:
    total: Counter[K] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def numbers(facts: Mapping[str, JsonValue]) -> dict[str, int]:
    """The facts that are one number, and how much personal data of each kind was replaced."""
    replaced = facts["replaced"]
    assert isinstance(replaced, dict)
    named = {**facts, **{f"{kind} replaced": number for kind, number in replaced.items()}}
    return {name: value for name, value in named.items() if isinstance(value, int)}


def samples(found: Deduplicated, folders: Sequence[Path], data: Path) -> dict[str, View]:
    """The largest clusters of duplicates, and some documents of the first file."""
    return {"duplicates": pictures.clusters(_clusters(found, folders)), "kept": _kept(data)}


def _clusters(found: Deduplicated, folders: Sequence[Path]) -> Iterator[Cluster]:
    for place, size in zip(*(column[:CLUSTERS].tolist() for column in found.sizes()), strict=True):
        others = found.places[found.original == place][:MEMBERS].tolist()
        first, *rest = (_example(found, folders, document) for document in (place, *others))
        yield Cluster(size, first, tuple(item.url for item in rest))


def _example(found: Deduplicated, folders: Sequence[Path], place: int) -> Example:
    shard = int(np.searchsorted(found.starts, place, side="right")) - 1
    [(_, text, url)] = texts(folders[shard], [place - int(found.starts[shard])])
    return Example(text, url)


def _kept(data: Path) -> Samples:
    table = pq.read_table(data, columns=["url", "text", "language"])
    places = np.unique(np.linspace(0, table.num_rows - 1, KEPT_SHOWN).astype(int))
    rows = table.take(places).to_pylist() if table.num_rows else []
    return pictures.kept((row["url"], row["text"], row["language"]) for row in rows)
