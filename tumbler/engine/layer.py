"""One layer of inference, as functions of rows: the engine runs them step by step, or compiled (`alone`).

R rows, D model width, H heads, H_kv key-value heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.engine.products import Product
from tumbler.model import ModelConfig
from tumbler.model.transformer import ACTIVATIONS

Make = Callable[[Tensor, Tensor | None], Product]
Turns = tuple[Tensor, Tensor]
"""Cosine, and sine with the sign of each half (R, 1, head_dim)."""
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries (R, H, head_dim), keys and values (R, H_kv, head_dim) -> (R, H * head_dim); the cache takes both latter."""


class Norm:
    """x (R, D) -> (R, D)"""

    def __init__(self, module: Any, config: ModelConfig) -> None:
        self.weight, self.bias = module.weight, getattr(module, "bias", None)
        self.eps, self.rms = config.norm_eps, config.norm == "rms"

    def __call__(self, x: Tensor) -> Tensor:
        if not self.rms:
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
        normed: Tensor = x * rms_scale(x, self.eps) * self.weight
        return normed.to(x.dtype)


def rms_scale(x: Tensor, eps: float) -> Tensor:
    """1 / sqrt(mean of squares + eps) over the last dimension, kept, fp32; in few steps."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return torch.addcmul(length.new_full((), eps), length, length, value=1 / x.shape[-1]).rsqrt_()


class Entry:
    """A norm, then a product of several matrices at once.

    Of an RMS norm the weight is put into the matrices once, and the scale of each row is taken after the product, whose
    outcome it multiplies just as well: two passes over the rows less.
    """

    def __init__(self, make: Make, norm: Norm, *parts: Any) -> None:
        weight, bias = torch.cat([part.weight for part in parts]), None
        if parts[0].bias is not None:
            bias = torch.cat([part.bias for part in parts])
        self.norm = norm
        if norm.rms:
            weight = (weight.float() * norm.weight.float()).to(weight.dtype)
        self.product = make(weight, bias)

    def __call__(self, x: Tensor) -> Tensor:
        if self.norm.rms:
            return self.product(x, rms_scale(x, self.norm.eps))
        return self.product(self.norm(x))


@dataclass(frozen=True)
class Layer:
    qkv: Entry
    head_norms: Tensor | None
    """(H + H_kv, head_dim): the weights of the norms of queries and keys."""
    out: Product
    up: Entry
    """Gate and up, where gated."""
    down: Product

    @classmethod
    def of(cls, block: Any, config: ModelConfig, make: Make) -> Layer:
        """A block of `model.Transformer`, laid out by `make`."""
        a, m = block.self_attn, block.mlp
        norms = None
        if config.qk_norm:
            counts = config.num_attention_heads, config.num_key_value_heads
            norms = torch.cat([n.weight.expand(c, -1) for n, c in zip((a.q_norm, a.k_norm), counts, strict=True)])
        up = [part for part in (m.gate_proj, m.up_proj) if part is not None]
        return cls(
            qkv=Entry(make, Norm(block.input_layernorm, config), a.q_proj, a.k_proj, a.v_proj),
            head_norms=norms,
            out=make(a.o_proj.weight.clone(), a.o_proj.bias),
            up=Entry(make, Norm(block.post_attention_layernorm, config), *up),
            down=make(m.down_proj.weight.clone(), m.down_proj.bias),
        )


def forward(config: ModelConfig, layer: Layer, x: Tensor, turns: Turns | None, attend: Attend) -> Tensor:
    """The residual stream (R, D) after the layer."""
    x = layer.out.add(attend(*_heads(config, layer, layer.qkv(x), turns)), x)
    return layer.down.add(_activated(config, layer.up(x)), x)


def _heads(config: ModelConfig, layer: Layer, qkv: Tensor, turns: Turns | None) -> tuple[Tensor, Tensor, Tensor]:
    H, H_kv, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    parts = qkv.view(-1, H + 2 * H_kv, d)
    qk, v = parts[:, : H + H_kv], parts[:, H + H_kv :]
    if layer.head_norms is not None:
        qk = (qk * rms_scale(qk, config.norm_eps) * layer.head_norms).to(qk.dtype)
    if turns is not None:
        cos, sin = turns
        qk = torch.addcmul(qk * cos, qk.roll(d // 2, -1), sin)
    return qk[:, :H], qk[:, H:], v


def _activated(config: ModelConfig, y: Tensor) -> Tensor:
    activation = ACTIVATIONS[config.activation]
    if not config.gated:
        return activation(y)
    gate, up = y.chunk(2, -1)
    return activation(gate).mul_(up)
