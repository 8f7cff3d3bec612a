"""Rotary positions (RoPE, arXiv 2104.09864): each pair of a head's numbers is turned by an angle that grows with
the position.

Shapes: B batch, T time, H heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tumbler.model.config import RopeScaling


def frequencies(head_dim: int, theta: float, scaling: RopeScaling | None, device: torch.device) -> Tensor:
    """(head_dim / 2,) fp32: radians that pair i turns by per position, theta^(-2i / head_dim), then scaled."""
    exponents = torch.arange(0, head_dim, 2, device=device).float() / head_dim
    turns = 1.0 / theta**exponents
    return turns if scaling is None else scaled(turns, scaling)


def scaled(turns: Tensor, scaling: RopeScaling) -> Tensor:
    """Llama 3.1's rule: pairs that turn often within the original context keep their frequency, those that turn
    rarely get it divided by `factor`, those between a mean of both (arXiv 2407.21783; `rope_type` llama3 of
    transformers)."""
    rotations_in_context = scaling.original_max_position_embeddings * turns / (2 * math.pi)
    kept = (rotations_in_context - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    return torch.lerp(turns / scaling.factor, turns, kept.clamp(0, 1))


def rotations(positions: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine (B, 1, T, head_dim), fp32, of positions (B, T) * turns (head_dim / 2,)."""
    angles = positions[:, None, :, None].float() * turns
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i + head_dim/2}) of x (B, H, T, head_dim) by its place's angle."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)
