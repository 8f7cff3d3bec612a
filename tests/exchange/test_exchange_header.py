"""The header of a GGUF file: what gguf's own reader finds, and nothing that is damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from hypothesis import given
from hypothesis import strategies as st

from tumbler.errors import UserError
from tumbler.exchange.gguf_header import parse_header


def written(path: Path, alignment: int = 32) -> bytes:
    writer = GGUFWriter(path, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_uint32("llama.block_count", 3)
    writer.add_float32("llama.rope.freq_base", 1e-5)
    writer.add_int8("small", -3)
    writer.add_uint8("byte", 200)
    writer.add_int16("short", -300)
    writer.add_uint16("port", 60_000)
    writer.add_int32("below", -70_000)
    writer.add_int64("far below", -(2**40))
    writer.add_uint64("large", 2**63)
    writer.add_float64("exact", 0.1)
    writer.add_bool("truth", True)
    writer.add_array("texts", ["a", "", "é日"])
    writer.add_array("numbers", [1, -2, 3])
    writer.add_tensor("token_embd.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.add_tensor("output_norm.weight", np.arange(5, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("gguf") / "small.gguf")


@pytest.mark.parametrize("alignment", [8, 32, 64, 256])
def test_the_header_is_what_the_gguf_package_reads(tmp_path: Path, alignment: int) -> None:
    body = written(tmp_path / "a.gguf", alignment)
    ours, theirs = parse_header(memoryview(body), "a.gguf"), GGUFReader(tmp_path / "a.gguf")
    fields = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert dict(ours.metadata) == {**fields, "llama.rope.freq_base": 1e-5}
    assert np.float32(ours.metadata["llama.rope.freq_base"]) == fields["llama.rope.freq_base"]
    assert [(t.name, list(t.shape)[::-1], t.type, t.start, t.size) for t in ours.tensors.values()] == [
        (t.name, t.shape.tolist(), t.tensor_type, t.data_offset, t.n_bytes) for t in theirs.tensors
    ]


def test_a_file_cut_short_anywhere_is_refused_in_one_line(sound: bytes) -> None:
    for length in range(len(sound) - 32):  # the last tensor's padding may be missing
        with pytest.raises(UserError, match=r"^a\.gguf: ") as caught:
            parse_header(memoryview(sound[:length]), "a.gguf")
        assert "\n" not in str(caught.value)


@given(st.data())
def test_damage_is_found_or_harmless_but_never_another_error(sound: bytes, data: st.DataObject) -> None:
    body = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = parse_header(memoryview(body), "a.gguf")
    except UserError:
        return
    assert all(tensor.start + tensor.size <= len(body) for tensor in header.tensors.values())


def head(keys: bytes = b"", key_count: int = 0, tensors: bytes = b"", tensor_count: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count) + keys + tensors + bytes(96)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def tensor(name: str, start: int, shape: tuple[int, ...] = (4,), kind: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, start)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x80\x04pickle", "no GGUF file"),
        (head(version=1), "version 1"),
        (head(version=3 << 24), "big-endian"),
        (head(key_count=2**40), "claims 1,099,511,627,776 metadata keys"),
        (head(tensor_count=2**63), "tensors"),
        (head(struct.pack("<Q", 2**60), 1), "bytes of one text"),
        (head(text("a") + struct.pack("<I", 99), 1), "unknown type 99"),
        (head(text("a") + struct.pack("<IIQ", 9, 0, 2**24), 1), "ends inside its header"),
        (head(text("a") + struct.pack("<IIQ", 9, 9, 1), 1), "list of lists"),
        (head((text("a") + struct.pack("<IB", 7, 1)) * 2, 2), "'a' stands there twice"),
        (head(text("general.alignment") + struct.pack("<II", 4, 0), 1), "power of two"),
        (head(text("a") + struct.pack("<IQ", 8, 2) + b"\xff\xfe", 1), "not UTF-8"),
        (head(tensors=tensor("x", 0, (2**33, 2**33)), tensor_count=1), "does not lie inside the file"),
        (head(tensors=tensor("x", 0, (4, 4, 4, 4, 4)), tensor_count=1), "dimensions of 'x'"),
        (head(tensors=tensor("x", 0, (33,), kind=8), tensor_count=1), "which Q8_0 cannot have"),
        (head(tensors=tensor("x", 0, kind=77), tensor_count=1), "unknown type 77"),
        (head(tensors=tensor("x", 0) + tensor("y", 0), tensor_count=2), "does not lie inside the file"),
        (head(tensors=tensor("x", 0) + tensor("x", 32), tensor_count=2), "'x' stands there twice"),
        (head(tensors=tensor("x", 8), tensor_count=1), "does not lie inside the file"),
    ],
)
def test_a_header_that_lies_is_refused_by_what_is_wrong_with_it(body: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_header(memoryview(body), "a.gguf")
