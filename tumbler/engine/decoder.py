"""The forward pass of inference: rows of many requests at once, weights laid out for the machine, a cache of slots.

R rows of a step (one id of each of N requests that decode, then pieces of prompts), T ids of a piece, S cached ids,
D model width, V vocabulary, H heads, H_kv key-value heads. `model.Transformer` is its plain reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.engine.products import PRODUCTS, Product, Weights
from tumbler.model import ModelConfig, Transformer
from tumbler.model.attention import attention
from tumbler.model.rotary import frequencies
from tumbler.model.transformer import ACTIVATIONS

Make = Callable[[Tensor, Tensor | None], Product]
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
    def single(self) -> tuple[int, int] | None:
        """(slot, position) where there is but one row."""
        return (int(self.slots[0]), int(self.positions[0])) if len(self.ids) == 1 else None

    @cached_property
    def decode_mask(self) -> Tensor | None:
        """(N, 1, 1, S) What each row that decodes sees; None: all."""
        if self.decoding == 1:
            return None
        places = torch.arange(self.longest, device=self.positions.device)
        return (places <= self.positions[: self.decoding, None])[:, None, None]

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


class Decoder:
    """A causal model made ready. It keeps nothing of `model` but its embedding and norms, and copies the rest."""

    def __init__(self, model: Transformer, weights: Weights = "plain") -> None:
        self.config = model.config
        make = PRODUCTS[weights]
        decoder: Any = model.model
        self.embed_tokens, self.embed_positions = decoder.embed_tokens, decoder.embed_positions
        self.layers = [self._layer(block, make) for block in decoder.layers]
        self.norm = Norm(decoder.norm, self.config)
        # A 4-bit head costs more in quality than it saves (llama.cpp's q4_0 has it in 8 bits too).
        head = PRODUCTS["int8"] if weights == "int4" else make
        self.head = Entry(head, self.norm, _Head(model.head_weight, model.head_bias))
        self.dtype, self.device = model.head_weight.dtype, model.head_weight.device

    def __call__(self, plan: Plan, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """The residual stream (R, D) after the last layer; keys and values of each layer are written to the cache."""
        x, turns = self._embed(plan), self._turns(plan.positions)
        for layer, k, v in zip(self.layers, keys, values, strict=True):
            q = self._heads(layer, layer.qkv(x), turns, plan, k, v)
            x = layer.out.add(self._attend(plan, q, k, v), x)
            x = layer.down.add(self._activate(layer.up(x)), x)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, V)"""
        return self.head(x)

    def _embed(self, plan: Plan) -> Tensor:
        x: Tensor = self.embed_tokens(plan.ids)
        return x if self.embed_positions is None else x + self.embed_positions(plan.positions)

    def _turns(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosine, and sine with the sign of each half (R, 1, head_dim); reckoned in fp32."""
        config = self.config
        if config.positions != "rope":
            return None
        turns = frequencies(config.head_dim, config.rope_theta, config.rope_scaling, positions.device)
        angles = positions[:, None, None].float() * turns
        cos, sin = angles.cos().to(self.dtype), angles.sin().to(self.dtype)
        return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)

    def _heads(
        self, layer: Layer, qkv: Tensor, turns: tuple[Tensor, Tensor] | None, plan: Plan, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Queries (R, H, head_dim). Keys and values go to their places in the cache."""
        H, H_kv, d = self.config.num_attention_heads, self.config.num_key_value_heads, self.config.head_dim
        parts = qkv.view(-1, H + 2 * H_kv, d)
        qk, v = parts[:, : H + H_kv], parts[:, H + H_kv :]
        if layer.head_norms is not None:
            qk = (qk * rms_scale(qk, self.config.norm_eps) * layer.head_norms).to(qk.dtype)
        if turns is not None:
            cos, sin = turns
            qk = torch.addcmul(qk * cos, qk.roll(d // 2, -1), sin)
        if plan.single is not None:
            slot, place = plan.single
            keys[slot, :, place], values[slot, :, place] = qk[0, H:], v[0]
        else:
            keys[plan.slots, :, plan.positions] = qk[:, H:]
            values[plan.slots, :, plan.positions] = v
        return qk[:, :H]

    def _attend(self, plan: Plan, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(R, H * head_dim)"""
        n, S = plan.decoding, plan.longest
        found: Tensor | None = None
        if n:
            # The heads that share keys are queries of one head: no key is read twice.
            grouped = q[:n].reshape(n, keys.shape[1], -1, q.shape[2])
            mixed = F.scaled_dot_product_attention(grouped, keys[:n, :, :S], values[:n, :, :S], plan.decode_mask)
            found = mixed.reshape(n, -1)
            if not plan.spans:
                return found
        mixed = q.new_empty(len(q), self.config.num_attention_heads * self.config.head_dim)
        if found is not None:
            mixed[:n] = found
        for group in plan.groups:
            group.attend(q, keys, values, mixed)
        return mixed

    def _activate(self, y: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.config.activation]
        if not self.config.gated:
            return activation(y)
        gate, up = y.chunk(2, -1)
        return activation(gate).mul_(up)

    def _layer(self, block: Any, make: Make) -> Layer:
        a, m, config = block.self_attn, block.mlp, self.config
        norms = None
        if config.qk_norm:
            counts = config.num_attention_heads, config.num_key_value_heads
            norms = torch.cat([n.weight.expand(c, -1) for n, c in zip((a.q_norm, a.k_norm), counts, strict=True)])
        up = [part for part in (m.gate_proj, m.up_proj) if part is not None]
        return Layer(
            qkv=Entry(make, Norm(block.input_layernorm, config), a.q_proj, a.k_proj, a.v_proj),
            head_norms=norms,
            out=make(a.o_proj.weight.clone(), a.o_proj.bias),
            up=Entry(make, Norm(block.post_attention_layernorm, config), *up),
            down=make(m.down_proj.weight.clone(), m.down_proj.bias),
        )


class _Head(NamedTuple):
    weight: Tensor
    bias: Tensor | None
