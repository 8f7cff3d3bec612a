"""Where the tokens of one forward pass stand, as the layers need it.

Shapes: B batch, T time, S all time that is attended to.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tumbler.model.attention import attention_mask
from tumbler.model.cache import Cache
from tumbler.model.config import ModelConfig
from tumbler.model.rotary import frequencies, rotations


@dataclass(frozen=True)
class Places:
    """Computed once a pass, used by every layer that sees as far."""

    cos: Tensor | None
    """(B or 1, 1, T, head_dim); None where positions are learned, hence already in the embedding"""
    sin: Tensor | None
    mask: Tensor
    """(B or 1, 1, T, S) bool"""
    causal: bool
    """No place of `mask` sees what comes after it, and there is no cache."""
    cache: Cache | None


def places(
    config: ModelConfig, positions: Tensor, documents: Tensor | None, cache: Cache | None, local: bool
) -> Places:
    """Of the layers that see everything, or of the `local` ones; positions (B or 1, T), others as in Transformer."""
    assert config.causal or cache is None, "a cache holds what came before; a bidirectional model also sees after"
    theta = config.local_rope_theta if local else config.rope_theta
    cos, sin = _turns(config, positions, theta) if config.positions == "rope" else (None, None)
    if cache is not None:
        return Places(cos, sin, cache.mask, False, cache)
    window = config.local_attention // 2 if local and config.local_attention is not None else None
    mask = attention_mask(documents, positions.shape[1], positions.device, config.causal, window)
    return Places(cos, sin, mask, config.causal, None)


def _turns(config: ModelConfig, positions: Tensor, theta: float) -> tuple[Tensor, Tensor]:
    return rotations(positions, frequencies(config.head_dim, theta, config.rope_scaling, positions.device))
