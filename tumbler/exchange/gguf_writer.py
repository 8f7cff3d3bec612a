"""GGUF files: metadata first, then tensors, one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize
from torch import Tensor

from tumbler.artifact import replacing
from tumbler.errors import UserError

F16_LARGEST: Final = 65504.0


@dataclass(frozen=True)
class FileType:
    """Which numbers the matrices are kept in."""

    code: LlamaFileType
    matrices: GGMLQuantizationType
    output: GGMLQuantizationType
    """Of the output matrix, also where it is the embedding."""

    def of(self, name: str, shape: tuple[int, ...], output: str) -> GGMLQuantizationType:
        """What the tensor `name` is kept in; `output` names the output matrix.

        As llama.cpp's converter has it: vectors, norms and positions stay F32, rows that are no whole blocks F16.
        """
        if len(shape) == 1 or name.startswith("position_embd"):
            return GGMLQuantizationType.F32
        kind = self.output if name == output else self.matrices
        return kind if shape[-1] % GGML_QUANT_SIZES[kind][0] == 0 else GGMLQuantizationType.F16


FILE_TYPES: Final[Mapping[str, FileType]] = {
    "f32": FileType(LlamaFileType.ALL_F32, GGMLQuantizationType.F32, GGMLQuantizationType.F32),
    "bf16": FileType(LlamaFileType.MOSTLY_BF16, GGMLQuantizationType.BF16, GGMLQuantizationType.BF16),
    "f16": FileType(LlamaFileType.MOSTLY_F16, GGMLQuantizationType.F16, GGMLQuantizationType.F16),
    "q8_0": FileType(LlamaFileType.MOSTLY_Q8_0, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q8_0),
    # llama-quantize keeps the output matrix of Q4_0 in Q6_K, which the gguf package cannot make.
    "q4_0": FileType(LlamaFileType.MOSTLY_Q4_0, GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q8_0),
}


@dataclass(frozen=True)
class Entry:
    """A tensor to write: its shape now, its values when its turn comes."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    values: Callable[[], Tensor]


def write_gguf(path: Path, architecture: str, metadata: Mapping[str, Any], entries: list[Entry]) -> None:
    """Write the file whole or not at all. Memory: one tensor in fp32 and in its kind."""
    with replacing(path) as temporary, closing(GGUFWriter(temporary, architecture)) as writer:
        for key, value in metadata.items():
            _add(writer, key, value)
        for entry in entries:
            _announce(writer, entry)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for entry in entries:
            writer.write_tensor_data(_encoded(entry))


def _announce(writer: GGUFWriter, entry: Entry) -> None:
    block, block_bytes = GGML_QUANT_SIZES[entry.kind]
    shape = (*entry.shape[:-1], entry.shape[-1] // block * block_bytes)
    writer.add_tensor_info(entry.name, shape, np.dtype(np.uint8), math.prod(shape), raw_dtype=entry.kind)


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    """By the value's Python type, as llama.cpp reads each: whole numbers as uint32, others as float32."""
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case list():
            writer.add_array(key, value)
        case _:
            raise AssertionError(f"{key}: {type(value)}")


def _encoded(entry: Entry) -> np.ndarray[Any, Any]:
    values = entry.values().detach().to("cpu", torch.float32).contiguous().numpy()
    if entry.kind is GGMLQuantizationType.F16 and np.abs(values).max() > F16_LARGEST:
        raise UserError(f"tensor {entry.name!r} has {np.abs(values).max():g}, beyond F16; export --type bf16 or f32")
    return quantize(values, entry.kind).view(np.uint8)
