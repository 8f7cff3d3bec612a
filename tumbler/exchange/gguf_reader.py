"""A GGUF file from outside: its header, its tensors when asked for, and the model that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf.quants import dequantize
from torch import Tensor

from tumbler.errors import UserError
from tumbler.exchange.gguf_header import GgufTensor, parse_header
from tumbler.exchange.hyperparameters import ROPE_FACTORS, from_gguf
from tumbler.exchange.names import Place, places
from tumbler.model import Transformer
from tumbler.text.roles import KEYS


class GgufFile:
    """An open file; UserError when it is no sound GGUF."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file() or not path.stat().st_size:
            raise UserError(f"{path}: no GGUF file; give a file of a model, such as model-Q8_0.gguf")
        self._bytes = np.memmap(path, np.uint8, mode="r")
        header = parse_header(self._bytes.data, str(path))
        self.metadata, self.tensors = header.metadata, header.tensors

    def tensor(self, name: str) -> Tensor:
        """The tensor `name` in fp32, dequantized where it is not stored so: exactly what its blocks stand for."""
        info: GgufTensor = self.tensors[name]
        stored = self._bytes[info.start : info.start + info.size].reshape(*info.shape[:-1], -1)
        try:
            values = dequantize(stored, info.type)
        except NotImplementedError as error:
            raise UserError(f"{self.path}: tensor {name!r} is {info.type.name}, which cannot be dequantized") from error
        return torch.from_numpy(np.array(values, dtype=np.float32))


@torch.no_grad()
def read_model(file: GgufFile, roles: Mapping[str, int]) -> Transformer:
    """The model of the file, fp32; everything is checked by the header before a tensor is read."""
    where = str(file.path)
    shapes = {name: tensor.shape for name, tensor in file.tensors.items()}
    factors = file.tensor(ROPE_FACTORS) if ROPE_FACTORS in shapes else None
    config = from_gguf(file.metadata, shapes, factors, where)
    tokens: dict[str, Any] = {f"{key}_id": roles.get(role) for role, key in KEYS.items()}
    with torch.device("meta"):
        model = Transformer(replace(config, **tokens))
    weights = dict(model.named_parameters())
    found = places(config, weights)
    _check(shapes, found, weights, where)
    tensors: dict[str, Tensor] = {}
    for place in found:
        tensors |= place.split(file.tensor(place.name), [weights[name].shape[0] for name in place.ours])
    model.load_state_dict(tensors, assign=True)
    return model


def _check(shapes: Mapping[str, Sequence[int]], found: list[Place], weights: Mapping[str, Tensor], where: str) -> None:
    for place in found:
        pieces = [weights[name].shape for name in place.ours]
        wanted = (sum(shape[0] for shape in pieces), *pieces[0][1:])
        if place.name not in shapes:
            raise UserError(f"{where}: tensor {place.name!r} is missing; its metadata asks for it")
        if shapes[place.name] != wanted:
            told = f"has shape {list(shapes[place.name])}, its metadata asks for {list(wanted)}"
            raise UserError(f"{where}: tensor {place.name!r} {told}")
    if extra := sorted(set(shapes) - {place.name for place in found} - {ROPE_FACTORS}):
        raise UserError(f"{where}: tensor {extra[0]!r} has no place in the model of its metadata")
