"""Matrix products of inference: a weight is laid out once for the machine, then multiplied by rows.

R rows, I inputs, O outputs. A product is taken in three steps, so that the first and the last can be fused with what
stands before and after them: `prepare` makes of x (R, I) what the kernel reads, the product itself is one library call,
and `finish` makes (R, O) of what that gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Literal["plain", "packed", "int8"]
Rows = tuple[Tensor, ...]
Prepare = Callable[[Tensor], Rows]
LEVELS_8: Final = 127


class Product(Protocol):
    @staticmethod
    def prepare(x: Tensor) -> Rows: ...

    def __call__(self, *rows: Tensor) -> Rows:
        """What `prepare` made -> what `finish` takes."""


def finish(y: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """(R, O)"""
    if scale is not None:
        y = (y * scale).to(y.dtype)
    return y if bias is None else y + bias


def quantized(x: Tensor) -> Rows:
    """Each row by its own scale: (R, I) uint8 around 128, and the scale (R, 1) fp32."""
    x = x.float()
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / LEVELS_8
    return (x / scale + 128.5).to(torch.uint8), scale


class Plain(Product):
    """torch's own product, on any device and in any precision."""

    @staticmethod
    def prepare(x: Tensor) -> Rows:
        return (x,)

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, *rows: Tensor) -> Rows:
        return (F.linear(rows[0], self.weight, self.bias),)


class Packed(Product):
    """oneDNN's product with the weight in its own blocked layout: torch lays a plain one out again at each call."""

    @staticmethod
    def prepare(x: Tensor) -> Rows:
        return (x,)

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight, None), bias

    def __call__(self, *rows: Tensor) -> Rows:
        return (torch.ops.mkldnn._linear_pointwise(rows[0], self.weight, self.bias, "none", [], ""),)


class Int8(Product):
    """oneDNN's product of 8-bit rows and 8-bit weights: a scale a row (taken as it comes) and one an output.

    The sums are of integers, hence exact: a row's outcome does not depend on what stands beside it.
    """

    @staticmethod
    def prepare(x: Tensor) -> Rows:
        return quantized(x)

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        scale = weight.float().abs().amax(1).clamp(min=1e-12) / LEVELS_8
        levels = (weight.float() / scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(levels, None)
        self.scale, self.zero = scale, torch.zeros_like(scale, dtype=torch.int64)
        self.dtype, self.bias = weight.dtype, bias

    def __call__(self, *rows: Tensor) -> Rows:
        levels, scale = rows
        y = torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, 128, self.weight, self.scale, self.zero, None, 1.0, 0, self.dtype, "none", [], ""
        )
        return (y, scale) if self.bias is None else (y, scale, self.bias)


PRODUCTS: Final[Mapping[Weights, Callable[[Tensor, Tensor | None], Product]]] = {
    "plain": Plain,
    "packed": Packed,
    "int8": Int8,
}
