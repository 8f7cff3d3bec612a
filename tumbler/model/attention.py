"""Attention under a mask: the plain reference, and the forms that are fast on each machine.

Shapes: B batch, T queries, S keys, H heads, H_kv key-value heads, G = H / H_kv heads that share one.
"""

from __future__ import annotations

import math
from typing import Final

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
        return causal_attention(q, k, v, mask) if causal else grouped_attention(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def causal_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """grouped_attention by blocks of queries, each with the keys up to its end: of T = 2 blocks, 3/4 of the work."""
    starts = range(0, q.shape[2], BLOCK)
    ends = [min(start + BLOCK, q.shape[2]) for start in starts]
    parts = [
        grouped_attention(q[:, :, start:end], k[:, :, :end], v[:, :, :end], mask[..., start:end, :end])
        for start, end in zip(starts, ends, strict=True)
    ]
    return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Two batched products around a softmax; the G queries of a key-value head stand below one another.

    On a CPU this is faster than SDPA, whose masked kernel is slow in bf16 (see benchmarks/pretrain.py).
    """
    B, H, T, d = q.shape
    H_kv, S = k.shape[1], k.shape[2]
    scores = (q.reshape(B, H_kv, (H // H_kv) * T, d) @ k.mT).view(B, H_kv, H // H_kv, T, S)
    scores = (scores.float() * d**-0.5).masked_fill(~mask[:, :, None], -torch.inf)
    weights = scores.softmax(-1).to(v.dtype).view(B, H_kv, (H // H_kv) * T, S)
    return torch.matmul(weights, v).view(B, H, T, d)
