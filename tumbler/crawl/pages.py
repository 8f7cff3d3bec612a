"""Page: one fetched web page (or ready text) with where it came from; the row of a crawl's Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

Form = Literal["html", "text"]


@dataclass(frozen=True)
class Page:
    """`body` is HTML still to be extracted (form "html") or text that is ready (form "text")."""

    id: str
    url: str
    date: str
    dump: str
    content_type: str
    charset: str
    file_path: str
    offset: int
    """Where in the source: byte offset of a WARC record, line or row number elsewhere."""
    form: Form
    body: str


@dataclass(frozen=True)
class Dropped:
    """A record that was read and not taken, and why."""

    reason: str


SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("dump", pa.string()),
        ("content_type", pa.string()),
        ("charset", pa.string()),
        ("file_path", pa.string()),
        ("offset", pa.int64()),
        ("form", pa.string()),
        ("body", pa.large_string()),
    ]
)


@dataclass(frozen=True)
class Counts:
    """The account of a source: `read == kept + sum(dropped.values())`."""

    read: int
    kept: int
    dropped: Mapping[str, int]


def content_id(url: str, body: str) -> str:
    """An id for a page whose source gives none: the same page at the same place has the same id."""
    return "sha256:" + hashlib.sha256(f"{url}\n{body}".encode()).hexdigest()[:32]
