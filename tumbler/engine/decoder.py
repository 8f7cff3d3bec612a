"""The forward pass of inference: rows of many requests at once, weights laid out for the machine, a cache of slots.

R rows of a step (one id of each of N requests that decode, then pieces of prompts), T ids of a piece, S cached ids,
D model width, V vocabulary, H heads, H_kv key-value heads. `model.Transformer` is its plain reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.engine.products import PRODUCTS, Prepare, Product, Rows, Weights, finish
from tumbler.model import ModelConfig, Transformer
from tumbler.model.attention import attention
from tumbler.model.rotary import frequencies, rotate
from tumbler.model.transformer import ACTIVATIONS

PADDING: Final = 2.0
"""Pieces are attended to together while padding them to the longest makes at most so many times their places."""


@dataclass(frozen=True)
class Span:
    """A piece of a prompt: `length` rows from `row` on, which are the ids `start`, ... of what `slot` holds."""

    row: int
    length: int
    slot: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class Plan:
    """What a step reads and where it stands."""

    ids: Tensor
    """(R,)"""
    positions: Tensor
    """(R,)"""
    slots: Tensor
    """(R,)"""
    decoding: int
    """N: the first rows, each of the slot with its own number."""
    longest: int
    """S of the rows that decode."""
    spans: Sequence[Span]

    @cached_property
    def groups(self) -> list[Group]:
        return [Group(spans, self.ids.device) for spans in grouped(self.spans)]


class Group:
    """Pieces that are attended to together, padded to n rows of T."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        T, self.S = max(span.length for span in spans), max(span.end for span in spans)
        self.causal = all(span.start == 0 for span in spans)
        self.slots = torch.tensor([span.slot for span in spans], device=device)
        starts, lengths, firsts = (
            torch.tensor(values, device=device)[:, None]
            for values in zip(*((span.start, span.length, span.row) for span in spans), strict=True)
        )
        places = torch.arange(T, device=device)
        self.real = places < lengths
        # A padded place repeats the piece's last row; it is computed and thrown away.
        self.rows = firsts + torch.minimum(places, lengths - 1)
        seen = starts + torch.minimum(places, lengths - 1)
        self.mask = (torch.arange(self.S, device=device) <= seen[:, :, None])[:, None]

    def attend(self, q: Tensor, keys: Tensor, values: Tensor, mixed: Tensor) -> None:
        """q (R, H, head_dim), keys and values (slots, H_kv, C, head_dim); fills its rows of mixed (R, H * head_dim)."""
        k, v = keys[self.slots, :, : self.S], values[self.slots, :, : self.S]
        found = attention(q[self.rows].transpose(1, 2), k, v, self.mask, self.causal).transpose(1, 2).flatten(2)
        mixed[self.rows[self.real]] = found[self.real]


def grouped(spans: Sequence[Span]) -> list[list[Span]]:
    groups: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.start > 0, span.end, span.length)):
        if groups and (groups[-1][0].start > 0) == (span.start > 0):
            together = [*groups[-1], span]
            places = len(together) * max(s.length for s in together) * max(s.end for s in together)
            if places <= PADDING * sum(s.length * s.end for s in together):
                groups[-1] = together
                continue
        groups.append([span])
    return groups


@dataclass(frozen=True)
class Norm:
    weight: Tensor
    bias: Tensor | None
    eps: float
    rms: bool

    def __call__(self, x: Tensor) -> Tensor:
        if not self.rms:
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
        x32 = x.float()
        return (x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


@dataclass(frozen=True)
class Layer:
    before_attention: Norm
    qkv: Product
    q_norm: Norm | None
    k_norm: Norm | None
    out: Product
    before_mlp: Norm
    up: Product
    """Gate and up, where gated."""
    down: Product


# What stands between the products: each of these may be compiled.


def enter(x: Tensor, norm: Norm, prepare: Prepare) -> Rows:
    return prepare(norm(x))


def add(x: Tensor, norm: Norm, prepare: Prepare, *product: Tensor) -> tuple[Tensor, Rows]:
    """The residual stream, and what the next product reads of it."""
    x = x + finish(*product)
    return x, prepare(norm(x))


def heads(
    config: ModelConfig,
    norms: tuple[Norm | None, Norm | None],
    turns: tuple[Tensor, Tensor] | None,
    cache: tuple[Tensor, Tensor, Tensor, Tensor],
    *product: Tensor,
) -> Tensor:
    """Queries (R, H, head_dim). Keys and values go to their places: cache is (keys, values, slots, positions)."""
    H, H_kv, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    q, k, v = torch.split(finish(*product).view(-1, H + 2 * H_kv, d), [H, H_kv, H_kv], 1)
    q_norm, k_norm = norms
    q, k = (q if q_norm is None else q_norm(q)), (k if k_norm is None else k_norm(k))
    if turns is not None:
        q, k = rotate(q, *turns), rotate(k, *turns)
    keys, values, slots, positions = cache
    keys[slots, :, positions] = k.to(keys.dtype)
    values[slots, :, positions] = v.to(values.dtype)
    return q


def decode(q: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """q (N, H, head_dim), keys and values (N, H_kv, S, head_dim), positions (N,) -> (N, H * head_dim)"""
    N, H, d = q.shape
    scores = torch.matmul(q.view(N, keys.shape[1], -1, d), keys.mT).float() * d**-0.5
    later = torch.arange(keys.shape[2], device=q.device) > positions[:, None]
    weights = scores.masked_fill(later[:, None, None], -torch.inf).softmax(-1).to(values.dtype)
    return torch.matmul(weights, values).view(N, H * d)


def activate(config: ModelConfig, prepare: Prepare, *product: Tensor) -> Rows:
    y, activation = finish(*product), ACTIVATIONS[config.activation]
    if not config.gated:
        return prepare(activation(y))
    gate, up = y.chunk(2, -1)
    return prepare(activation(gate) * up)


class Decoder:
    """A causal model made ready. It keeps nothing of `model` but its embedding and norms, and copies the rest."""

    def __init__(self, model: Transformer, weights: Weights = "plain", compile: bool = False) -> None:
        self.config = model.config
        make = PRODUCTS[weights]
        decoder: Any = model.model
        self.embed_tokens, self.embed_positions = decoder.embed_tokens, decoder.embed_positions
        self.layers = [self._layer(block, make) for block in decoder.layers]
        self.norm = self._norm(decoder.norm)
        self.head = make(model.head_weight, model.head_bias)
        self.dtype, self.device = model.head_weight.dtype, model.head_weight.device
        wrap: Any = torch.compile(dynamic=True, fullgraph=True) if compile else lambda function: function
        self._enter, self._add, self._heads, self._decode, self._activate = map(
            wrap, (enter, add, heads, decode, activate)
        )

    def __call__(self, plan: Plan, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """The residual stream (R, D) after the last layer; keys and values of each layer are written to the cache."""
        x = self._embed(plan)
        turns, first = self._turns(plan.positions), self.layers[0]
        rows = self._enter(x, first.before_attention, first.qkv.prepare)
        for layer, after, k, v in zip(self.layers, [*self.layers[1:], None], keys, values, strict=True):
            cache = k, v, plan.slots, plan.positions
            q = self._heads(self.config, (layer.q_norm, layer.k_norm), turns, cache, *layer.qkv(*rows))
            mixed = layer.out(*layer.out.prepare(self._attend(plan, q, k, v)))
            x, rows = self._add(x, layer.before_mlp, layer.up.prepare, *mixed)
            made = layer.down(*self._activate(self.config, layer.down.prepare, *layer.up(*rows)))
            if after is None:
                last: Tensor = x + finish(*made)
                return last
            x, rows = self._add(x, after.before_attention, after.qkv.prepare, *made)
        raise AssertionError("a model has layers")

    def logits(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, V)"""
        return finish(*self.head(*self._enter(x, self.norm, self.head.prepare)))

    def _embed(self, plan: Plan) -> Tensor:
        x: Tensor = self.embed_tokens(plan.ids)
        return x if self.embed_positions is None else x + self.embed_positions(plan.positions)

    def _turns(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine (R, 1, head_dim)."""
        config = self.config
        if config.positions != "rope":
            return None
        turns = frequencies(config.head_dim, config.rope_theta, config.rope_scaling, positions.device)
        angles = positions[:, None, None].float() * torch.cat((turns, turns))
        return angles.cos(), angles.sin()

    def _attend(self, plan: Plan, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(R, H * head_dim)"""
        n, S = plan.decoding, plan.longest
        found: Tensor | None = (
            self._decode(q[:n], keys[:n, :, :S], values[:n, :, :S], plan.positions[:n]) if n else None
        )
        if found is not None and not plan.spans:
            return found
        mixed = q.new_empty(len(q), self.config.num_attention_heads * self.config.head_dim)
        if found is not None:
            mixed[:n] = found
        for group in plan.groups:
            group.attend(q, keys, values, mixed)
        return mixed

    def _norm(self, module: Any) -> Norm:
        return Norm(module.weight, getattr(module, "bias", None), self.config.norm_eps, self.config.norm == "rms")

    def _layer(self, block: Any, make: Callable[[Tensor, Tensor | None], Product]) -> Layer:
        a, m = block.self_attn, block.mlp
        q_norm, k_norm = (
            Norm(module.weight, None, self.config.norm_eps, True) if self.config.qk_norm else None
            for module in (a.q_norm, a.k_norm)
        )
        return Layer(
            before_attention=self._norm(block.input_layernorm),
            qkv=_joined(make, a.q_proj, a.k_proj, a.v_proj),
            q_norm=q_norm,
            k_norm=k_norm,
            out=_joined(make, a.o_proj),
            before_mlp=self._norm(block.post_attention_layernorm),
            up=_joined(make, *(part for part in (m.gate_proj, m.up_proj) if part is not None)),
            down=_joined(make, m.down_proj),
        )


def _joined(make: Callable[[Tensor, Tensor | None], Product], *parts: Any) -> Product:
    """The products of several matrices with the same rows, as one."""
    bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
    return make(torch.cat([part.weight for part in parts]), bias)
