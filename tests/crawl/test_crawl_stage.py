"""The crawl stage: every kind of source, the account, and that neither workers nor a restart change a byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tumbler.artifact import Artifact, begin, finish
from tumbler.crawl.sources import plan
from tumbler.crawl.stage import CrawlSettings, run
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log

WARC = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Target-URI: http://a.org/\r\n"
    b"Content-Type: application/http\r\nContent-Length: 55\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>warc</p>\r\n\r\n"
)


def crawl(out: Path, *sources: Path | str, workers: int = 1, **more: object) -> Artifact:
    settings = CrawlSettings.model_validate({"sources": tuple(map(str, sources)), **more})
    work = begin(out, "crawl", "crawl", settings, [], Executor(workers), Log("crawl"))
    return finish(work, run(settings, work), 0.0)


def pages(artifact: Artifact) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(artifact.path / "pages").to_pylist()
    return rows


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    (folder / "site").mkdir(parents=True)
    (folder / "a.warc.gz").write_bytes(gzip.compress(WARC))
    (folder / "site" / "index.html").write_text("<p>page</p>")
    (folder / "site" / "note.md").write_text("# note")
    (folder / "site" / "empty.txt").write_text(" ")
    (folder / "site" / "picture.png").write_bytes(b"\x89PNG")
    whole = '{"text": "one", "url": "http://b.org/", "id": "b1"}'
    lines = [whole, "{broken", '{"no": "text"}', '{"text": "\\ud800 two"}']
    (folder / "rows.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.table({"text": ["three", None, ""], "url": ["u1", "u2", "u3"]}), folder / "t.parquet")
    (folder / "bad.parquet").write_bytes(b"PAR1 is all there is")
    return folder


def test_every_kind_of_source_becomes_pages(tmp_path: Path, sources: Path) -> None:
    found = crawl(tmp_path / "out", sources)
    assert {(row["form"], row["body"]) for row in pages(found)} == {
        ("html", "<p>warc</p>"),
        ("html", "<p>page</p>"),
        ("text", "# note"),
        ("text", "one"),
        ("text", "? two"),
        ("text", "three"),
    }
    assert {row["url"] for row in pages(found)} >= {"http://a.org/", "site/index.html", "http://b.org/", "u1"}
    assert found.facts["dropped"] == {"empty": 2, "no text": 2, "damaged": 1, "not JSON": 1}
    assert found.facts["kept"] + sum(found.facts["dropped"].values()) == found.facts["read"] == 12


def test_globs_and_single_files_name_sources(tmp_path: Path, sources: Path) -> None:
    assert len(pages(crawl(tmp_path / "glob", sources / "site" / "*.*t*"))) == 1
    assert len(pages(crawl(tmp_path / "file", sources / "a.warc.gz", sources / "*.gz"))) == 1


def test_a_source_that_matches_nothing_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"crawl.sources: .*gone\*.warc' matches no file"):
        plan([str(tmp_path / "gone*.warc")], [])
    with pytest.raises(UserError, match="holds no file that crawl reads"):
        (tmp_path / "a.png").touch()
        plan([str(tmp_path)], [])
    with pytest.raises(UserError, match="nothing to read"):
        plan([], [])


def test_too_large_pages_are_dropped_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("x" * 200)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "x" * 200}) + "\n" + json.dumps({"text": "short"}) + "\n")
    pq.write_table(pa.table({"text": ["x" * 200]}), tmp_path / "c.parquet")
    facts = crawl(tmp_path / "out", tmp_path, max_page_bytes=100).facts
    assert (facts["kept"], facts["dropped"]) == (1, {"too large": 3})


def test_workers_and_restarts_change_no_byte(tmp_path: Path, sources: Path) -> None:
    one = crawl(tmp_path / "one", sources)
    assert crawl(tmp_path / "two", sources, workers=2).digest == one.digest
    (one.path / "manifest.json").unlink()
    (one.path / "pages" / "00001.parquet").unlink()
    assert crawl(tmp_path / "one", sources).digest == one.digest


def test_a_folder_from_outside_is_an_input_and_labels_do_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    for place in ("x", "y"):
        (tmp_path / place / "site").mkdir(parents=True)
        (tmp_path / place / "site" / "a.txt").write_text("hello")
    inputs = [Artifact(tmp_path / place / "site", "outside", "", {}) for place in ("x", "y")]
    labels = [source.label for item in inputs for shard in plan([], [item]) for source in shard.sources]
    assert labels == ["site/a.txt", "site/a.txt"]
