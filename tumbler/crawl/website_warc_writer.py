"""Writer: requests and answers of a crawler -> WARC files (ISO 28500), a gzip member a record, cut at 1 GB.

Heads and bodies are written as they came, content encodings included; only chunks are joined.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tumbler import __version__
from tumbler.crawl.http_client import phrase

FILE_BYTES: Final = 1_000_000_000
GZIP_MEMBER: Final = b"\x1f\x8b\x08"
FRAMING: Final = ("transfer-encoding", "content-length")
"""Headers that tell of the body in chunks, which is written in one piece."""
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Exchange:
    """A request and what came back."""

    url: str
    date: datetime
    request: Headers
    status: int
    protocol: str
    """HTTP/1.1"""
    headers: Headers
    body: bytes
    address: str | None
    """IP address of the server."""
    payload: str | None = None
    """What the body was read as, where that is no page, whatever its server calls it."""
    truncated: str | None = None
    """Why the body is not whole (WARC-Truncated), if it is not."""


class WarcWriter:
    """Appends to the last file of a folder, from where it was saved: what came behind it is cut off."""

    def __init__(self, folder: Path, written: Mapping[str, int], about: str) -> None:
        """`written`: the files and their lengths in bytes when they were saved; `about`: fields of warcinfo."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._about = folder, about
        self._number = max(len(written) - 1, 0)
        self._file = (folder / self.name).open("ab")
        self._file.truncate(written.get(self.name, 0))
        self._file.seek(0, os.SEEK_END)
        self._greet()

    @property
    def name(self) -> str:
        return f"{self._number:05d}.warc.gz"

    def write(self, exchange: Exchange) -> int:
        """The answer's record and the request's, each pointing to the other; returns the file's length in bytes."""
        ids = [_record_id(kind, exchange) for kind in ("response", "request")]
        kinds = (("response", _response(exchange)), ("request", _request(exchange)))
        for (kind, block), own, other in zip(kinds, ids, reversed(ids), strict=True):
            fields = {
                "WARC-Type": kind,
                "WARC-Record-ID": own,
                "WARC-Concurrent-To": other,
                "WARC-Date": exchange.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "WARC-Target-URI": exchange.url,
                "WARC-IP-Address": exchange.address,
                "WARC-Payload-Digest": _digest(exchange.body) if kind == "response" else None,
                "WARC-Identified-Payload-Type": exchange.payload if kind == "response" else None,
                "WARC-Truncated": exchange.truncated if kind == "response" else None,
                "Content-Type": f"application/http; msgtype={kind}",
            }
            self._file.write(_member(fields, block))
        return self._file.tell()

    def sync(self) -> int:
        """Bring all that was written to the disk; returns the file's length in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def next_file(self) -> None:
        """Go on in a new file (after the last was saved)."""
        self._file.close()
        self._number += 1
        self._file = (self._folder / self.name).open("wb")
        self._greet()

    def _greet(self) -> None:
        if self._file.tell() == 0:
            about = f"software: tumbler {__version__}\r\nformat: WARC File Format 1.1\r\n{self._about}"
            date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            fields = {
                "WARC-Type": "warcinfo",
                "WARC-Record-ID": f"<urn:uuid:{uuid.uuid4()}>",
                "WARC-Date": date,
                "WARC-Filename": self.name,
                "Content-Type": "application/warc-fields",
            }
            self._file.write(_member(fields, about.encode()))


def unpacked(body: bytes, limit: int) -> bytes | None:
    """The body without gzip, which is all that we ask for; None when it is broken, or longer than `limit` bytes."""
    if not body.startswith(GZIP_MEMBER):
        return body
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return plain if len(plain) <= limit else None


def _request(exchange: Exchange) -> bytes:
    target = exchange.url.split("/", 3)
    path = "/" + (target[3] if len(target) > 3 else "")
    return _head(f"GET {path} HTTP/1.1", (("Host", target[2]), *exchange.request))


def _response(exchange: Exchange) -> bytes:
    headers = [(name, value) for name, value in exchange.headers if name.lower() not in FRAMING]
    line = f"{exchange.protocol} {exchange.status} {phrase(exchange.status)}"  # Scrapy drops the server's own phrase
    return _head(line, (*headers, ("Content-Length", str(len(exchange.body))))) + exchange.body


def _head(line: str, headers: Headers) -> bytes:
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("utf-8", "replace")


def _record_id(kind: str, exchange: Exchange) -> str:
    seed = f"{kind} {exchange.url} {exchange.date.isoformat()} {_digest(exchange.body)}"
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}>"


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _member(fields: Mapping[str, str | None], block: bytes) -> bytes:
    lines = [f"{key}: {value}\r\n" for key, value in {**fields, "Content-Length": str(len(block))}.items() if value]
    record = f"WARC/1.1\r\n{''.join(lines)}\r\n".encode() + block + b"\r\n\r\n"
    return gzip.compress(record, compresslevel=6, mtime=0)
