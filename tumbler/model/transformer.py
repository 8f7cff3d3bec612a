"""The transformer: one set of blocks for all families; what a family is made of stands in its ModelConfig.

Shapes: B batch, T time, S cached time, D model width, M MLP width, H heads, H_kv key-value heads, V vocabulary.
Modules are named so that their parameters have the names of Hugging Face's `Qwen3ForCausalLM`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tumbler.model.attention import attention
from tumbler.model.cache import Cache
from tumbler.model.config import Activation, ModelConfig
from tumbler.model.places import Places, places
from tumbler.model.rotary import rotate

ACTIVATIONS: Final[Mapping[Activation, Callable[[Tensor], Tensor]]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
}


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension, computed in fp32 (arXiv 1910.07467)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        return (x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


def norm(config: ModelConfig) -> nn.Module:
    """The family's norm over D."""
    if config.norm == "rms":
        return RMSNorm(config.hidden_size, config.norm_eps)
    return nn.LayerNorm(config.hidden_size, config.norm_eps, bias=config.norm_bias)


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        D, d, bias = config.hidden_size, config.head_dim, config.attention_bias
        self.layer, self.head_dim = layer, d
        self.q_proj = nn.Linear(D, config.num_attention_heads * d, bias)
        self.k_proj = nn.Linear(D, config.num_key_value_heads * d, bias)
        self.v_proj = nn.Linear(D, config.num_key_value_heads * d, bias)
        self.o_proj = nn.Linear(config.num_attention_heads * d, D, bias)
        self.q_norm = RMSNorm(d, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(d, config.norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, places: Places) -> Tensor:
        q, k, v = self.project(x, places)
        if places.cache is not None:
            k, v = places.cache.append(self.layer, k, v)
        return self.join(attention(q, k, v, places.mask, places.causal))

    def project(self, x: Tensor, places: Places) -> tuple[Tensor, Tensor, Tensor]:
        """q (B, H, T, head_dim), k and v (B, H_kv, T, head_dim); q and k normed and rotated."""
        q, k, v = (self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = self.q_norm(q), self.k_norm(k)
        if places.cos is not None and places.sin is not None:
            q, k = rotate(q, places.cos, places.sin), rotate(k, places.cos, places.sin)
        return q, k, v

    def join(self, mixed: Tensor) -> Tensor:
        """(B, H, T, head_dim) -> (B, T, D)"""
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, H * head_dim) -> (B, H, T, head_dim)"""
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)


class MLP(nn.Module):
    """down(act(up x)), or gated: down(act(gate x) * up x) (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        D, M, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.activation = ACTIVATIONS[config.activation]
        self.gate_proj = nn.Linear(D, M, bias) if config.gated else None
        self.up_proj = nn.Linear(D, M, bias)
        self.down_proj = nn.Linear(M, D, bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(self.activations(x))
        return out

    def activations(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, M)"""
        if self.gate_proj is None:
            return self.activation(self.up_proj(x))
        out: Tensor = self.activation(self.gate_proj(x)) * self.up_proj(x)
        return out


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        # Where the embedding is normed, the first block reads it as it is (ModernBERT, arXiv 2412.13663).
        self.input_layernorm = nn.Identity() if config.embed_norm and layer == 0 else norm(config)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = norm(config)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), places)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    """Embedding, blocks, norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        learned = config.positions == "learned"
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = nn.Embedding(config.max_position_embeddings, config.hidden_size) if learned else None
        self.embed_norm = norm(config) if config.embed_norm else nn.Identity()
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.local = tuple(config.is_local(layer) for layer in range(config.num_hidden_layers))
        self.norm = norm(config)

    def forward(self, ids: Tensor, positions: Tensor, everywhere: Places, nearby: Places) -> Tensor:
        """The normed state (B, T, D); `nearby` is the local layers' places."""
        x = self.embed(ids, positions)
        for block, local in zip(self.layers, self.local, strict=True):
            x = block(x, nearby if local else everywhere)
        out: Tensor = self.norm(x)
        return out

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """What the first block reads: (B, T, D)."""
        x = self.embed_tokens(ids)
        if self.embed_positions is not None:
            x = x + self.embed_positions(positions)
        out: Tensor = self.embed_norm(x)
        return out


class PredictionHead(nn.Module):
    """What ModernBERT puts between the last norm and the output matrix."""

    def __init__(self, config: ModelConfig, activation: Activation) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.activation = ACTIVATIONS[activation]
        self.norm = norm(config)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.activation(self.dense(x)))
        return out


class OutputHead(nn.Module):
    """The output matrix, where it is not the embedding itself, and its bias."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        V, D = config.vocab_size, config.hidden_size
        self.weight = None if config.tie_word_embeddings else nn.Parameter(torch.zeros(V, D))
        self.bias = nn.Parameter(torch.zeros(V)) if config.head_bias else None


class Transformer(nn.Module):
    """ids -> the states that the head reads -> logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.head = nn.Identity() if config.prediction_head is None else PredictionHead(config, config.prediction_head)
        self.lm_head = OutputHead(config)

    def forward(
        self, ids: Tensor, positions: Tensor | None = None, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Logits (B, T, V) of the token after (causal) or at (else) each of `ids` (B, T); arguments as in `hidden`."""
        return self.logits(self.hidden(ids, positions, documents, cache))

    def hidden(
        self, ids: Tensor, positions: Tensor | None = None, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """The state (B, T, D) from which the head reads: normed, and through the prediction head where there is one.

        positions: (B, T), where each token stands in its document; None: 0, 1, 2, ...
        documents: (B, T), tokens attend within equal numbers; None: a row is one document.
        cache: holds what came before; it then says what may be attended to (`documents` is not used).
        """
        positions = torch.arange(ids.shape[1], device=ids.device)[None] if positions is None else positions
        everywhere, nearby = self.places(positions, documents, cache)
        out: Tensor = self.head(self.model(ids, positions, everywhere, nearby))
        return out

    def places(
        self, positions: Tensor, documents: Tensor | None = None, cache: Cache | None = None
    ) -> tuple[Places, Places]:
        """What the layers that see everything, and the local ones, need to know of this pass."""
        everywhere = places(self.config, positions, documents, cache, local=False)
        if self.config.local_attention is None:
            return everywhere, everywhere
        return everywhere, places(self.config, positions, documents, cache, local=True)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V)"""
        return F.linear(hidden, self.head_weight, self.head_bias)

    @property
    def head_weight(self) -> Tensor:
        """(V, D)"""
        return self.model.embed_tokens.weight if self.lm_head.weight is None else self.lm_head.weight

    @property
    def head_bias(self) -> Tensor | None:
        """(V,)"""
        return self.lm_head.bias
