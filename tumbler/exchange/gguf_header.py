"""The header of a GGUF file: its metadata, and where each tensor lies.

The format is described in ggml's docs/gguf.md. A file comes from outside, so every count, size and place in it
is checked against the bytes that are there before anything is made of it. (`gguf.GGUFReader` trusts the counts,
and makes several arrays of each of a vocabulary's strings.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gguf import GGML_QUANT_SIZES, GGUF_DEFAULT_ALIGNMENT, GGUF_VERSION, GGMLQuantizationType, GGUFValueType

from tumbler.errors import UserError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, GGUF_VERSION)
"""Version 1 counted with 32 bits, and no one writes it since 2023."""
MOST_KEYS, MOST_TENSORS, MOST_ITEMS, LONGEST_TEXT, MOST_DIMENSIONS = 2**16, 2**18, 2**24, 2**24, 4
"""Far above what any model has (GGML_MAX_DIMS is 4), far below what would fill memory."""
NUMBERS: Final[Mapping[GGUFValueType, str]] = {
    GGUFValueType.UINT8: "<u1",
    GGUFValueType.INT8: "<i1",
    GGUFValueType.UINT16: "<u2",
    GGUFValueType.INT16: "<i2",
    GGUFValueType.UINT32: "<u4",
    GGUFValueType.INT32: "<i4",
    GGUFValueType.FLOAT32: "<f4",
    GGUFValueType.UINT64: "<u8",
    GGUFValueType.INT64: "<i8",
    GGUFValueType.FLOAT64: "<f8",
}


@dataclass(frozen=True)
class GgufTensor:
    name: str
    shape: tuple[int, ...]
    """As numpy and torch have it: the dimension whose items lie side by side is the last."""
    type: GGMLQuantizationType
    start: int
    """The file's byte where it begins."""
    size: int
    """In bytes."""


@dataclass(frozen=True)
class GgufHeader:
    metadata: Mapping[str, Any]
    """Texts, whole numbers, numbers, truth values, and lists of these."""
    tensors: Mapping[str, GgufTensor]


def parse_header(file: memoryview, where: str) -> GgufHeader:
    """The header of a whole GGUF file of bytes; UserError, beginning with `where`, unless all of it is sound."""
    cursor = _Cursor(file, where)
    if bytes(cursor.take(4)) != MAGIC:
        raise UserError(f"{where}: no GGUF file (it does not begin with 'GGUF')")
    version = cursor.whole(4)
    if version not in VERSIONS:
        kind = "for big-endian machines" if version & 0xFFFF == 0 else f"GGUF version {version}"
        raise UserError(f"{where}: {kind}; tumbler reads little-endian versions 2 and 3; convert it again")
    tensor_count = cursor.count("tensors", MOST_TENSORS)
    metadata = {}
    for _ in range(cursor.count("metadata keys", MOST_KEYS)):
        key = cursor.text()
        if key in metadata:
            raise UserError(f"{where}: metadata key {key!r} stands there twice; the file is damaged")
        metadata[key] = cursor.value(cursor.type(), key)
    infos = [_tensor_info(cursor) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise UserError(f"{where}: general.alignment = {alignment!r}: must be a power of two")
    return GgufHeader(metadata, _placed(infos, -(-cursor.at // alignment) * alignment, len(file), alignment, where))


def _tensor_info(cursor: _Cursor) -> GgufTensor:
    """A tensor whose `start` counts from the beginning of the data."""
    name = cursor.text()
    dimensions = cursor.count(f"dimensions of {name!r}", MOST_DIMENSIONS, bits=32)
    shape = tuple(cursor.whole(8) for _ in range(dimensions))[::-1]
    number, start = cursor.whole(4), cursor.whole(8)
    try:
        kind = GGMLQuantizationType(number)
    except ValueError as error:
        raise UserError(f"{cursor.where}: tensor {name!r} is of the unknown type {number}") from error
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if not shape or min(shape) < 1 or shape[-1] % block:
        raise UserError(f"{cursor.where}: tensor {name!r} has shape {list(shape)}, which {kind.name} cannot have")
    return GgufTensor(name, shape, kind, start, math.prod(shape) // block * block_bytes)


def _placed(infos: list[GgufTensor], data: int, end: int, alignment: int, where: str) -> dict[str, GgufTensor]:
    """The tensors by name, with `start` from the beginning of the file; none reaches out of it or over another."""
    placed: dict[str, GgufTensor] = {}
    at = data
    for info in sorted(infos, key=lambda info: info.start):
        start = data + info.start
        if start % alignment or start < at or start + info.size > end:
            raise UserError(f"{where}: tensor {info.name!r} does not lie inside the file; it is cut short or damaged")
        if info.name in placed:
            raise UserError(f"{where}: tensor {info.name!r} stands there twice; the file is damaged")
        placed[info.name] = GgufTensor(info.name, info.shape, info.type, start, info.size)
        at = start + info.size
    return placed


class _Cursor:
    """Reads the header from front to back, never beyond its end."""

    def __init__(self, file: memoryview, where: str) -> None:
        self._file, self.where, self.at = file, where, 0

    def take(self, size: int) -> memoryview:
        if size > len(self._file) - self.at:
            raise UserError(f"{self.where}: ends inside its header; it is cut short or damaged")
        self.at += size
        return self._file[self.at - size : self.at]

    def whole(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def count(self, what: str, most: int, bits: int = 64) -> int:
        found = self.whole(bits // 8)
        if found > most:
            raise UserError(f"{self.where}: claims {found:,} {what}; more than {most:,} are not believed")
        return found

    def text(self) -> str:
        raw = bytes(self.take(self.count("bytes of one text", LONGEST_TEXT)))
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise UserError(f"{self.where}: {raw[:40]!r} is not UTF-8; the file is damaged") from error

    def type(self) -> GGUFValueType:
        number = self.whole(4)
        try:
            return GGUFValueType(number)
        except ValueError as error:
            raise UserError(f"{self.where}: a metadata value is of the unknown type {number}") from error

    def value(self, kind: GGUFValueType, key: str) -> Any:
        if kind is not GGUFValueType.ARRAY:
            return self._items(kind, 1)[0]
        item = self.type()
        if item is GGUFValueType.ARRAY:
            raise UserError(f"{self.where}: metadata {key!r} is a list of lists, which no model needs")
        return self._items(item, self.count(f"items of {key!r}", MOST_ITEMS))

    def _items(self, kind: GGUFValueType, count: int) -> list[Any]:
        if kind is GGUFValueType.STRING:
            return [self.text() for _ in range(count)]
        if kind is GGUFValueType.BOOL:
            return [bool(byte) for byte in self.take(count)]
        if kind is GGUFValueType.FLOAT32:  # as the person wrote it: 1e-05, not 9.999999747378752e-06
            return [float(str(number)) for number in np.frombuffer(self.take(4 * count), "<f4")]
        dtype = np.dtype(NUMBERS[kind])
        items: list[Any] = np.frombuffer(self.take(dtype.itemsize * count), dtype).tolist()
        return items
