"""WARC files: what is taken, what is dropped and why, and that damage never stops the reading."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.warc_reader import read_warc

HTML = b"<html><p>hello</p></html>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def record(block: bytes, kind: str = "response", url: str = "http://a.org/", length: int | None = None) -> bytes:
    headers = [f"WARC-Type: {kind}", "WARC-Record-ID: <urn:uuid:1>", "WARC-Date: 2024-01-01T00:00:00Z"]
    headers += [f"WARC-Target-URI: {url}"] if url else []
    content_type = "application/warc-fields" if kind == "warcinfo" else "application/http"
    headers += [f"Content-Type: {content_type}", f"Content-Length: {len(block) if length is None else length}"]
    return b"WARC/1.0\r\n" + "\r\n".join(headers).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def page(number: int) -> bytes:
    return record(OK + b"<html><p>page %d</p></html>" % number, url=f"http://a.org/{number}")


def read(data: bytes, limit: int = 1 << 20) -> list[Page | Dropped]:
    return list(read_warc(io.BytesIO(data), "a.warc.gz" if data[:2] != b"WA" else "a.warc", limit))


def outcome(block: bytes, **more: object) -> str:
    """The reason, or the body of the page."""
    (found,) = read(gzip.compress(record(block, **more)))  # type: ignore[arg-type]
    return found.reason if isinstance(found, Dropped) else found.body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def encoded(name: bytes, body: bytes, header: bytes = b"Content-Encoding") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + header + b": " + name + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("block", "more", "expected"),
    [
        (OK + HTML, {}, HTML.decode()),
        (OK + HTML, {"kind": "request"}, "not a response"),
        (OK + HTML, {"kind": "revisit"}, "not a response"),
        (OK + HTML, {"url": ""}, "no URL"),
        (OK, {}, "empty"),
        (OK + b" \n ", {}, "empty"),
        (b"no HTTP here", {}, "not HTTP"),
        (b"", {}, "not HTTP"),
        (OK.replace(b"200", b"404") + HTML, {}, "status is not 200"),
        (OK.replace(b"text/html", b"image/png") + HTML, {}, "not HTML"),
        (OK.replace(b"text/html", b"application/octet-stream") + HTML, {}, HTML.decode()),
        (b"HTTP/1.1 200 OK\r\n\r\n" + HTML, {}, HTML.decode()),
        (b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.4", {}, "not HTML"),
        (OK + b"<p>" + b"x" * (1 << 20), {}, "too large"),
        (encoded(b"gzip", gzip.compress(HTML)), {}, HTML.decode()),
        (encoded(b"gzip", HTML), {}, HTML.decode()),
        (encoded(b"gzip", gzip.compress(HTML)[:-20] + b"x" * 20), {}, "broken content encoding"),
        (encoded(b"gzip", gzip.compress(b"0" * (4 << 20))), {}, "too large"),
        (encoded(b"deflate", zlib.compress(HTML)), {}, HTML.decode()),
        (encoded(b"deflate", zlib.compress(HTML)[2:-4]), {}, HTML.decode()),
        (encoded(b"chunked", chunked(HTML), b"Transfer-Encoding"), {}, HTML.decode()),
        (encoded(b"chunked", HTML, b"Transfer-Encoding"), {}, HTML.decode()),
    ],
)
def test_every_record_is_a_page_or_has_its_reason(block: bytes, more: dict[str, str], expected: str) -> None:
    assert outcome(block, **more) == expected


def test_a_page_carries_its_provenance() -> None:
    warcinfo = record(b"isPartOf: CC-MAIN-2024-10\r\n", kind="warcinfo", url="")
    first, found = read(gzip.compress(warcinfo, mtime=0) + gzip.compress(page(7)))
    assert first == Dropped("not a response")
    assert isinstance(found, Page)
    assert (found.id, found.url, found.dump) == ("<urn:uuid:1>", "http://a.org/7", "CC-MAIN-2024-10")
    assert (found.date, found.file_path, found.form) == ("2024-01-01T00:00:00Z", "a.warc.gz", "html")
    assert found.offset == len(gzip.compress(warcinfo))


def test_a_record_cut_at_the_end_of_the_file_is_counted_once() -> None:
    plain = page(1) + page(2)
    assert Counter(type(item) for item in read(plain[:-20])) == {Page: 1, Dropped: 1}
    assert read(plain[:-20])[-1] == Dropped("truncated")


@pytest.mark.parametrize("packed", [True, False])
def test_reading_goes_on_after_damage_and_counts_it_once(packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    pieces = [pack(page(number)) for number in range(9)]
    pieces[4] = b"\0" * len(pieces[4])
    found = read(b"".join(pieces))
    urls = [item.url for item in found if isinstance(item, Page)]
    assert urls == [f"http://a.org/{number}" for number in range(9) if number != 4]
    assert [item for item in found if isinstance(item, Dropped)] == [Dropped("damaged")]


@pytest.mark.parametrize("length", [0, 10, 10**6, 10**30, -5])
def test_a_wrong_length_costs_at_most_the_record_and_its_neighbour(length: int) -> None:
    wrong = gzip.compress(record(OK + HTML, url="http://wrong.org/", length=length))
    data = b"".join([gzip.compress(page(1)), wrong, *(gzip.compress(page(number)) for number in (2, 3, 4))])
    urls = [item.url for item in read(data) if isinstance(item, Page)]
    assert urls[0] == "http://a.org/1"
    assert urls[-2:] == ["http://a.org/3", "http://a.org/4"]


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x1f\x8b", gzip.compress(b""), gzip.compress(b"garbage")])
def test_a_file_that_is_no_warc_gives_no_page(data: bytes) -> None:
    assert not [item for item in read(data) if isinstance(item, Page)]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_truncation_and_flipped_bytes_never_stop_the_reading(data: st.DataObject, packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    whole = bytearray(b"".join(pack(page(number)) for number in range(6)))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    found = read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert len(found) <= 12
    assert all(isinstance(item, Page | Dropped) for item in found)
