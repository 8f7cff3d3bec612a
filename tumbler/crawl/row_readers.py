"""Rows of JSONL, Parquet and Arrow files -> pages. One Page or Dropped for each row.

A row's text stands in the column that `text_column` names; `url`, `id`, `date`, `dump` and `licence` (or `license`)
are taken over where there are such columns.
"""

from __future__ import annotations

import io
import json
import mmap
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.crawl.decompression import BROKEN, decompressed, is_damage
from tumbler.crawl.pages import Dropped, Page, content_id, licence_name, writable
from tumbler.crawl.sources import Reading, Source
from tumbler.errors import UserError

COLUMNS: Final = ("url", "id", "date", "dump", "licence", "license")
SLICE_ROWS: Final = 16
SLICE_BYTES: Final = 16 << 20
"""Decoded at once."""
SHOWN_NAMES: Final = 20
ARROW_FILE: Final = b"ARROW1"


def read_jsonl(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """Lines `{"text": ..., "url": ..., "id": ...}`; only the text is needed."""
    number = 0
    limit = reading.max_page_bytes
    try:
        lines = decompressed(file)
        while line := lines.readline(limit + 1):
            number += 1
            if len(line) > limit:
                while line and not line.endswith(b"\n"):
                    line = lines.readline(limit + 1)
                yield Dropped("too large")
            elif line.strip():
                yield _json_page(line, source, number, reading)
    except BROKEN as error:
        if not is_damage(error):
            raise
        yield Dropped("damaged")


def _json_page(line: bytes, source: Source, number: int, reading: Reading) -> Page | Dropped:
    try:
        row = json.loads(line.decode("utf-8", "strict"))
    except (ValueError, RecursionError):
        return Dropped("not JSON")
    return _row_page(row, source, number, reading) if isinstance(row, dict) else Dropped("not JSON")


def read_parquet(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    number = 0
    try:
        table = pq.ParquetFile(file, buffer_size=1 << 20)
        columns = _columns(table.schema_arrow, source, reading)
        for group in range(table.num_row_groups):
            rows = _rows_at_once(table.metadata.row_group(group))
            for batch in table.iter_batches(rows, row_groups=[group], columns=columns):
                for row in _rows(batch):
                    number += 1
                    yield _row_page(row, source, number, reading)
    except (pa.ArrowException, *BROKEN) as error:
        if not is_damage(error):
            raise
        yield Dropped("damaged")


def _rows_at_once(group: pq.RowGroupMetaData) -> int:
    """Few: one value that a dictionary repeats is as large in memory as all its rows."""
    fitting: int = SLICE_BYTES * group.num_rows // max(group.total_byte_size, 1)
    return max(1, min(SLICE_ROWS, fitting))


def read_arrow(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """Arrow's IPC format, as a file or as a stream (which is what `datasets` keeps in its cache)."""
    number = 0
    try:
        for batch in _batches(file):
            columns = _columns(batch.schema, source, reading)
            if not _valid(batch.select(columns)):
                yield Dropped("damaged")
                continue
            for start in range(0, batch.num_rows, SLICE_ROWS):
                for row in _rows(batch.select(columns).slice(start, SLICE_ROWS)):
                    number += 1
                    yield _row_page(row, source, number, reading)
    except (pa.ArrowException, *BROKEN) as error:
        if not is_damage(error):
            raise
        yield Dropped("damaged")


def _batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Mapped, not read: a batch may be as large as the file."""
    if not file.seek(0, io.SEEK_END):
        raise EOFError("an empty file")
    mapped = pa.BufferReader(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    if mapped.read(len(ARROW_FILE)) == ARROW_FILE:
        reader = pa.ipc.open_file(mapped)
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        mapped.seek(0)
        yield from pa.ipc.open_stream(mapped)


def _valid(batch: pa.RecordBatch) -> bool:
    """Whether all offsets stay inside the batch; nobody else looks before following them."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _columns(schema: pa.Schema, source: Source, reading: Reading) -> list[str]:
    """The columns to read; UserError when the text is not among them."""
    name = reading.text_column
    place = schema.get_field_index(name)
    if place < 0:
        known = ", ".join(schema.names[:SHOWN_NAMES]) or "none"
        raise UserError(
            f"crawl.text_column: {source.label} has no column {name!r}; set text_column to one that it has: {known}"
        )
    if not _is_text(schema.field(place).type):
        raise UserError(
            f"crawl.text_column: the column {name!r} of {source.label} holds {schema.field(place).type}, not text; "
            "name another column"
        )
    return [name, *(other for other in COLUMNS if other != name and schema.get_field_index(other) >= 0)]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """Of text, too, that is no valid UTF-8: a Parquet file may call it text all the same."""
    if not _is_text(column.type):
        return list(column.to_pylist())
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    values = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "replace") for value in values]


def _row_page(row: Mapping[str, Any], source: Source, number: int, reading: Reading) -> Page | Dropped:
    text = row.get(reading.text_column)
    if not isinstance(text, str):
        return Dropped("no text")
    if 4 * len(text) > reading.max_page_bytes and len(text.encode("utf-8", "replace")) > reading.max_page_bytes:
        return Dropped("too large")
    text = writable(text)
    if not text.strip():
        return Dropped("empty")
    url = _word(row.get("url")) or f"{source.label}#{number}"
    return Page(
        id=_word(row.get("id")) or content_id(url, text),
        url=url,
        date=_word(row.get("date")),
        dump=_word(row.get("dump")),
        licence=licence_name(row.get("licence") or row.get("license")),
        content_type="text/plain",
        charset="utf-8",
        file_path=source.label,
        offset=number,
        form="text",
        body=text,
    )


def _word(value: object) -> str:
    return "" if value is None else writable(str(value))
