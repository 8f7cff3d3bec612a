"""All that a picture of the network needs: every intermediate of one forward pass.

Shapes: B batch, T time, D model width, M MLP width, H heads, V vocabulary, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tumbler.model.attention import attention_weights
from tumbler.model.places import Places
from tumbler.model.transformer import Block, Transformer


@dataclass(frozen=True)
class LayerTrace:
    residual: Tensor
    """(B, T, D): what the layer reads"""
    attention: Tensor
    """(B, H, T, T) fp32: the weight that each place (row) gives to each place"""
    attention_output: Tensor
    """(B, T, D): what attention adds to the residual"""
    residual_between: Tensor
    """(B, T, D): what the MLP's norm reads"""
    activations: Tensor
    """(B, T, M): the MLP's neurons, after the nonlinearity and the gate"""
    mlp_output: Tensor
    """(B, T, D): what the MLP adds"""
    residual_after: Tensor
    """(B, T, D)"""


@dataclass(frozen=True)
class Trace:
    tokens: Tensor
    """(B, T, D): the token embeddings"""
    positions: Tensor | None
    """(1, T, D): the position embeddings, where they are learned"""
    layers: tuple[LayerTrace, ...]
    residual_norms: Tensor
    """(L + 1, B, T): Euclidean length of the residual before each layer, and after the last"""
    final: Tensor
    """(B, T, D): the last residual, normed"""
    hidden: Tensor
    """(B, T, D): what the head reads: `final`, or what a prediction head makes of it"""
    logits: Tensor
    """(B, T, V)"""
    logits_by_layer: Tensor
    """(L + 1, B, T, V): the residual before each layer, and after the last, read as if it were the last one
    (the logit lens): through the final norm and the head"""


@torch.no_grad()
def trace(model: Transformer, ids: Tensor) -> Trace:
    """The forward pass over ids (B, T), each row one document, step by step; logits as the model's own."""
    decoder = model.model
    positions = torch.arange(ids.shape[1], device=ids.device)[None]
    everywhere, nearby = model.places(positions)
    residual, layers = decoder.embed(ids, positions), list[LayerTrace]()
    for block, local in zip(decoder.layers, decoder.local, strict=True):
        assert isinstance(block, Block)
        layers.append(_layer(block, residual, nearby if local else everywhere))
        residual = layers[-1].residual_after
    residuals = torch.stack([*(layer.residual for layer in layers), residual])
    final = decoder.norm(residuals)
    hidden = model.head(final)
    logits = model.logits(hidden)
    return Trace(
        tokens=decoder.embed_tokens(ids),
        positions=None if decoder.embed_positions is None else decoder.embed_positions(positions),
        layers=tuple(layers),
        residual_norms=residuals.float().norm(dim=-1),
        final=final[-1],
        hidden=hidden[-1],
        logits=logits[-1],
        logits_by_layer=logits,
    )


def _layer(block: Block, x: Tensor, places: Places) -> LayerTrace:
    """Block.forward with its intermediates kept, attention computed in the plain way."""
    attention = block.self_attn
    q, k, v = attention.project(block.input_layernorm(x), places)
    weights = attention_weights(q, k, places.mask)
    added = attention.join((weights @ v.repeat_interleave(q.shape[1] // v.shape[1], 1).float()).to(x.dtype))
    between = x + added
    activations = block.mlp.activations(block.post_attention_layernorm(between))
    mlp_output = block.mlp.down_proj(activations)
    return LayerTrace(x, weights, added, between, activations, mlp_output, between + mlp_output)
