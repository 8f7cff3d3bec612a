"""The forward pass of inference: rows of many requests at once, weights laid out for the machine, a cache of slots.

R rows of a step (one id of each of N requests that decode, then pieces of prompts), T ids of a piece, S cached ids,
D model width, V vocabulary, H heads, H_kv key-value heads. `model.Transformer` is its plain reference.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.engine import layer
from tumbler.engine.alone import Alone
from tumbler.engine.layer import Entry, Layer, Norm, Turns
from tumbler.engine.products import Weights, product_of
from tumbler.model import Transformer
from tumbler.model.attention import attention
from tumbler.model.rotary import frequencies

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
    fixed: bool = False
    """The same work whatever the tensors hold; `longest` is more than some rows see."""

    @cached_property
    def single(self) -> tuple[int, int] | None:
        """(slot, position) where there is but one row."""
        if len(self.ids) > 1 or self.fixed:
            return None
        return int(self.slots[0]), int(self.positions[0])

    @cached_property
    def decode_mask(self) -> Tensor | None:
        """(N, 1, 1, S) What each row that decodes sees; None: all."""
        if self.decoding == 1 and not self.fixed:
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


class Decoder:
    """A causal model made ready. It keeps nothing of `model` but its embedding and norms, and copies the rest."""

    def __init__(self, model: Transformer, weights: Weights = "plain", compile: bool = False) -> None:
        """compile: what runs one row alone (CPU)."""
        self.config = model.config
        make = product_of(weights)
        decoder: Any = model.model
        self.embed_tokens, self.embed_positions = decoder.embed_tokens, decoder.embed_positions
        self.layers = [Layer.of(block, self.config, make) for block in decoder.layers]
        self.norm = Norm(decoder.norm, self.config)
        # A 4-bit head costs more in quality than it saves (llama.cpp's q4_0 has it in 8 bits too).
        head = product_of("int8") if weights == "int4" else make
        self.head = Entry(head, self.norm, _Head(model.head_weight, model.head_bias))
        self.dtype, self.device = model.head_weight.dtype, model.head_weight.device
        self.alone: Alone | None = None
        if compile:
            turns = self._turns(torch.zeros(1, dtype=torch.int64))
            self.alone = Alone(self.config, self.layers, self.dtype, turns)

    def __call__(self, plan: Plan, keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """The residual stream (R, D) after the last layer; keys and values of each layer are written to the cache."""
        x, turns = self._embed(plan), self._turns(plan.positions)
        if self.alone is not None and plan.single is not None and plan.single[1] > 0:
            slot, place = plan.single
            return self.alone(x, turns, place, [k[slot] for k in keys], [v[slot] for v in values])
        for one, k, v in zip(self.layers, keys, values, strict=True):
            x = layer.forward(self.config, one, x, turns, functools.partial(self._attend, plan, k, v))
        return x

    def logits(self, x: Tensor) -> Tensor:
        """(R, D) -> (R, V)"""
        return self.head(x)

    def _embed(self, plan: Plan) -> Tensor:
        x: Tensor = self.embed_tokens(plan.ids)
        return x if self.embed_positions is None else x + self.embed_positions(plan.positions)

    def _turns(self, positions: Tensor) -> Turns | None:
        """Reckoned in fp32."""
        config = self.config
        if config.positions != "rope":
            return None
        turns = frequencies(config.head_dim, config.rope_theta, config.rope_scaling, positions.device)
        angles = positions[:, None, None].float() * turns
        cos, sin = angles.cos().to(self.dtype), angles.sin().to(self.dtype)
        return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)

    def _attend(self, plan: Plan, keys: Tensor, values: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if plan.single is not None:
            slot, place = plan.single
            keys[slot, :, place], values[slot, :, place] = k[0], v[0]
        else:
            keys[plan.slots, :, plan.positions] = k
            values[plan.slots, :, plan.positions] = v
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


class _Head(NamedTuple):
    weight: Tensor
    bias: Tensor | None
