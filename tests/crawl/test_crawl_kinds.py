"""Every kind of source through the whole stage: files in, pages and their account out, the same for any workers."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from identify.vendor.licenses import LICENSES

from tumbler.artifact import Artifact, begin, finish
from tumbler.crawl.page_writer import read_counts, write_pages
from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.sources import expand, kind_of, plan
from tumbler.crawl.stage import CrawlSettings, run
from tumbler.crawl.warc_reader import read_warc
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log

WET_TEXT = "Überschrift\nEin Absatz.\n"


def wet_record(
    text: bytes, kind: str = "conversion", content_type: str = "text/plain", url: str = "http://a.org/"
) -> bytes:
    headers = [f"WARC-Type: {kind}", "WARC-Date: 2024-01-01T00:00:00Z", "WARC-Record-ID: <urn:uuid:7>"]
    headers += [f"WARC-Target-URI: {url}"] if url else []
    headers += ["WARC-Identified-Content-Language: deu,eng", f"Content-Type: {content_type}"]
    return (
        b"WARC/1.0\r\n"
        + "\r\n".join([*headers, f"Content-Length: {len(text)}"]).encode()
        + b"\r\n\r\n"
        + text
        + b"\r\n\r\n"
    )


WARCINFO = wet_record(b"isPartOf: CC-MAIN-2024-10\r\n", "warcinfo", "application/warc-fields", "")
WET = gzip.compress(WARCINFO) + gzip.compress(wet_record(WET_TEXT.encode()))


def test_a_wet_records_text_is_a_page() -> None:
    _, found = read_warc(io.BytesIO(WET), "a.warc.wet.gz", 1000)
    assert isinstance(found, Page)
    assert (found.body, found.form, found.url, found.id) == (WET_TEXT, "text", "http://a.org/", "<urn:uuid:7>")
    assert (found.dump, found.date, found.content_type) == ("CC-MAIN-2024-10", "2024-01-01T00:00:00Z", "text/plain")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wet_record(b"{}", content_type="application/json"), "not plain text"),
        (wet_record(b"text", url=""), "no URL"),
        (wet_record(b" \n"), "empty"),
        (wet_record(b"x" * 2000), "too large"),
        (wet_record(b"text")[:-6], "truncated"),
        (wet_record(b"{}", kind="metadata"), "not a response"),
        (gzip.compress(wet_record(b"%d" % 7**900))[:-90], "truncated"),
    ],
)
def test_a_wet_record_that_is_not_taken_has_its_reason(data: bytes, reason: str) -> None:
    assert list(read_warc(io.BytesIO(data), "a.wet.gz" if data[:2] == b"\x1f\x8b" else "a.wet", 1000)) == [
        Dropped(reason)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CC-MAIN-2024-00000.warc.wet.gz", "warc"),
        ("dewiki-20251101-pages-articles.xml.bz2", "wiki"),
        ("enwiki-20251101-pages-articles-multistream1.xml-p1p41242.bz2", "wiki"),
        ("enwiki-20251101-pages-articles-multistream-index.txt.bz2", None),
        ("sitemap.xml", None),
        ("Emma.EPUB", "epub"),
        ("s3://b/train-00000.parquet", "parquet"),
        ("https://a.org/x/train.jsonl.zst?download=true", "jsonl"),
        ("https://a.org/x.parquet/", None),
        ("a.csv", None),
    ],
)
def test_a_files_name_tells_its_kind(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


WIKI = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11"><siteinfo><dbname>enwiki</dbname>
<base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo><page><title>Ada L</title><ns>0</ns><id>9</id><revision>
<id>1</id><timestamp>2025-01-01T00:00:00Z</timestamp><text>'''Ada''' wrote.</text></revision></page><page>
<title>A</title><ns>0</ns><redirect title="Ada L" /><revision><text>#REDIRECT [[Ada L]]</text></revision></page>
</mediawiki>"""
EPUB = {
    "META-INF/container.xml": '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>',
    "a.opf": '<package xmlns:dc="x"><metadata><dc:rights>CC0</dc:rights></metadata><manifest><item id="a" '
    'href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>',
    "a.xhtml": "<html><head><title/></head><body><p>A book.</p></body></html>",
}
GUTENBERG = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOld book.\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    (folder / "tool" / ".git").mkdir(parents=True)
    (folder / "tool" / "LICENSE").write_text(dict(LICENSES)["MIT"])
    (folder / "tool" / "a.py").write_text("print(1)\n")
    (folder / "exported").mkdir()
    (folder / "exported" / "b.rs").write_text("// SPDX-License-Identifier: ISC\nfn main() {}\n")
    (folder / "files").mkdir()
    (folder / "files" / "a.warc.wet.gz").write_bytes(WET)
    (folder / "files" / "enwiki-20250101-pages-articles.xml.bz2").write_bytes(bz2.compress(WIKI.encode()))
    (folder / "files" / "cut-pages-articles.xml.bz2").write_bytes(bz2.compress(WIKI.encode())[:-5])
    (folder / "files" / "pg1.txt").write_text(GUTENBERG)
    with zipfile.ZipFile(folder / "files" / "book.epub", "w") as archive:
        for name, content in EPUB.items():
            archive.writestr(name, content)
    (folder / "files" / "bomb.epub").write_bytes(b"PK")
    row = {"text": "row", "license": "odc-by"}
    (folder / "files" / "rows.jsonl.zst").write_bytes(pa.compress(json.dumps(row).encode(), codec="zstd", asbytes=True))
    table = pa.table({"text": ["arrow"], "licence": ["odc-by"]})
    with pa.ipc.new_stream(folder / "files" / "data.arrow", table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table.set_column(0, "text", [["parquet"]]), folder / "files" / "data.parquet")
    return folder


def crawl(out: Path, folder: Path, workers: int = 1, **more: object) -> Artifact:
    settings = CrawlSettings.model_validate(
        {
            "sources": (f"{folder}/files", f"{folder}/t*"),
            "code": {"repositories": (f"{folder}/exp*",), "languages": ("python", "rust")},
            **more,
        }
    )
    work = begin(out, "crawl", "crawl", settings, [], Executor(workers), Log("crawl"))
    return finish(work, run(settings, work), 0.0)


def test_every_kind_becomes_pages_under_its_licence_for_any_number_of_workers(tmp_path: Path, sources: Path) -> None:
    found = crawl(tmp_path / "one", sources)
    rows = pq.read_table(found.path / "pages").to_pylist()
    assert {(row["body"], row["url"], row["licence"]) for row in rows} == {
        (WET_TEXT, "http://a.org/", ""),
        ("Ada wrote.", "https://en.wikipedia.org/wiki/Ada_L", "CC-BY-SA-4.0"),
        ("Old book.", "pg1.txt", "public domain in the USA"),
        ("A book.", "book.epub", "CC0"),
        ("row", f"{sources}/files/rows.jsonl.zst#1", "odc-by"),
        ("arrow", f"{sources}/files/data.arrow#1", "odc-by"),
        ("parquet", f"{sources}/files/data.parquet#1", "odc-by"),
        ("print(1)\n", "tool/a.py", "MIT"),
        ("// SPDX-License-Identifier: ISC\nfn main() {}\n", "exported/b.rs", "ISC"),
    }
    reasons = {"damaged": 2, "redirect": 1, "not a response": 1, "not source code": 1}
    assert found.facts["dropped"] == reasons
    assert found.facts["read"] == len(rows) + sum(reasons.values())
    named = Counter(row["licence"] for row in rows if row["licence"])
    assert found.facts["licences"] == named
    assert found.manifest["licences"] == sorted(named)
    assert crawl(tmp_path / "two", sources, workers=2).digest == found.digest


def test_a_repository_is_named_by_itself_by_a_glob_or_by_the_setting(sources: Path) -> None:
    for shards in (plan([str(sources / "tool")], []), plan([f"{sources}/*"], []), plan([], [], [f"{sources}/tool"])):
        assert [(shard.kind, shard.sources[0].name) for shard in shards] == [("repository", "tool")]
    outside = Artifact(sources / "tool", "outside", "", {})
    assert [shard.sources[0].label for shard in plan([], [outside])] == ["tool"]
    with pytest.raises(UserError, match=r"crawl.code.repositories: '.*gone' is no local folder"):
        plan([], [], [f"{sources}/gone"])
    with pytest.raises(UserError, match=r"crawl.code.repositories: 'memory://x' is no local folder"):
        plan([], [], ["memory://x"])


def test_pipes_and_dangling_links_are_no_sources(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").symlink_to(tmp_path / "a.txt")
    assert [source.name for source in expand(str(tmp_path))] == ["a.txt", "b.txt"]
    assert [source.name for source in expand(f"{tmp_path}/*")] == ["a.txt", "b.txt"]


def test_stars_in_the_hubs_way_name_files_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.parquet", "a/y.parquet", "a/b/z.parquet"):
        (tmp_path / name).touch()
    assert [source.name for source in expand(f"{tmp_path}/**.parquet")] == ["z.parquet", "y.parquet", "x.parquet"]


def test_a_protocol_that_cannot_be_opened_is_told() -> None:
    with pytest.raises(UserError, match=r"crawl.sources: 'foo://a/b.parquet': Protocol not known: foo"):
        expand("foo://a/b.parquet")


def test_a_source_of_endless_licences_has_a_short_account(tmp_path: Path) -> None:
    (page,) = (item for item in read_warc(io.BytesIO(WET), "a", 1000) if isinstance(item, Page))
    pages = [replace(page, licence=f"licence {number}") for number in range(3000)]
    counts = write_pages(pages, tmp_path / "p.parquet")
    assert (counts.kept, len(counts.licences), sum(counts.licences.values())) == (3000, 1001, 3000)
    assert read_counts(tmp_path / "p.parquet") == counts
