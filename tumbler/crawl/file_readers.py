"""Files -> pages: which reader reads which kind, and the reader of loose HTML and text files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tumbler.crawl.epub_reader import read_epub
from tumbler.crawl.gutenberg import without_frame
from tumbler.crawl.html import decode
from tumbler.crawl.pages import Dropped, Page, content_id
from tumbler.crawl.remote_client import opened
from tumbler.crawl.repository_reader import read_repository
from tumbler.crawl.row_readers import read_arrow, read_jsonl, read_parquet
from tumbler.crawl.sources import REPOSITORY, Kind, Reading, Shard, Source
from tumbler.crawl.warc_reader import read_warc
from tumbler.crawl.wiki_reader import read_wiki


def read_shard(shard: Shard, reading: Reading, downloads: Path) -> Iterator[Page | Dropped]:
    """The records of all files of a shard, in order. Raises OSError when a file cannot be opened or read.

    Files that lie elsewhere are copied into the folder `downloads` for as long as they are read.
    """
    for source in shard.sources:
        if shard.kind == REPOSITORY:
            yield from read_repository(source, reading)
            continue
        with opened(source.path, downloads) as file:
            yield from READERS[shard.kind](file, source, reading)


def _warc(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    return read_warc(file, source.label, reading.max_page_bytes)


def _file(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """One HTML or plain-text file; its URL is its path inside the folder that was named."""
    body = file.read(reading.max_page_bytes + 1)
    if len(body) > reading.max_page_bytes:
        yield Dropped("too large")
        return
    text, charset = decode(body, None)
    html = source.name.lower().endswith((".html", ".htm"))
    text, licence = (text, "") if html else without_frame(text)
    if not text.strip():
        yield Dropped("empty")
        return
    yield Page(
        id=content_id(source.name, text),
        url=source.name,
        date="",
        dump="",
        licence=licence,
        content_type="text/html" if html else "text/plain",
        charset=charset,
        file_path=source.label,
        offset=0,
        form="html" if html else "text",
        body=text,
    )


READERS: Final[dict[Kind, Callable[[BinaryIO, Source, Reading], Iterator[Page | Dropped]]]] = {
    "warc": _warc,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "wiki": read_wiki,
    "epub": read_epub,
    "files": _file,
}
