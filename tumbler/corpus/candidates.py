"""The first pass over one shard of pages: read, judge, write the candidates and the rejects beside each other.

A finished shard is a folder `candidates.parquet`, `rejects.parquet`, `account.json`, moved into
place whole. Candidates carry, beside the document's columns, what the pass over the whole corpus
needs: hashes of the text, MinHash bands, counts of what was replaced.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from tumbler.artifact import replacing
from tumbler.corpus.blocklist import Blocklist
from tumbler.corpus.minhash import MinHash
from tumbler.corpus.pii import Cleaned, PIIRemoval
from tumbler.corpus.verdict import PageRules, Verdict, judge
from tumbler.text.documents import SCHEMA

CANDIDATES, REJECTS, ACCOUNT = "candidates.parquet", "rejects.parquet", "account.json"
PAGE_COLUMNS: Final = ["id", "url", "date", "dump", "file_path", "form", "body"]
BATCH: Final = 64
ROW_GROUP_BYTES: Final = 16 << 20
REJECT_SCHEMA: Final = SCHEMA.append(pa.field("reason", pa.string())).append(pa.field("duplicate_of", pa.string()))


def candidate_schema(bands: int) -> pa.Schema:
    extra = [("row", pa.int64()), ("bytes", pa.int64()), ("exact_0", pa.uint64()), ("exact_1", pa.uint64())]
    replaced = [("emails", pa.int64()), ("ips", pa.int64())]
    keys = [(band_column(number), pa.uint64()) for number in range(bands)]
    return pa.schema([*SCHEMA, *(pa.field(name, kind) for name, kind in [*extra, *replaced, *keys])])


def band_column(number: int) -> str:
    return f"band_{number:02d}"


@dataclass(frozen=True)
class Account:
    """What became of a shard's pages; `read == candidates + sum(dropped.values())`."""

    read: int
    candidates: int
    dropped: Mapping[str, int]
    languages: Mapping[str, int]
    """Languages of all pages that had a text."""


@dataclass(frozen=True)
class FirstPass:
    """What every worker needs to know. The blocklist is named, not carried: workers map its file."""

    rules: PageRules
    minhash: MinHash
    pii: PIIRemoval
    blocklist: Path | None


def filter_shard(job: tuple[Path, Path], first_pass: FirstPass) -> Account:
    """Judge the pages of one Parquet file into one folder, unless an earlier run did."""
    pages, folder = job
    if not folder.exists():
        with replacing(folder) as temporary:
            temporary.mkdir()
            _filter(pages, temporary, first_pass)
    return Account(**json.loads((folder / ACCOUNT).read_text(encoding="utf-8")))


def _filter(pages: Path, folder: Path, first_pass: FirstPass) -> None:
    dropped: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    blocklist = Blocklist.open(first_pass.blocklist) if first_pass.blocklist else Blocklist()
    read = 0
    with (
        RowWriter(folder / CANDIDATES, candidate_schema(first_pass.minhash.bands)) as candidates,
        RowWriter(folder / REJECTS, REJECT_SCHEMA) as rejects,
    ):
        for read, page in enumerate(read_pages(pages), 1):
            verdict = judge(first_pass.rules, blocklist, page["url"], page["body"], page["form"])
            if verdict.text:
                languages[verdict.language] += 1
            row = _row(page, verdict, read - 1)
            if verdict.reason is None:
                candidates.write(row | _keys(verdict.text, first_pass) | _cleaned(verdict.text, first_pass))
            else:
                dropped[verdict.reason] += 1
                rejects.write(row | {"reason": verdict.reason, "duplicate_of": None})
    account = Account(read, read - dropped.total(), dict(sorted(dropped.items())), dict(sorted(languages.items())))
    (folder / ACCOUNT).write_text(json.dumps(asdict(account)), encoding="utf-8")


def read_pages(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a crawl's Parquet file, a few at a time."""
    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=PAGE_COLUMNS):
        yield from batch.to_pylist()


def _row(page: dict[str, Any], verdict: Verdict, row: int) -> dict[str, Any]:
    provenance = {name: page[name] for name in ("id", "dump", "url", "date", "file_path")}
    found = {"text": verdict.text, "language": verdict.language, "language_score": verdict.language_score}
    return {**found, **provenance, "token_count": None, "row": row}


def _keys(text: str, first_pass: FirstPass) -> dict[str, int | None]:
    """The hashes by which duplicates are found: of the text as extracted, before anything is replaced."""
    digest = xxhash.xxh3_128_digest(text.encode())
    exact = {"exact_0": int.from_bytes(digest[:8], "big"), "exact_1": int.from_bytes(digest[8:], "big")}
    minhash = first_pass.minhash
    bands = minhash.band_keys(text) if minhash.enabled else None
    keys = [None] * minhash.bands if bands is None else bands.tolist()
    return exact | {band_column(number): key for number, key in enumerate(keys)}


def _cleaned(text: str, first_pass: FirstPass) -> dict[str, Any]:
    cleaned = first_pass.pii(text) if first_pass.pii.enabled else Cleaned(text, 0, 0)
    counts = {"emails": cleaned.emails, "ips": cleaned.ips, "bytes": len(cleaned.text.encode())}
    return {"text": cleaned.text, **counts}


class RowWriter:
    """Rows (dicts of the schema's columns; others are left out) -> Parquet, by row groups of bounded size."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.writer = pq.ParquetWriter(path, schema, compression="zstd")
        self.rows: list[dict[str, Any]] = []
        self.size = 0

    def write(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.size += len(row["text"])
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
