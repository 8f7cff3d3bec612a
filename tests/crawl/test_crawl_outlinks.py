"""A list of outlinks: which spellings of a URL are one page, which files are lists, and that only listed pages stay."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tumbler.artifact import Artifact, begin, finish
from tumbler.crawl.outlinks import PageSet, normalised
from tumbler.crawl.outlinks_reader import read_outlinks
from tumbler.crawl.stage import CrawlSettings, run
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import validate

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
PATHS = st.lists(st.text("abcXYZ019-_.~%", min_size=1, max_size=8), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(
    host=st.lists(LABEL, min_size=2, max_size=3).map(".".join).filter(lambda host: not host.startswith("www.")),
    path=PATHS,
    query=st.sampled_from(["", "?q=1", "?a=b&c=d/e"]),
    scheme=st.sampled_from(["http://", "https://", "HTTPS://", "//", ""]),
    www=st.sampled_from(["", "www.", "WWW."]),
    port=st.sampled_from(["", ":80", ":443", ":"]),
    slash=st.booleans(),
    fragment=st.sampled_from(["", "#", "#part", "#a/b?c"]),
)
@example(host="a.0", path="/", query="", scheme="", www="", port=":", slash=True, fragment="")
def test_all_spellings_of_a_page_are_one(
    host: str, path: str, query: str, scheme: str, www: str, port: str, slash: bool, fragment: str
) -> None:
    last = "/" if slash and not query else ""
    spelt = f" {scheme}{www}{host.upper()}{port}{path}{last}{query}{fragment}\n"
    assert normalised(spelt) == normalised(f"http://{host}{path}{query}") == host + path.rstrip("/") + query


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.org/x", "http://a.org/X"),
        ("http://a.org/x", "http://a.org:8080/x"),
        ("http://a.org/x?p=1", "http://a.org/x?p=2"),
        ("http://a.org/x", "http://b.a.org/x"),
        ("ftp://a.org/x", "http://a.org/x"),
        ("http://a.org/www.b.org", "http://a.org/b.org"),
    ],
)
def test_different_pages_stay_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.sets(st.text(max_size=12), max_size=50), st.text(max_size=12))
def test_a_page_set_answers_as_a_set_of_normalised_urls_does(urls: set[str], query: str) -> None:
    pages = PageSet.of(urls)
    spellings = {normalised(url) for url in urls}
    assert all(url in pages for url in urls)
    assert (query in pages) == (normalised(query) in spellings)
    assert len(pages) == len(spellings)


def test_lists_are_text_or_jsonl_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("http://a.org/\n\n  https://www.b.org/x#y \n")
    (tmp_path / "b.jsonl").write_text('{"url": "http://c.org", "karma": 4}\n')
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"url": "d.org"}'))
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"e.org"))
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    assert list(read_outlinks(files)) == [
        "http://a.org/",
        "https://www.b.org/x#y",
        "http://c.org",
        "d.org",
        "e.org",
    ]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.jsonl", b'{"url": "x"}\n{"link": "y"}', r"a\.jsonl:2: not a JSON object with the text field 'url'"),
        ("a.jsonl", b"[" * 100_000, r"a\.jsonl:1: not a JSON object"),
        ("a.gz", gzip.compress(b"a.org\n" * 99)[:-12], "damaged gzip file"),
        ("a.gz", b"no gzip", "damaged gzip file"),
    ],
)
def test_what_is_no_list_is_the_users_mistake(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=error):
        list(read_outlinks([str(tmp_path / name)]))
    with pytest.raises(UserError, match=r"crawl\.outlinks\.files: .*gone' matches no file"):
        list(read_outlinks([str(tmp_path / "gone")]))


def crawl(out: Path, **settings: object) -> Artifact:
    checked = validate(CrawlSettings, settings, "crawl")
    work = begin(out, "crawl", "crawl", checked, [], Executor(1), Log("crawl"))
    return finish(work, run(checked, work), 0.0)


def test_only_listed_pages_stay_and_the_others_are_counted(tmp_path: Path) -> None:
    urls = ["http://a.org/x/", "https://www.a.org/x", "http://a.org/y", "http://b.org"]
    rows = [json.dumps({"text": url, "url": url}) for url in urls]
    (tmp_path / "pages.jsonl").write_text("\n".join([*rows, "{broken"]))
    (tmp_path / "list.txt").write_text("a.org/x\nB.ORG\nc.org\n")
    found = crawl(
        tmp_path / "out", sources=[str(tmp_path / "pages.jsonl")], outlinks={"files": [str(tmp_path / "list.txt")]}
    )
    kept = pq.read_table(found.path / "pages").column("url").to_pylist()
    assert kept == [urls[0], urls[1], urls[3]]
    assert found.facts["dropped"] == {"not JSON": 1, "not in outlinks": 1}
    assert found.facts["outlinks"] == 3
    assert not (found.path / "resume").exists()
