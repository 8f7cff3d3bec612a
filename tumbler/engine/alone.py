"""One row alone, as in a chat of one person: each layer as machine code, as fast as memory gives the weights.

torch's products are made for many rows, and between them a step of one row waits for Python; so a layer is compiled
whole, once for all layers, ahead of time (AOTInductor), and kept for the next start.

D model width, H_kv key-value heads, C capacity of the cache, S ids seen.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import Dim

from tumbler.engine import layer as layer_of_rows
from tumbler.engine import products
from tumbler.engine.compiled_writer import compiled
from tumbler.engine.layer import Layer, Turns
from tumbler.model import ModelConfig

EXAMPLE_S: Final = 8
EXAMPLE_C: Final = 16
"""The compiler is shown an example of these sizes; it takes both as unknown, but for 0 and 1."""


class Alone:
    """The layers of a decoder for one row on a CPU, which is not its sequence's first."""

    def __init__(self, config: ModelConfig, layers: Sequence[Layer], dtype: torch.dtype, turns: Turns | None) -> None:
        """turns: of any row."""
        alone = [_alone(layer) for layer in layers]
        self._weights = [list(_tensors(layer)) for layer in alone]
        x = torch.empty(1, config.hidden_size, dtype=dtype)
        seen, keys = x.new_empty(EXAMPLE_S), x.new_empty(config.num_key_value_heads, EXAMPLE_C, config.head_dim)
        example = x, turns, torch.tensor([0]), seen, keys, keys, self._weights[0]
        S, C = {0: Dim("S", min=2)}, {1: Dim("C", min=2)}
        shapes = None, turns and (None, None), None, S, C, C, [None] * len(self._weights[0])
        self._run = compiled(_Step(config, alone[0]), example, shapes, [sys.modules[__name__], layer_of_rows, products])

    def __call__(
        self, x: Tensor, turns: Turns | None, place: int, keys: Sequence[Tensor], values: Sequence[Tensor]
    ) -> Tensor:
        """x (1, D) at `place`; keys and values of its sequence (H_kv, C, head_dim), a layer each -> (1, D)."""
        at, seen = torch.tensor([place]), x.new_empty(place + 1)
        for weights, k, v in zip(self._weights, keys, values, strict=True):
            x = self._run([x, *(turns or ()), at, seen, k, v, *weights])[0]
        return x


class _Step(nn.Module):
    """What is compiled: a layer that gets its weights with the row."""

    def __init__(self, config: ModelConfig, layer: Layer) -> None:
        super().__init__()
        self.config, self.layer = config, layer

    def extra_repr(self) -> str:
        """What decides the forward, beside the tensors; in torch's text of the module, by which its code is kept."""
        return repr(self.config)

    def forward(
        self, x: Tensor, turns: Turns | None, at: Tensor, seen: Tensor, keys: Tensor, values: Tensor, weights: Any
    ) -> Tensor:
        """at (1,): the row's place; seen (S,): only its size counts, for compiled code learns sizes from tensors."""
        S, d = seen.shape[0], self.config.head_dim

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys.index_copy_(1, at, k.transpose(0, 1))
            values.index_copy_(1, at, v.transpose(0, 1))
            grouped = q.float().view(len(keys), -1, 1, d) * d**-0.5
            shares = (grouped * keys[:, None, :S].float()).sum(-1).softmax(-1)
            mixed: Tensor = (shares[..., None] * values[:, None, :S].float()).sum(-2)
            return mixed.view(1, -1).to(x.dtype)

        return layer_of_rows.forward(self.config, _with(self.layer, iter(weights)), x, turns, attend)


def _alone(layer: Layer) -> Layer:
    entries = {name: copy.copy(getattr(layer, name)) for name in ("qkv", "up")}
    for entry in entries.values():
        entry.product = entry.product.alone()
    return dataclasses.replace(layer, **entries, out=layer.out.alone(), down=layer.down.alone())


def _tensors(thing: Any) -> Iterator[Tensor]:
    """All that lie in the thing's attributes, and in theirs."""
    for value in vars(thing).values():
        if isinstance(value, Tensor):
            yield value
        elif hasattr(value, "__dict__"):
            yield from _tensors(value)


def _with(thing: Any, tensors: Iterator[Tensor]) -> Any:
    """A copy that has others in the places of `_tensors`."""
    changed = copy.copy(thing)
    for name, value in vars(thing).items():
        if isinstance(value, Tensor):
            vars(changed)[name] = next(tensors)
        elif hasattr(value, "__dict__"):
            vars(changed)[name] = _with(value, tensors)
    return changed
