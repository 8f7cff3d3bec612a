"""The key-value cache: one row a slot, all rows at the same stride, as one tensor a layer.

N rows of a step, T new ids a row, S cached ids, H_kv key-value heads, C capacity (ids a slot).
"""

from __future__ import annotations

import torch
from torch import Tensor

GROWTH = 256
"""Capacity grows in such steps at least (ids a slot), doubling, up to the context."""


class SlotCache:
    """Keys and values of every slot: a list over layers of (slots, H_kv, C, head_dim).

    Memory follows the longest request so far, not the context: C grows when `reserve` asks.
    """

    def __init__(
        self, layers: int, slots: int, heads: int, head_dim: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        empty = torch.zeros(slots, heads, 0, head_dim, dtype=dtype, device=device)
        self.keys = [empty] * layers
        self.values = [empty] * layers
        self.device = device

    @property
    def capacity(self) -> int:
        return self.keys[0].shape[2]

    def reserve(self, length: int, context: int) -> None:
        """Make room for `length` ids a slot."""
        if length <= self.capacity:
            return
        capacity = min(context, max(length, GROWTH, 2 * self.capacity))
        self.keys = [_grown(tensor, capacity) for tensor in self.keys]
        self.values = [_grown(tensor, capacity) for tensor in self.values]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` ids of slot `source` to slot `target`."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :, :length] = tensor[source, :, :length]

    def view(self, first: int, positions: Tensor) -> CacheView:
        """The slots from `first` on, one a row of `positions` (N, T): where this step's ids stand."""
        return CacheView(self, first, positions)


class CacheView:
    """What the model sees of the cache in one step (the protocol of `model.cache`).

    Reads are sliced to the longest row of the step. `mask` (N, 1, T, S) lets an id attend to what
    stands at or before its own position: a slot's stale ids and a prompt's padding come after.
    """

    def __init__(self, cache: SlotCache, first: int, positions: Tensor) -> None:
        rows = positions.shape[0]
        length = int(positions.max()) + 1
        self._cache = cache
        self._read = (slice(first, first + rows), slice(None), slice(0, length))
        self._write = (torch.arange(first, first + rows, device=cache.device)[:, None], slice(None), positions)
        self.mask = (torch.arange(length, device=cache.device) <= positions[:, :, None])[:, None]

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v (N, H_kv, T, head_dim); return all that the rows hold: (N, H_kv, S, head_dim) each."""
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        # An index that a slice parts puts its dimensions first: the stored shape is (N, T, H_kv, head_dim).
        keys[self._write] = k.transpose(1, 2).to(keys.dtype)
        values[self._write] = v.transpose(1, 2).to(values.dtype)
        return keys[self._read], values[self._read]


def _grown(tensor: Tensor, capacity: int) -> Tensor:
    slots, heads, length, head_dim = tensor.shape
    # Zeros: attention gives what is masked the weight 0, and 0 times a stray NaN would be NaN.
    grown = tensor.new_zeros(slots, heads, capacity, head_dim)
    grown[:, :, :length] = tensor
    return grown
