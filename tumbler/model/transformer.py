"""The transformer: Qwen3's decoder (RMSNorm, RoPE, grouped queries, QK-norm, SwiGLU).

Shapes: B batch, T time, S cached time, D model width, H heads, H_kv key-value heads, V vocabulary.
Modules are named so that their parameters have the names of Hugging Face's `Qwen3ForCausalLM`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tumbler.model.attention import attention, causal_mask
from tumbler.model.cache import Cache
from tumbler.model.config import ModelConfig


@dataclass(frozen=True)
class Places:
    """Where the tokens of one forward pass stand; computed once, used by every layer."""

    cos: Tensor
    """(B or 1, 1, T, head_dim)"""
    sin: Tensor
    mask: Tensor
    """(B or 1, 1, T, S) bool"""
    cache: Cache | None


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, computed in fp32 (arXiv 1910.07467)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        return (x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        D, d, eps = config.hidden_size, config.head_dim, config.rms_norm_eps
        self.layer, self.head_dim = layer, d
        self.q_proj = nn.Linear(D, config.num_attention_heads * d, bias=False)
        self.k_proj = nn.Linear(D, config.num_key_value_heads * d, bias=False)
        self.v_proj = nn.Linear(D, config.num_key_value_heads * d, bias=False)
        self.o_proj = nn.Linear(config.num_attention_heads * d, D, bias=False)
        self.q_norm, self.k_norm = RMSNorm(d, eps), RMSNorm(d, eps)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        q, k, v = (self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(self.q_norm(q), places), rotate(self.k_norm(k), places)
        if places.cache is not None:
            k, v = places.cache.append(self.layer, k, v)
        mixed = attention(q, k, v, places.mask, causal=places.cache is None)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, H * head_dim) -> (B, H, T, head_dim)"""
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)


class MLP(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), places)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids: Tensor, places: Places) -> Tensor:
        x = self.embed_tokens(ids)
        for block in self.layers:
            x = block(x, places)
        out: Tensor = self.norm(x)
        return out


class Transformer(nn.Module):
    """The decoder and its head, which is the embedding itself when `tie_word_embeddings`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(
        self, ids: Tensor, positions: Tensor | None = None, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Logits (B, T, V) of the token after each of `ids` (B, T); arguments as in `hidden`."""
        return self.logits(self.hidden(ids, positions, documents, cache))

    def hidden(
        self, ids: Tensor, positions: Tensor | None = None, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """The normed state (B, T, D) from which the head reads.

        positions: (B, T), where each token stands in its document; None: 0, 1, 2, ...
        documents: (B, T), tokens attend within equal numbers; None: a row is one document.
        cache: holds what came before; it then says what may be attended to (`documents` is not used).
        """
        T = ids.shape[1]
        positions = torch.arange(T, device=ids.device)[None] if positions is None else positions
        cos, sin = rotations(positions, self.config.head_dim, self.config.rope_theta)
        mask = causal_mask(documents, T, ids.device) if cache is None else cache.mask
        out: Tensor = self.model(ids, Places(cos, sin, mask, cache))
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V)"""
        return F.linear(hidden, self.head_weight)

    @property
    def head_weight(self) -> Tensor:
        """(V, D)"""
        return self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight


def rotations(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """RoPE (arXiv 2104.09864): cosine and sine (B, 1, T, head_dim), fp32, of position * theta^(-2i / head_dim)."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim
    angles = positions[:, None, :, None].float() / theta**exponents
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, places: Places) -> Tensor:
    """Turn each pair (x_i, x_{i + head_dim/2}) of x (B, H, T, head_dim) by its place's angle."""
    first, second = x.chunk(2, dim=-1)
    return (x * places.cos + torch.cat((-second, first), dim=-1) * places.sin).to(x.dtype)
