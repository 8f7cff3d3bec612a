"""Tables: JSONL (packed or not), Parquet and Arrow give a page or a reason for each row; bad files cost nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import resource
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.row_readers import read_arrow, read_jsonl, read_parquet
from tumbler.crawl.sources import Reading, Source
from tumbler.errors import UserError

ROWS = [
    {"text": "one", "url": "http://a.org/1", "id": "a1", "license": "CC-BY-4.0", "date": "2024-01-02", "dump": "d"},
    {"text": "zwei\nZeilen", "url": "", "id": None, "license": None, "date": None, "dump": None},
    {"text": "  ", "url": "", "id": None, "license": None, "date": None, "dump": None},
    {"text": None, "url": "", "id": None, "license": None, "date": None, "dump": None},
    {"text": "long " * 100, "url": "", "id": None, "license": None, "date": None, "dump": None},
]
LIMIT = 400
Reader = Callable[[BinaryIO, Source, Reading], Iterator[Page | Dropped]]


def read(reader: Reader, data: bytes, column: str = "text", limit: int = LIMIT) -> list[Page | Dropped]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return list(reader(file, Source("t", "set/t", "t", "jsonl"), Reading(limit, column)))


def jsonl(rows: list[dict[str, str | None]] = ROWS) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(table: pa.Table | None = None, **more: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS) if table is None else table, file, **more)
    return file.getvalue()


def arrow(table: pa.Table | None = None, stream: bool = False, **more: object) -> bytes:
    table = pa.Table.from_pylist(ROWS) if table is None else table
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(**more)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


def zstandard(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


FILES: list[tuple[Reader, bytes]] = [
    (read_jsonl, jsonl()),
    (read_jsonl, gzip.compress(jsonl()[:50]) + gzip.compress(jsonl()[50:])),
    (read_jsonl, bz2.compress(jsonl())),
    (read_jsonl, zstandard(jsonl()[:50]) + zstandard(jsonl()[50:])),
    (read_parquet, parquet()),
    (read_parquet, parquet(row_group_size=2, compression="zstd")),
    (read_arrow, arrow()),
    (read_arrow, arrow(stream=True)),
    (read_arrow, arrow(compression="zstd")),
]


@pytest.mark.parametrize(("reader", "data"), FILES)
def test_each_row_is_a_page_or_has_its_reason(reader: Reader, data: bytes) -> None:
    first, second, *rest = read(reader, data)
    assert rest == [Dropped("empty"), Dropped("no text"), Dropped("too large")]
    assert isinstance(first, Page)
    assert isinstance(second, Page)
    assert (first.body, first.url, first.id, first.licence) == ("one", "http://a.org/1", "a1", "CC-BY-4.0")
    assert (first.date, first.dump, first.form, first.offset, first.file_path) == (
        "2024-01-02",
        "d",
        "text",
        1,
        "set/t",
    )
    assert (second.body, second.url, second.licence, second.offset) == ("zwei\nZeilen", "set/t#2", "", 2)
    assert second.id.startswith("sha256:")


def test_either_spelling_of_licence_is_read_and_only_text_is_one() -> None:
    rows = [
        {"text": "x", "licence": "MIT"},
        {"text": "x", "license": " a\n b " + "c" * 999},
        {"text": "x", "license": ["MIT"]},
    ]
    licences = [
        page.licence
        for page in read(read_jsonl, "\n".join(map(json.dumps, rows)).encode(), limit=2000)
        if isinstance(page, Page)
    ]
    assert licences == ["MIT", "a b " + "c" * 196, ""]


def test_lone_surrogates_never_reach_a_page() -> None:
    row = r'{"text": "\ud800 a", "url": "\udfff", "id": "\ud801", "date": "\ud800", "licence": "\ud800"}'
    (page,) = read(read_jsonl, row.encode())
    assert isinstance(page, Page)
    assert (page.body, page.url, page.id, page.date, page.licence) == ("? a", "?", "?", "?", "?")


CONVERSATIONS = pa.table({"messages": [[{"role": "user", "content": "hi"}]], "content": ["x"], "id": ["1"]})


@pytest.mark.parametrize(("reader", "write"), [(read_parquet, parquet), (read_arrow, arrow)])
def test_another_column_may_hold_the_text_and_a_wrong_name_is_told(
    reader: Reader, write: Callable[[pa.Table], bytes]
) -> None:
    (page,) = read(reader, write(CONVERSATIONS), "content")
    assert isinstance(page, Page)
    assert (page.body, page.id) == ("x", "1")
    with pytest.raises(UserError, match=r"crawl.text_column: set/t has no column 'text'; .* messages, content, id$"):
        read(reader, write(CONVERSATIONS))
    with pytest.raises(UserError, match=r"crawl.text_column: the column 'messages' of set/t holds list<.*>, not text"):
        read(reader, write(CONVERSATIONS), "messages")


def test_jsonl_takes_another_column_too() -> None:
    assert [type(item) for item in read(read_jsonl, b'{"body": "x"}\n{"text": "x"}', "body")] == [Page, Dropped]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_text_column_reads(kind: pa.DataType) -> None:
    table = pa.table({"text": pa.array(["a", None, "a"]).cast(kind)})
    expected = ["a", "no text", "a"]
    for reader, data in ((read_parquet, parquet(table)), (read_arrow, arrow(table))):
        assert [item.body if isinstance(item, Page) else item.reason for item in read(reader, data)] == expected


def test_text_that_is_no_utf8_reads_with_replacements() -> None:
    table = pa.table({"text": pa.array([b"a\xff"]).view(pa.string())})
    (page,) = read(read_parquet, parquet(table, store_schema=False))
    assert isinstance(page, Page)
    assert page.body == "a\ufffd"
    assert read(read_arrow, arrow(table)) == [Dropped("damaged")]


@pytest.mark.parametrize(("reader", "data"), FILES[1:])
def test_a_cut_file_is_counted_as_damaged(reader: Reader, data: bytes) -> None:
    assert read(reader, data[: len(data) * 2 // 3])[-1] == Dropped("damaged")


@pytest.mark.parametrize("reader", [read_parquet, read_arrow])
@pytest.mark.parametrize("data", [b"", b"PAR1", b"ARROW1", b"nonsense" * 9])
def test_what_is_no_table_is_one_damaged_record(reader: Reader, data: bytes) -> None:
    assert read(reader, data) == [Dropped("damaged")]


def test_offsets_that_leave_an_arrow_batch_are_not_followed() -> None:
    data = bytearray(arrow(pa.table({"text": ["abcd", "efgh"]}), stream=True))
    place = data.find(b"\0\0\0\0\4\0\0\0\10\0\0\0")
    data[place + 8 : place + 12] = (1 << 30).to_bytes(4, "little")
    assert read(read_arrow, bytes(data)) == [Dropped("damaged")]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard])
def test_one_endless_line_takes_no_memory(pack: Callable[[bytes], bytes]) -> None:
    data = pack(b" " * (40 << 20)) + pack(b'\n{"text": "x"}\n')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert [type(item) for item in read(read_jsonl, data)] == [Dropped, Page]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 << 10  # kB


def test_a_value_that_a_dictionary_repeats_takes_little_memory() -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * (1 << 20)]))
    data = parquet(pa.table({"text": text}), store_schema=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert set(read(read_parquet, data)) == {Dropped("too large")}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 << 10


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(FILES))
def test_truncation_and_flipped_bytes_give_rows_and_reasons(data: st.DataObject, file: tuple[Reader, bytes]) -> None:
    reader, whole = file[0], bytearray(file[1])
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read(reader, bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except UserError as error:  # the name of the column was hit
        assert "text_column" in str(error)
    else:
        assert all(isinstance(item, Page | Dropped) for item in found)
