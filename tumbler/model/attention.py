"""Attention under a mask: the plain reference, and the forms that are fast on each machine.

Shapes: B batch, T queries, S keys, H heads, H_kv key-value heads, G = H / H_kv heads that share one.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK: Final = 128
"""Queries that are taken together on a CPU."""


def attention_mask(
    documents: Tensor | None, T: int, device: torch.device, causal: bool = True, window: int | None = None
) -> Tensor:
    """(B or 1, 1, T, T) bool: the places that each place may attend to, itself always among them.

    documents: (B, T), the number of each place's document, beyond which it does not see; None: a row is one document.
    causal: only what came before. window: at most so many places of the row away.
    """
    mask = torch.ones(T, T, dtype=torch.bool, device=device)
    if causal:
        mask = mask.tril()
    if window is not None:
        mask = mask.tril(window).triu(-window)
    if documents is None:
        return mask[None, None]
    return (mask & (documents[:, :, None] == documents[:, None, :]))[:, None]


def attention_weights(q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(head_dim)) where `mask`, heads repeated, in fp32. -> (B, H, T, S)"""
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    scores = q.float() @ k.float().mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


def reference_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """The plain way: attention_weights times v, in fp32. -> (B, H, T, head_dim)"""
    v = v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    return (attention_weights(q, k, mask) @ v.float()).to(q.dtype)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, causal: bool) -> Tensor:
    """Attention of q (B, H, T, head_dim) to k, v (B, H_kv, S, head_dim) where `mask` (B or 1, 1, T, S) is True.

    `causal`: S == T, and the mask is False for all keys that come after a query.
    """
    if q.device.type == "cpu":
        mixed: Tensor = GroupedAttention.apply(q, k, v, mask, causal)  # type: ignore[no-untyped-call]
        return mixed
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


class GroupedAttention(torch.autograd.Function):
    """`attention` by batched products, for a CPU, where SDPA's masked kernel is slow in bf16 (benchmarks/pretrain.py).

    The G queries of a key-value head stand below one another. Causal: by blocks of queries, each with the keys up to
    its end (of T = 2 blocks, 3/4 of the work). With e = exp(scores - max), l = sum(e), o = e v / l, what is kept for
    the gradient is e in the inputs' dtype; given the gradient g of o, by FlashAttention's identity (arXiv 2205.14135,
    appendix B.2), that of the scores is e (g v^T / l - sum(g o) / l): one pass over S numbers a query, both ways.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, causal: bool) -> Tensor:
        q = _grouped(q, k)
        blocks, parts, kept = _blocks(q.shape[3], k.shape[2], causal), [], []
        for start, end, keys in blocks:
            scores = _product(q[:, :, :, start:end], k[:, :, :keys].mT)
            e = _exponentials(scores, mask[:, :, None, start:end, :keys], q.shape[-1])
            share = 1 / e.float().sum(-1, keepdim=True)
            parts.append((_product(e, v[:, :, :keys]) * share).to(q.dtype))
            kept += [e, share]
        out = torch.cat(parts, dim=3) if len(parts) > 1 else parts[0]
        ctx.causal = causal
        ctx.save_for_backward(q, k, v, out, *kept)
        return out.flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, *kept = ctx.saved_tensors
        g = grads[0].view_as(out)
        pull = (g.float() * out.float()).sum(-1, keepdim=True)
        by_q, by_k, by_v = [], torch.zeros_like(k), torch.zeros_like(v)
        for (start, end, keys), e, share in zip(
            _blocks(q.shape[3], k.shape[2], ctx.causal), kept[::2], kept[1::2], strict=True
        ):
            at = slice(start, end)
            scaled = (g[:, :, :, at] * share).to(v.dtype)
            by_e = _product(scaled, v[:, :, :keys].mT)
            by_scores = (e.float() * (by_e.float() - pull[:, :, :, at] * share) * q.shape[-1] ** -0.5).to(q.dtype)
            by_v[:, :, :keys] += e.flatten(2, 3).mT @ scaled.flatten(2, 3)
            by_k[:, :, :keys] += by_scores.flatten(2, 3).mT @ q[:, :, :, at].flatten(2, 3)
            by_q.append(_product(by_scores, k[:, :, :keys]))
        return torch.cat(by_q, dim=3).flatten(1, 2), by_k, by_v, None, None


def _grouped(q: Tensor, k: Tensor) -> Tensor:
    """(B, H, T, head_dim) -> (B, H_kv, G, T, head_dim)"""
    B, H, T, d = q.shape
    return q.reshape(B, k.shape[1], H // k.shape[1], T, d)


def _blocks(T: int, S: int, causal: bool) -> list[tuple[int, int, int]]:
    """(first query, end of the queries, end of the keys) of each block."""
    if not causal:
        return [(0, T, S)]
    return [(start, min(start + BLOCK, T), min(start + BLOCK, T)) for start in range(0, T, BLOCK)]


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """(B, H_kv, G, T, n) times (B, H_kv, n, m) -> (B, H_kv, G, T, m)"""
    return torch.matmul(rows.flatten(2, 3), columns).view(*rows.shape[:4], columns.shape[-1])


def _exponentials(scores: Tensor, mask: Tensor, head_dim: int) -> Tensor:
    """exp(scores / sqrt(head_dim) - max), 0 where not `mask`, in the scores' dtype."""
    scaled = (scores.float() / math.sqrt(head_dim)).masked_fill(~mask, -torch.inf)
    return (scaled - scaled.amax(-1, keepdim=True)).exp().to(scores.dtype)
