"""WARC and WET -> pages (ISO 28500; Common Crawl's files). Whatever cannot be read or is not taken is a Dropped.

Damage ends no file: reading goes on at the next place where a record begins, and all that was lost
in between counts as one damaged record.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

from fastwarc.stream_io import BrotliReader, ChunkedReader, GzipReader, WarcReader
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from tumbler.crawl.html import decode, is_html
from tumbler.crawl.pages import Dropped, Page, content_id

GZIP_MEMBER: Final = b"\x1f\x8b\x08"
PLAIN_RECORD: Final = b"WARC/1."
SCAN_BYTES: Final = 1 << 20
DAMAGED: Final = Dropped("damaged")
TRUNCATED: Final = Dropped("truncated")


def read_warc(file: BinaryIO, label: str, max_page_bytes: int) -> Iterator[Page | Dropped]:
    """Yield one Page or Dropped for each record of a seekable WARC file, compressed or not.

    Raises OSError when the file itself cannot be read (a disk or network error).
    """
    mark = GZIP_MEMBER if file.read(2) == GZIP_MEMBER[:2] or label.endswith(".gz") else PLAIN_RECORD
    dump: str = ""
    begin: int | None = 0
    state: Literal["reading", "lost", "ended"] = "reading"  # lost: what was lost is counted, look for the next record
    while begin is not None:
        last, item = begin, None
        try:
            for record in _records(file, begin):
                if state == "ended":
                    yield DAMAGED
                last, state = record.stream_pos, "reading"
                dump = _dump(record) or dump
                item = _take(record, label, dump, max_page_bytes)
                yield item
            # The iterator also ends at a run of zeros, and after a record whose length swallows those behind it.
            state = "lost" if item == TRUNCATED or state == "lost" else "ended"
        except OSError as error:
            if error.errno is not None:
                raise
            if state == "reading":
                yield DAMAGED
                state = "lost"
        begin = _find(file, mark, last + 1)


def _records(file: BinaryIO, offset: int) -> Iterator[WarcRecord]:
    file.seek(offset)
    return iter(ArchiveIterator(file, auto_decode="none"))


def _find(file: BinaryIO, mark: bytes, start: int) -> int | None:
    """The offset of the next `mark` at or after `start`."""
    file.seek(start)
    tail, position = b"", start
    while block := file.read(SCAN_BYTES):
        window = tail + block
        if (found := window.find(mark)) >= 0:
            return position - len(tail) + found
        position += len(block)
        tail = window[-(len(mark) - 1) :]
    return None


def _dump(record: WarcRecord) -> str:
    """The crawl's name as Common Crawl writes it into the warcinfo record (`isPartOf: CC-MAIN-2024-10`)."""
    if record.record_type != WarcRecordType.warcinfo:
        return ""
    for line in record.reader.read(1 << 16).decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == "ispartof":
            return value.strip()
    return ""


def _take(record: WarcRecord, label: str, dump: str, max_page_bytes: int) -> Page | Dropped:
    url = (record.headers.get("WARC-Target-URI") or "").strip("<> ")
    if reason := _refusal(record, url, max_page_bytes):
        return Dropped(reason)
    size = record.content_length
    block = record.reader.read(max_page_bytes + 1)
    if len(block) < size:
        return TRUNCATED
    if record.record_type == WarcRecordType.conversion:
        return _text(record, url, block, label, dump)
    body = _decoded(record, block, max_page_bytes)
    if isinstance(body, Dropped):
        return body
    return _page(record, url, body, label, dump)


def _refusal(record: WarcRecord, url: str, max_page_bytes: int) -> str:
    """Why the record's headers alone speak against it; "" when they do not."""
    if record.record_type == WarcRecordType.response:
        if not record.is_http_parsed or record.http_headers.status_code is None:
            return "not HTTP"
        if record.http_headers.status_code != 200:
            return "status is not 200"
    elif record.record_type == WarcRecordType.conversion:
        if not (record.headers.get("Content-Type") or "").lower().startswith("text/plain"):
            return "not plain text"
    else:
        return "not a response"
    if not url:
        return "no URL"
    return "too large" if record.content_length > max_page_bytes else ""


def _text(record: WarcRecord, url: str, block: bytes, label: str, dump: str) -> Page | Dropped:
    """The text that somebody extracted (a WET file's record); the language its header guesses is not taken over."""
    text, charset = decode(block, None)
    if not text.strip():
        return Dropped("empty")
    return Page(
        id=record.headers.get("WARC-Record-ID") or content_id(url, text),
        url=url,
        date=record.headers.get("WARC-Date") or "",
        dump=dump,
        licence="",
        content_type=record.headers.get("Content-Type") or "",
        charset=charset,
        file_path=label,
        offset=record.stream_pos,
        form="text",
        body=text,
    )


def _page(record: WarcRecord, url: str, body: bytes, label: str, dump: str) -> Page | Dropped:
    if not body.strip():
        return Dropped("empty")
    content_type = record.http_headers.get("Content-Type") or ""
    if not is_html(record.headers.get("WARC-Identified-Payload-Type") or content_type, body):
        return Dropped("not HTML")
    text, charset = decode(body, record.http_charset)
    return Page(
        id=record.headers.get("WARC-Record-ID") or content_id(url, text),
        url=url,
        date=record.headers.get("WARC-Date") or "",
        dump=dump,
        licence="",
        content_type=content_type,
        charset=charset,
        file_path=label,
        offset=record.stream_pos,
        form="html",
        body=text,
    )


def _decoded(record: WarcRecord, block: bytes, limit: int) -> bytes | Dropped:
    """The body without transfer and content encoding (RFC 9112, section 7; RFC 9110, section 8.4).

    Many crawlers store bodies decoded and leave the headers as they were: what does not look encoded is taken as is.
    """
    headers = record.http_headers
    encodings = [*_listed(headers.get("Content-Encoding")), *_listed(headers.get("Transfer-Encoding"))]
    for encoding in reversed(encodings):
        try:
            block = _undo(encoding, block, limit + 1)
        except OSError:
            return Dropped("broken content encoding")
        if len(block) > limit:
            return Dropped("too large")
    return block


def _listed(header: str | None) -> list[str]:
    return [item.strip().lower() for item in (header or "").split(",")]


def _undo(encoding: str, block: bytes, limit: int) -> bytes:
    reader: WarcReader
    if encoding == "chunked" and _looks_chunked(block):
        reader = ChunkedReader(io.BytesIO(block))
    elif encoding in ("gzip", "x-gzip") and block.startswith(GZIP_MEMBER):
        reader = GzipReader(io.BytesIO(block))
    elif encoding == "br" and not block.lstrip().startswith(b"<"):
        reader = BrotliReader(io.BytesIO(block))
    elif encoding == "deflate" and not block.lstrip().startswith(b"<"):
        return _inflate(block, limit)
    else:
        return block
    return reader.read(limit)


def _looks_chunked(block: bytes) -> bool:
    """Whether the body begins with the hexadecimal length of a chunk."""
    size = block[:20].split(b"\r\n", 1)[0].split(b";", 1)[0].strip()
    return bool(size) and all(character in b"0123456789abcdefABCDEF" for character in size)


def _inflate(block: bytes, limit: int) -> bytes:
    """`deflate` means zlib (RFC 9110, section 8.4.1.2), yet some servers send it raw."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window).decompress(block, limit)
        except zlib.error:
            continue
    raise OSError("neither zlib nor raw deflate")
