"""JSONL, Parquet, HTML and text files -> pages. One Page or Dropped for each line, row or file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.crawl.html import decode
from tumbler.crawl.pages import Dropped, Page, content_id
from tumbler.crawl.sources import Shard, Source
from tumbler.crawl.warc_reader import read_warc


def read_shard(shard: Shard, max_page_bytes: int) -> Iterator[Page | Dropped]:
    """The records of all files of a shard, in order. Raises OSError when a file cannot be opened or read."""
    for source in shard.sources:
        compression = "infer" if shard.kind == "jsonl" else None
        with fsspec.open(source.path, "rb", compression=compression) as file:
            yield from READERS[shard.kind](file, source, max_page_bytes)


def _warc(file: BinaryIO, source: Source, max_page_bytes: int) -> Iterator[Page | Dropped]:
    return read_warc(file, source.label, max_page_bytes)


def _jsonl(file: BinaryIO, source: Source, max_page_bytes: int) -> Iterator[Page | Dropped]:
    """Lines `{"text": ..., "url": ..., "id": ...}`; only `text` is needed."""
    number = 0
    try:
        while line := file.readline(max_page_bytes + 1):
            number += 1
            if len(line) > max_page_bytes:
                while line and not line.endswith(b"\n"):
                    line = file.readline(max_page_bytes + 1)
                yield Dropped("too large")
            elif line.strip():
                yield _json_page(line, source, number)
    except (EOFError, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        yield Dropped("damaged")


def _json_page(line: bytes, source: Source, number: int) -> Page | Dropped:
    try:
        row = json.loads(line.decode("utf-8", "strict"))
    except (ValueError, RecursionError):
        return Dropped("not JSON")
    return _text_page(row, source, number) if isinstance(row, dict) else Dropped("not JSON")


def _parquet(file: BinaryIO, source: Source, max_page_bytes: int) -> Iterator[Page | Dropped]:
    """Rows with a `text` column, and `url`, `id`, `date`, `dump` where there are such columns."""
    try:
        table = pq.ParquetFile(file)
        columns = [name for name in ("text", "url", "id", "date", "dump") if name in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(256, columns=columns):
            for row in batch.to_pylist():
                number += 1
                big = len(str(row.get("text") or "").encode("utf-8", "replace")) > max_page_bytes
                yield Dropped("too large") if big else _text_page(row, source, number)
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        yield Dropped("damaged")


def _text_page(row: dict[str, Any], source: Source, number: int) -> Page | Dropped:
    text = row.get("text")
    if not isinstance(text, str):
        return Dropped("no text")
    text = text.encode("utf-8", "replace").decode("utf-8")  # JSON can spell lone surrogates; files cannot hold them
    if not text.strip():
        return Dropped("empty")
    url = str(row.get("url") or f"{source.label}#{number}")
    return Page(
        id=str(row.get("id") or content_id(url, text)),
        url=url,
        date=str(row.get("date") or ""),
        dump=str(row.get("dump") or ""),
        content_type="text/plain",
        charset="utf-8",
        file_path=source.label,
        offset=number,
        form="text",
        body=text,
    )


def _file(file: BinaryIO, source: Source, max_page_bytes: int) -> Iterator[Page | Dropped]:
    """One HTML or plain-text file; its URL is its path inside the folder that was named."""
    body = file.read(max_page_bytes + 1)
    if len(body) > max_page_bytes:
        yield Dropped("too large")
        return
    if not body.strip():
        yield Dropped("empty")
        return
    text, charset = decode(body, None)
    html = source.name.lower().endswith((".html", ".htm"))
    yield Page(
        id=content_id(source.name, text),
        url=source.name,
        date="",
        dump="",
        content_type="text/html" if html else "text/plain",
        charset=charset,
        file_path=source.label,
        offset=0,
        form="html" if html else "text",
        body=text,
    )


READERS: dict[str, Callable[[BinaryIO, Source, int], Iterator[Page | Dropped]]] = {
    "warc": _warc,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "files": _file,
}
