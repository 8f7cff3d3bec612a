"""The corpus stage: pages in, documents out; the account, provenance, and that workers and restarts change no byte."""

from __future__ import annotations

import gzip
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tumbler.artifact import Artifact, Work, begin, finish
from tumbler.corpus.stage import CorpusSettings, run
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.text.documents import SCHEMA, Document, read_documents, write_documents
from tumbler.views import Flow, Samples, read_view

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
    return Artifact(tmp_path / "crawl", "pages", "digest", {"step": "crawl"})


def _schema() -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in ROWS[0]])


Make = Callable[..., Artifact]
C4_OFF = {"c4": {"enabled": False}, "fineweb_quality": {"enabled": False}}
"""The texts here are one sentence of a line or two: C4 and FineWeb would drop them all."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(2) as started:
        yield started


@pytest.fixture
def corpus(pages: Artifact, executor: Executor) -> Callable[..., Artifact]:
    def make(out: Path, inputs: Sequence[Artifact] = (pages,), using: Executor = executor, **more: object) -> Artifact:
        blocklists = (str(pages.path.parent / "ut1"),)
        plain = {"blocklists": blocklists, "keep_rejected": True, **C4_OFF}
        settings = CorpusSettings.model_validate({**plain, **more})
        work = begin(out, "corpus", "corpus", settings, inputs, using, Log("corpus"))
        return finish(work, run(settings, work), 0.0)

    return make


def test_every_page_is_kept_or_has_its_reason(tmp_path: Path, corpus: Make) -> None:
    found = corpus(tmp_path / "out")
    assert found.facts["dropped"] == DROPPED
    assert found.facts["kept"] + sum(DROPPED.values()) == found.facts["read"] == len(ROWS)
    rejected = pq.read_table(found.path / "rejected").to_pylist()
    assert sorted(item["reason"] for item in rejected) == sorted(DROPPED)
    assert {item["id"]: item["duplicate_of"] for item in rejected if item["duplicate_of"]} == {
        "id20": "id0",
        "id21": "id1",
    }
    assert not (found.path / "resume").exists()


def test_documents_are_in_order_with_provenance_and_without_addresses(tmp_path: Path, corpus: Make) -> None:
    found = corpus(tmp_path / "out")
    documents = list(read_documents(found.path / "data"))
    assert [document.id for document in documents] == [*(f"id{number}" for number in range(8)), "id27"]
    assert documents[0].text == prose(0)
    assert (documents[0].url, documents[0].file_path, documents[0].dump) == ("http://a.org/0", "a.warc.gz", "CC")
    assert documents[0].language == "en" and documents[0].language_score > 0.65
    assert documents[-1].text.endswith("Write to email@example.com or 22.214.171.124.")
    assert found.facts["replaced"] == {"emails": 1, "ips": 1}
    assert found.facts["bytes"] == sum(len(document.text.encode()) for document in documents)
    assert pq.read_schema(found.path / "data" / "00000.parquet").names == SCHEMA.names


def test_the_views_show_the_flow_and_examples(tmp_path: Path, corpus: Make) -> None:
    found = corpus(tmp_path / "out")
    flow = read_view(found.path / "views" / "funnel.json")
    assert isinstance(flow, Flow)
    (everything, passages), *_ = flow.groups
    assert (everything, passages[0].items_in, passages[-1].items_out) == ("all", len(ROWS), 9)
    reasons = [f"{p.step}:{what}" if what else p.step for p in passages for what, pages, _ in p.reasons if pages]
    assert reasons == list(DROPPED)
    assert passages[-1].bytes_out == found.facts["bytes"]
    removed = read_view(found.path / "views" / "removed.json")
    assert isinstance(removed, Samples)
    assert [reason for reason, _, _ in removed.items] == list(DROPPED)
    duplicates = read_view(found.path / "views" / "duplicates.json")
    assert isinstance(duplicates, Samples)
    assert [title for title, _, _ in duplicates.items] == ["2 documents"] * 2
    assert (found.path / "report.html").stat().st_size > 10_000


def test_workers_and_shard_sizes_change_nothing_but_the_files(tmp_path: Path, corpus: Make) -> None:
    two = corpus(tmp_path / "two")
    with Executor(1) as alone:
        assert corpus(tmp_path / "one", using=alone).digest == two.digest
    small = corpus(tmp_path / "small", shard_bytes=1000)
    assert small.facts["files"] == len(list((small.path / "data").iterdir())) > 2
    assert list(read_documents(small.path / "data")) == list(read_documents(two.path / "data"))


def test_a_restart_at_any_point_gives_the_same_bytes(tmp_path: Path, corpus: Make, monkeypatch: Any) -> None:
    whole = corpus(tmp_path / "whole", shuffle=True, shard_bytes=1000)
    for lost in ("resume/00001", "resume/00002/account.json", "resume/pairs/03-00000.npy", "resume/spills/00000.arrow",
                 "data/00001.parquet", "rejected/00001.parquet", "report.html"):  # fmt: skip
        cut = tmp_path / lost.replace("/", "-")
        with monkeypatch.context() as patched:
            patched.setattr(Work, "remove", lambda *_: pytest.fail("stop"))
            with pytest.raises(pytest.fail.Exception):
                corpus(cut, shuffle=True, shard_bytes=1000)
        remove(cut / lost)
        assert corpus(cut, shuffle=True, shard_bytes=1000).digest == whole.digest, lost


def remove(path: Path) -> None:
    """Lose a file, or the whole shard folder when it is a part of one: these come and go whole."""
    path = path.parent if path.name == "account.json" else path
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_shuffle_keeps_every_document_and_depends_on_the_seed_alone(tmp_path: Path, corpus: Make) -> None:
    plain = list(read_documents(corpus(tmp_path / "plain").path / "data"))
    orders = []
    for name, seed, size in (("a", 1, 1000), ("b", 1, 10**9), ("c", 2, 1000)):
        found = corpus(tmp_path / name, shuffle=True, seed=seed, shard_bytes=size)
        documents = list(read_documents(found.path / "data"))
        assert sorted(documents, key=by_id) == sorted(plain, key=by_id)
        orders.append([document.id for document in documents])
    assert orders[0] == orders[1] != orders[2]


def by_id(document: Document) -> str:
    return document.id


def test_a_mixture_has_its_parts_in_bytes_and_no_source_more_than_its_epochs(tmp_path: Path, corpus: Make) -> None:
    sources = [source(tmp_path / "web", "web", 0, 300), source(tmp_path / "books", "books", 1000, 40)]
    mixed = {"shuffle": True, "mixture": {"web": 0.75, "books": 0.25}, "epochs": {"books": 3.0}}
    found = corpus(tmp_path / "out", sources, blocklists=(), **mixed)
    table = pq.read_table(found.path / "data")
    sizes = dict.fromkeys(("web", "books"), 0)
    for name, text in zip(table["source"].to_pylist(), table["text"].to_pylist(), strict=True):
        sizes[name] += len(text.encode())
    assert sizes["books"] / sum(sizes.values()) == pytest.approx(0.25, abs=0.0025)
    assert sum(sizes.values()) == found.facts["bytes"] and table.num_rows == found.facts["documents"]
    copies = Counter(table["id"].to_pylist())
    assert max(copies.values()) == 3, "books are short of their part: all of them, three times"
    assert {copies[name] for name in copies if int(name[2:]) < 1000} == {1}


def source(folder: Path, name: str, first: int, count: int) -> Artifact:
    (folder / "pages").mkdir(parents=True)
    rows = [row(number, prose(number)) for number in range(first, first + count)]
    for part in range(2):
        pq.write_table(pa.Table.from_pylist(rows[part::2], schema=_schema()), folder / f"pages/{part:05d}.parquet")
    return Artifact(folder, "pages", name, {"step": name})


def test_a_page_dropped_by_its_first_paragraphs_has_its_text_among_the_rejected(tmp_path: Path, corpus: Make) -> None:
    german = "Dies ist ein deutscher Text über die Berge und die Flüsse des Landes und seine Leute, Absatz"
    body = "".join(f"<p>{german} {number}.</p>" for number in range(20))
    (tmp_path / "web/pages").mkdir(parents=True)
    rows = [row(0, prose(0)), row(1, f"<html><body>{body}</body></html>", form="html")]
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema()), tmp_path / "web/pages/00000.parquet")
    web = Artifact(tmp_path / "web", "pages", "web", {"step": "web"})
    with_texts, without = (corpus(tmp_path / f"kept-{kept}", [web], keep_rejected=kept) for kept in (True, False))
    assert with_texts.facts["dropped"] == without.facts["dropped"] == {"language:de": 1}
    assert next(with_texts.path.glob("data/*")).read_bytes() == next(without.path.glob("data/*")).read_bytes()
    (rejected,) = pq.read_table(next(with_texts.path.glob("rejected/*")))["text"].to_pylist()
    assert rejected.count("deutscher") == 20


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mixture": {"crawl": 1.0}}, "set shuffle = true"),
        ({"shuffle": True, "mixture": {"wiki": 1.0}}, "corpus.mixture: 'wiki' is no source; sources: crawl"),
        ({"shuffle": True, "epochs": {"crawl": 0.0}}, "corpus.epochs: crawl = 0.0 is not above 0"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(tmp_path: Path, corpus: Make, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        corpus(tmp_path / "out", **settings)


def test_documents_are_pages_of_a_second_corpus(tmp_path: Path, corpus: Make) -> None:
    first = corpus(tmp_path / "first")
    again = corpus(tmp_path / "second", [first])
    assert again.facts["read"] == again.facts["kept"] == first.facts["kept"]
    texts = [[document.text for document in read_documents(item.path / "data")] for item in (first, again)]
    assert texts[0] == texts[1]


def test_a_rule_that_is_off_drops_nothing(tmp_path: Path, corpus: Make) -> None:
    off = {"enabled": False}
    rules = ("url_filter", "language", "gopher_repetition", "gopher_quality", "exact_duplicates", "minhash", "pii")
    found = corpus(tmp_path / "out", **dict.fromkeys(rules, off))
    assert found.facts["dropped"] == {"extraction:empty": 1}
    assert found.facts["replaced"] == {}


def test_a_corpus_without_documents_is_an_empty_table(tmp_path: Path, corpus: Make) -> None:
    found = corpus(tmp_path / "out", gopher_quality={"min_words": 10**6})
    assert list(read_documents(found.path / "data")) == []
    assert found.facts["documents"] == 0


def test_documents_survive_writing_and_reading(tmp_path: Path) -> None:
    documents = [Document(f"text {n}", str(n), "", "u", "", "f", "en", 0.5, n or None) for n in range(1500)]
    assert write_documents(documents, tmp_path / "a.parquet") == 1500
    assert list(read_documents(tmp_path)) == documents
