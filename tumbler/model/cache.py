"""What the transformer needs of a key-value cache. The engine owns layout and allocation.

Shapes: B batch, T new time, S all time up to now, H_kv key-value heads.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Cache(Protocol):
    """Keys and values of the tokens seen so far, by layer."""

    @property
    def mask(self) -> Tensor:
        """(B, 1, T, S) bool: which cached and new places each new token may attend to."""

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k and v of shape (B, H_kv, T, head_dim); return all of the layer's, (B, H_kv, S, head_dim)."""
