"""Texts of real pages for tests: the shared crawls, their main content taken out."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

DEEP = 20_000
"""Pages with more tags are left out: to extract one takes as long as hundreds of others."""


@functools.cache
def crawled_texts(data: Path, every: int) -> list[tuple[str, str]]:
    """(URL, text) of every so-many-th page that has text, of all shared WARCs."""
    pages = _every(data, every)
    return [(url, text) for url, body in pages if body.count(b"<") < DEEP and (text := _text(body))]


def crawled_pages(data: Path, every: int) -> Iterator[str]:
    """The HTML of every so-many-th page."""
    return (_decoded(body) for _, body in _every(data, every))


def _every(data: Path, every: int) -> Iterator[tuple[str, bytes]]:
    files = sorted((data / "warc").glob("*.warc.gz"))
    return (page for path in files for place, page in enumerate(_pages(path)) if place % every == 0)


def _pages(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
            if "html" in (record.http_content_type or ""):
                yield record.headers["WARC-Target-URI"], record.reader.read()


def _text(body: bytes) -> str:
    return extract_plain_text(_decoded(body), preserve_formatting=True, main_content=True, alt_texts=False).strip()


def _decoded(body: bytes) -> str:
    return bytes_to_str(body, detect_encoding(body)).replace("\0", "")
