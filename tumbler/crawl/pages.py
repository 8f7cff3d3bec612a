"""Page: one fetched web page (or ready text) with where it came from; the row of a crawl's Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

Form = Literal["html", "text"]
MAX_LICENCE: Final = 200
"""Characters of a licence's name."""


@dataclass(frozen=True)
class Page:
    """`body` is HTML still to be extracted (form "html") or text that is ready (form "text")."""

    id: str
    url: str
    date: str
    dump: str
    licence: str
    """Of the text: an SPDX identifier where there is one, else the name its source gives; "" when nobody says."""
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
        ("licence", pa.string()),
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
    licences: Mapping[str, int]
    """Pages kept under each licence that is known."""


def content_id(url: str, body: str) -> str:
    """An id for a page whose source gives none: the same page at the same place has the same id."""
    return "sha256:" + hashlib.sha256(f"{url}\n{body}".encode()).hexdigest()[:32]


def writable(text: str) -> str:
    """Without lone surrogates, which JSON and file names can spell and no file of text can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def licence_name(value: object) -> str:
    """A licence as its source gives it: one line, not endless, and "" for what is no text."""
    return writable(" ".join(value[: 2 * MAX_LICENCE].split())[:MAX_LICENCE]) if isinstance(value, str) else ""
