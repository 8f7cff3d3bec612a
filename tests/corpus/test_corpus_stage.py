"""The corpus stage: pages in, documents out; the account, provenance, and that workers and restarts change no byte."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tumbler.artifact import Artifact, begin, finish
from tumbler.corpus.stage import CorpusSettings, filter_pages, run
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.text.documents import SCHEMA, Document, read_documents, write_documents
from tumbler.views import Funnel, Samples, read_view

COMMON = """
    the of and that have with this from they which their would there been when more other some time people about could
    first after water these two where most through years work such also great because every house country between never
    another while last might since against always during without place river mountain old
"""


def prose(seed: int) -> str:
    """90 English words in an order of their own."""
    return " ".join(random.Random(seed).choices(COMMON.split(), k=90)) + "."


def row(number: int, body: str, url: str = "", form: str = "text") -> dict[str, object]:
    source = {"id": f"id{number}", "url": url or f"http://a.org/{number}", "date": "2024-01-01", "dump": "CC"}
    return {**source, "file_path": "a.warc.gz", "form": form, "body": body}


ROWS = [
    *(row(number, prose(number)) for number in range(8)),
    row(20, prose(0)),
    row(21, prose(1) + "\nThat was all."),
    row(22, prose(10), url="http://blocked.org/x"),
    row(23, "", form="html"),
    row(24, "Dies ist ein deutscher Text über die Berge und die Flüsse des Landes und seine Leute."),
    row(25, prose(12)[:200]),
    row(26, "again and again\n\n" * 20),
    row(27, prose(11) + "\nWrite to jane@real.org or 8.8.8.8."),
]
DROPPED = {
    "url_filter:domain": 1,
    "extraction:empty": 1,
    "language:de": 1,
    "gopher_repetition:duplicate_paragraphs": 1,
    "gopher_quality:too_few_words": 1,
    "exact_duplicate": 1,
    "near_duplicate": 1,
}


@pytest.fixture
def pages(tmp_path: Path) -> Artifact:
    """A crawl of three files, and a blocklist beside it."""
    folder = tmp_path / "crawl" / "pages"
    folder.mkdir(parents=True)
    for number in range(3):
        part = ROWS[number * 6 : number * 6 + 6]
        pq.write_table(pa.Table.from_pylist(part, schema=_schema()), folder / f"{number:05d}.parquet")
    (tmp_path / "ut1" / "adult").mkdir(parents=True)
    (tmp_path / "ut1" / "adult" / "domains.gz").write_bytes(gzip.compress(b"blocked.org\n"))
    return Artifact(tmp_path / "crawl", "pages", "digest", {})


def _schema() -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in ROWS[0]])


def corpus(pages: Artifact, out: Path, workers: int = 1, **more: object) -> Artifact:
    blocklists = (str(pages.path.parent / "ut1"),)
    settings = CorpusSettings.model_validate({"blocklists": blocklists, "keep_rejected": True, **more})
    work = begin(out, "corpus", "corpus", settings, [pages], Executor(workers), Log("corpus"))
    return finish(work, run(settings, work), 0.0)


def test_every_page_is_kept_or_has_its_reason(tmp_path: Path, pages: Artifact) -> None:
    found = corpus(pages, tmp_path / "out")
    assert found.facts["dropped"] == DROPPED
    assert found.facts["kept"] + sum(DROPPED.values()) == found.facts["read"] == len(ROWS)
    rejected = pq.read_table(found.path / "rejected").to_pylist()
    assert sorted(item["reason"] for item in rejected) == sorted(DROPPED)
    assert {item["id"]: item["duplicate_of"] for item in rejected if item["duplicate_of"]} == {
        "id20": "id0",
        "id21": "id1",
    }
    assert not (found.path / "resume").exists()


def test_documents_are_in_order_with_provenance_and_without_addresses(tmp_path: Path, pages: Artifact) -> None:
    found = corpus(pages, tmp_path / "out")
    documents = list(read_documents(found.path / "data"))
    assert [document.id for document in documents] == [*(f"id{number}" for number in range(8)), "id27"]
    assert documents[0].text == prose(0)
    assert (documents[0].url, documents[0].file_path, documents[0].dump) == ("http://a.org/0", "a.warc.gz", "CC")
    assert documents[0].language == "en" and documents[0].language_score > 0.65
    assert documents[-1].text.endswith("Write to email@example.com or 22.214.171.124.")
    assert (found.facts["emails_replaced"], found.facts["ips_replaced"]) == (1, 1)
    assert found.facts["bytes"] == sum(len(document.text.encode()) for document in documents)
    assert pq.read_schema(found.path / "data" / "00000.parquet").names == SCHEMA.names


def test_the_views_show_the_funnel_and_examples(tmp_path: Path, pages: Artifact) -> None:
    found = corpus(pages, tmp_path / "out")
    funnel = read_view(found.path / "views" / "funnel.json")
    assert isinstance(funnel, Funnel)
    assert (funnel.read, funnel.kept, dict(funnel.dropped)) == (len(ROWS), 9, DROPPED)
    rejected = read_view(found.path / "views" / "rejected.json")
    assert isinstance(rejected, Samples)
    assert [reason for reason, _, _ in rejected.items] == list(DROPPED)


def test_workers_and_shard_sizes_change_nothing_but_the_files(tmp_path: Path, pages: Artifact) -> None:
    one = corpus(pages, tmp_path / "one")
    assert corpus(pages, tmp_path / "two", workers=2).digest == one.digest
    small = corpus(pages, tmp_path / "small", shard_bytes=1000)
    assert len(list((small.path / "data").iterdir())) > 2
    assert list(read_documents(small.path / "data")) == list(read_documents(one.path / "data"))


def test_a_restart_at_any_point_gives_the_same_bytes(tmp_path: Path, pages: Artifact) -> None:
    whole = corpus(pages, tmp_path / "whole")
    settings = CorpusSettings(blocklists=(str(tmp_path / "ut1"),), keep_rejected=True)
    work = begin(tmp_path / "cut", "corpus", "corpus", settings, [pages], Executor(1), Log("corpus"))
    filter_pages(settings, work)
    shutil.rmtree(work.path / "resume" / "00001")
    (work.path / "resume" / "00002").rename(work.path / "resume" / "00002.tmp")
    assert corpus(pages, tmp_path / "cut").digest == whole.digest
    (tmp_path / "cut" / "manifest.json").unlink()
    (tmp_path / "cut" / "rejected" / "00001.parquet").unlink()
    assert corpus(pages, tmp_path / "cut").digest == whole.digest


def test_a_rule_that_is_off_drops_nothing(tmp_path: Path, pages: Artifact) -> None:
    off = {"enabled": False}
    rules = ("url_filter", "language", "gopher_repetition", "gopher_quality", "exact_duplicates", "minhash", "pii")
    found = corpus(pages, tmp_path / "out", **dict.fromkeys(rules, off))
    assert found.facts["dropped"] == {"extraction:empty": 1}
    assert found.facts["emails_replaced"] == 0


def test_a_corpus_without_documents_is_an_empty_table(tmp_path: Path, pages: Artifact) -> None:
    found = corpus(pages, tmp_path / "out", gopher_quality={"min_words": 10**6})
    assert list(read_documents(found.path / "data")) == []
    assert found.facts["documents"] == 0


def test_documents_survive_writing_and_reading(tmp_path: Path) -> None:
    documents = [Document(f"text {n}", str(n), "", "u", "", "f", "en", 0.5, n or None) for n in range(1500)]
    assert write_documents(documents, tmp_path / "a.parquet") == 1500
    assert list(read_documents(tmp_path)) == documents
