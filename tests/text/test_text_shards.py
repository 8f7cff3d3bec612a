"""What is written to a shard is what is read, over several shards and both widths of id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tumbler.errors import UserError
from tumbler.text.shards import Shards, TokenDocument, write_shard


def write(folder: Path, name: str, documents: list[TokenDocument], vocab_size: int) -> None:
    folder.mkdir(exist_ok=True)
    write_shard(folder / f"{name}.bin", folder / f"{name}.parquet", documents, vocab_size)


def document(number: int, *ids: int) -> TokenDocument:
    return TokenDocument(ids, f"id{number}", f"https://site/{number}", number, 10 * number)


@pytest.mark.parametrize(("vocab_size", "width"), [(65_536, 2), (65_537, 4)])
def test_documents_come_back_with_their_provenance(tmp_path: Path, vocab_size: int, width: int) -> None:
    write(tmp_path, "00000", [document(0, 1, vocab_size - 1), document(1, 5)], vocab_size)
    write(tmp_path, "00001", [], vocab_size)
    write(tmp_path, "00002", [document(2, 7, 8, 9)], vocab_size)
    shards = Shards.open(tmp_path)
    assert len(shards) == 3
    assert [shards.document(number).tolist() for number in range(3)] == [[1, vocab_size - 1], [5], [7, 8, 9]]
    assert shards.document(0).dtype.itemsize == width
    assert shards.lengths.tolist() == [2, 1, 3]
    assert shards.tokens == 6
    assert shards.column("id").to_pylist() == ["id0", "id1", "id2"]
    assert shards.column("url").to_pylist()[2] == "https://site/2"
    assert shards.column("row").to_pylist() == [0, 1, 2]
    assert shards.column("bytes").to_pylist() == [0, 10, 20]
    assert shards.column("start").to_pylist() == [0, 2, 0]


def test_the_file_is_the_flat_ids(tmp_path: Path) -> None:
    write(tmp_path, "00000", [document(0, 1, 2), document(1, 3)], 300)
    assert np.fromfile(tmp_path / "00000.bin", "<u2").tolist() == [1, 2, 3]


def test_more_documents_than_a_row_group_keep_their_places(tmp_path: Path) -> None:
    write(tmp_path, "00000", [document(number, *range(number % 3 + 1)) for number in range(25_000)], 300)
    shards = Shards.open(tmp_path)
    assert [len(shards.document(number)) for number in (0, 1, 2, 24_999)] == [1, 2, 3, 24_999 % 3 + 1]
    assert shards.starts[24_999] == shards.tokens - shards.lengths[24_999]


def test_equal_documents_make_equal_files(tmp_path: Path) -> None:
    for name in ("00000", "00001"):
        write(tmp_path, name, [document(0, 1, 2), document(1, 3)], 300)
    for end in ("bin", "parquet"):
        assert (tmp_path / f"00000.{end}").read_bytes() == (tmp_path / f"00001.{end}").read_bytes()


def test_a_document_cannot_be_changed_through_its_view(tmp_path: Path) -> None:
    write(tmp_path, "00000", [document(0, 1, 2)], 300)
    with pytest.raises(ValueError, match="read-only"):
        Shards.open(tmp_path).document(0)[0] = 9


def test_no_shards_and_damaged_shards_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no token shards"):
        Shards.open(tmp_path)
    write(tmp_path, "00000", [document(0, 1, 2)], 300)
    (tmp_path / "00000.bin").write_bytes(b"\0\0")
    with pytest.raises(UserError, match=r"00000\.bin: has 2 bytes where its index tells 4"):
        Shards.open(tmp_path)
