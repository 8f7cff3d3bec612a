"""The first pass over one shard of pages: read, judge, write the candidates and the rejects beside each other.

A finished shard is a folder, moved into place whole: `candidates.parquet`, `rejects.parquet`, `account.json`, the keys
that deduplication compares, and on request `statistics.parquet`. A candidate has passed every rule that stands
before deduplication; what the rules behind it say stands in its column `late`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash

from tumbler.artifact import replacing
from tumbler.corpus.cases import Bench
from tumbler.corpus.duplicates.keys import save_keys
from tumbler.corpus.duplicates.minhash import MinHash
from tumbler.corpus.page_limit import PageGuard
from tumbler.corpus.page_reader import Pages
from tumbler.corpus.report.account import Account
from tumbler.corpus.row_writer import RowWriter
from tumbler.corpus.rules.badwords import WordList
from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.decontamination import Index
from tumbler.corpus.statistics_writer import StatisticsWriter
from tumbler.corpus.verdict import PageRules, References, Refined, Verdict
from tumbler.executor import suspected
from tumbler.text.documents import SCHEMA

CANDIDATES, REJECTS, ACCOUNT, STATISTICS = "candidates.parquet", "rejects.parquet", "account.json", "statistics.parquet"
REJECT_SCHEMA: Final = SCHEMA.append(pa.field("reason", pa.string())).append(pa.field("duplicate_of", pa.string()))
CANDIDATE_SCHEMA: Final = pa.schema(
    [
        *SCHEMA,
        ("draw", pa.uint64()),  # a hash of the id: the lot by which documents are chosen and shuffled
        ("late", pa.string()),
        ("extracted_bytes", pa.int64()),
        ("c4_bytes", pa.int64()),
        ("bytes", pa.int64()),
        ("replaced", pa.map_(pa.string(), pa.int64())),
        ("eval_items", pa.list_(pa.int32())),  # of evaluation sets, that the text shares a row of words with
    ]
)


@dataclass(frozen=True)
class FirstPass:
    """What every worker needs to know. Large references are named, not carried: workers map their files."""

    rules: PageRules
    minhash: MinHash
    seed: int
    blocklist: Path | None = None
    eval_sets: Path | None = None
    word_lists: Mapping[str, WordList] = field(default_factory=dict)
    keep_statistics: bool = False
    keep_rejected: bool = False

    def bench(self) -> Bench:
        blocklist = Blocklist.open(self.blocklist) if self.blocklist else Blocklist()
        references = References(blocklist, self.word_lists, Index.open(self.eval_sets) if self.eval_sets else None)
        whole_texts = self.keep_statistics or self.keep_rejected
        return Bench(self.rules, references, self.minhash, whole_texts, all_rules=self.keep_statistics)


def filter_shard(job: tuple[Pages, Path], first_pass: FirstPass) -> Account:
    """Judge the pages of one file into one folder, unless an earlier run did."""
    pages, folder = job
    if not folder.exists():
        with replacing(folder) as temporary:
            temporary.mkdir()
            guard = PageGuard(folder.with_suffix(".crumb"), first_pass.rules.extraction.seconds, suspected())
            _filter(pages, temporary, first_pass, guard)
    return Account.from_json((folder / ACCOUNT).read_text(encoding="utf-8"))


def _filter(pages: Pages, folder: Path, first_pass: FirstPass, guard: PageGuard) -> None:
    account = Account()
    keys: list[list[int]] = []
    statistics = folder / STATISTICS if first_pass.keep_statistics else None
    with (
        RowWriter(folder / CANDIDATES, CANDIDATE_SCHEMA) as candidates,
        RowWriter(folder / REJECTS, REJECT_SCHEMA) as rejects,
        StatisticsWriter(statistics, first_pass.rules, first_pass.minhash.bands) as measured,
    ):
        for case in first_pass.bench().cases(pages, guard):
            page, verdict = case.page, case.verdict
            account.add(page, verdict)
            row = _row(page, verdict, pages.source)
            if case.refined and case.keys:
                if case.stays:
                    candidates.write(row | _candidate(row["id"], verdict, case.refined, first_pass.seed))
                    keys.append(case.keys)
                if statistics:
                    measured.write(page, verdict, case.refined, case.keys)
            if not case.stays and first_pass.keep_rejected:
                rejects.write(row | {"reason": verdict.reason, "duplicate_of": None})
    save_keys(keys, first_pass.minhash.bands, folder)
    (folder / ACCOUNT).write_text(account.to_json(), encoding="utf-8")


def _row(page: dict[str, Any], verdict: Verdict, source: str) -> dict[str, Any]:
    provenance = {name: page[name] for name in ("id", "dump", "url", "date", "file_path", "licence")}
    found = {"text": verdict.text, "language": verdict.language, "language_score": verdict.language_score}
    return {**found, **provenance, "token_count": None, "source": source}


def _candidate(name: str, verdict: Verdict, refined: Refined, seed: int) -> dict[str, Any]:
    return {
        "draw": xxhash.xxh3_64_intdigest(name.encode(), seed=seed),
        "late": refined.reason,
        "text": refined.text,
        "extracted_bytes": len(verdict.text.encode()),
        "c4_bytes": refined.c4_bytes,
        "bytes": len(refined.text.encode()),
        "replaced": list(refined.replaced.items()),
        "eval_items": refined.contamination.items if refined.contamination else None,
    }
