"""Weights to a Hugging Face folder: one file, or shards and an index, which is written last."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from tumbler.artifact import replacing
from tumbler.model.safetensors_reader import INDEX, WEIGHTS

SHARD: Final = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def write_weights(folder: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None, shard_bytes: int) -> None:
    """Write all tensors as `dtype` (None: each as it is), in files of at most `shard_bytes` each (more for a single
    larger tensor).

    What an earlier save left in the folder is removed once the new files are there.
    """
    sizes = {name: tensor.numel() * (dtype or tensor.dtype).itemsize for name, tensor in tensors.items()}
    shards = list(_shards(sizes, shard_bytes))
    count = len(shards)
    files = [f"model-{k:05d}-of-{count:05d}.safetensors" for k in range(1, count + 1)] if count > 1 else [WEIGHTS]
    for file, names in zip(files, shards, strict=True):
        made = {name: tensors[name].detach().to("cpu", dtype or tensors[name].dtype).contiguous() for name in names}
        with replacing(folder / file) as temporary:
            save_file(made, temporary, metadata={"format": "pt"})
    if count > 1:
        weight_map = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        total = {"total_size": sum(sizes.values())}
        write_json(folder / INDEX, {"metadata": total, "weight_map": dict(sorted(weight_map.items()))})
        files.append(INDEX)
    _remove_others(folder, files)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _shards(sizes: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """Names in their order, parted so that each part's bytes are at most `most`."""
    names, filled = list[str](), 0
    for name, size in sizes.items():
        if names and filled + size > most:
            yield names
            names, filled = [], 0
        names.append(name)
        filled += size
    yield names


def _remove_others(folder: Path, files: Sequence[str]) -> None:
    """Files of an earlier save: a reader would take model.safetensors before the index."""
    for path in folder.iterdir():
        if path.name not in files and (path.name in (WEIGHTS, INDEX) or SHARD.fullmatch(path.name)):
            path.unlink()
