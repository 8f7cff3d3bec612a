"""The key-value cache: one row a slot, all rows at the same stride, as one tensor a layer.

H_kv key-value heads, C capacity (ids a slot).
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
        self.slots = slots
        self.keys = [empty] * layers
        self.values = [empty] * layers
        self.device = device

    @property
    def capacity(self) -> int:
        return self.keys[0].shape[2]

    def reserve(self, length: int, context: int) -> None:
        """Make room for `length` ids a slot; where memory lacks, all stays as it was."""
        if length <= self.capacity:
            return
        capacity = min(context, max(length, GROWTH, 2 * self.capacity))
        keys, values = ([_grown(tensor, capacity) for tensor in tensors] for tensors in (self.keys, self.values))
        self.keys, self.values = keys, values

    def move(self, source: int, target: int, length: int, exchange: bool) -> None:
        """Copy the first `length` ids of slot `source` to slot `target`, or exchange them."""
        for tensor in (*self.keys, *self.values):
            one, other = tensor[source, :, :length], tensor[target, :, :length]
            kept = other.clone() if exchange else None
            other.copy_(one)
            if kept is not None:
                one.copy_(kept)


def _grown(tensor: Tensor, capacity: int) -> Tensor:
    slots, heads, length, head_dim = tensor.shape
    # Zeros: attention gives what is masked the weight 0, and 0 times a stray NaN would be NaN.
    grown = tensor.new_zeros(slots, heads, capacity, head_dim)
    grown[:, :, :length] = tensor
    return grown
