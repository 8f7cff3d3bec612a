"""Writer: responses -> a WARC file (ISO 28500) whose bytes depend on nothing but the responses."""

from __future__ import annotations

import base64
import gzip
import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

NAMESPACE = uuid.UUID("6f0d3c0e-7c46-5f3e-9a55-3c4b6d6c9a10")
REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Response:
    """One answer of a made-up server, or with `raw` the damaged bytes that came instead of one."""

    url: str
    date: str
    """ISO 8601 in UTC, to the second."""
    body: bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    """Further HTTP headers."""
    raw: bytes | None = None


def write_warc(file: BinaryIO, responses: Iterable[Response], date: str) -> None:
    """One gzip member a record, as Common Crawl has it: a warcinfo, then the responses."""
    about = b"software: tumbler almanac\r\nformat: WARC File Format 1.0\r\nisPartOf: almanac\r\n"
    file.write(_member(_record("warcinfo", "", date, "application/warc-fields", about)))
    for response in responses:
        payload = _http(response)
        file.write(
            _member(_record("response", response.url, response.date, "application/http; msgtype=response", payload))
        )


def _http(response: Response) -> bytes:
    if response.raw is not None:
        return response.raw
    lines = [f"HTTP/1.1 {response.status} {REASONS[response.status]}", f"Content-Type: {response.content_type}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + response.body


def _record(kind: str, url: str, date: str, content_type: str, block: bytes) -> bytes:
    digest = hashlib.sha1(block, usedforsecurity=False).digest()
    headers = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(NAMESPACE, f'{kind} {url} {date} {digest.hex()}')}>",
        "WARC-Date": date,
        "WARC-Target-URI": url,
        "WARC-Block-Digest": "sha1:" + base64.b32encode(digest).decode(),
        "Content-Type": content_type,
        "Content-Length": str(len(block)),
    }
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items() if value)
    return f"WARC/1.0\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def _member(record: bytes) -> bytes:
    return gzip.compress(record, compresslevel=6, mtime=0)
