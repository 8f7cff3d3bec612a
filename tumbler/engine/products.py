"""Matrix products of inference: a weight is laid out once for the machine, then multiplied by rows.

R rows, I inputs, O outputs, G of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.errors import UserError

Weights = Literal["plain", "packed", "int8", "int4"]
LEVELS_8: Final = 127
GROUPS: Final = (128, 64, 32)
"""Weights that share a scale in int4: the largest of these that divides the inputs."""


class Product(Protocol):
    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """x (R, I), scale (R, 1) fp32 -> weight times each row, times its scale, plus the bias: (R, O)"""

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        """stream (R, O) + the product of x (R, I)"""

    def alone(self) -> Product:
        """The same, to be compiled, for one row."""


class Plain:
    """torch's own product, on any device and in any precision."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        return _finished(F.linear(x, self.weight), scale, self.bias)

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        return stream + self(x)

    def alone(self) -> Product:
        return Streamed(self.weight, None, self.bias)


class Streamed:
    """A product of one row that, once compiled, reads the weight as fast as memory gives it."""

    def __init__(self, weight: Tensor, step: Tensor | None, bias: Tensor | None) -> None:
        self.weight, self.step, self.bias = weight, step, bias

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        y = (self.weight.float() * x.float()).sum(-1, keepdim=True).t()
        y = y if self.step is None else y * self.step
        return _finished(y, scale, self.bias).to(x.dtype)

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        return stream + self(x)

    def alone(self) -> Product:
        return self


class Packed:
    """oneDNN's product with the weight in its own blocked layout: torch lays a plain one out again at each call."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight, None), bias

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        y = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")
        return _finished(y, scale, self.bias)

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, stream, self.weight, self.bias, "add")
        return y

    def alone(self) -> Product:
        return Streamed(self.weight.to_dense(), None, self.bias)


class Int8:
    """oneDNN's product of 8-bit rows and 8-bit weights: a scale a row (taken as it comes) and one an output.

    The sums are of integers, hence exact: a row's outcome does not depend on what stands beside it.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        scale = weight.float().abs().amax(1).clamp(min=1e-12) / LEVELS_8
        levels = (weight.float() / scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(levels, None)
        self.scale, self.zero = scale, torch.zeros_like(scale, dtype=torch.int64)
        self.dtype, self.bias = weight.dtype, bias

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        levels, step = quantized(x)
        y = torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, 128, self.weight, self.scale, self.zero, None, 1.0, 0, self.dtype, "none", [], ""
        )
        return _finished(y, step if scale is None else step * scale, self.bias)

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        return self(x).add_(stream)

    def alone(self) -> Product:
        return Streamed(self.weight.to_dense().t().contiguous(), self.scale, self.bias)


class Int4:
    """torch's product of bf16 rows and 4-bit weights, G of which share a scale and a lowest value: least memory to
    read, hence fastest for few rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.group = next((group for group in GROUPS if weight.shape[1] % group == 0), 0)
        if not self.group or weight.dtype != torch.bfloat16:
            shape = list(weight.shape)
            raise UserError(f"int4 needs bf16 and widths that are multiples of {GROUPS[-1]}; a matrix here is {shape}")
        grouped = weight.float().view(len(weight), -1, self.group)
        low, high = grouped.amin(-1), grouped.amax(-1)
        step = ((high - low) / 15).clamp(min=1e-8)
        levels = ((grouped - low[..., None]) / step[..., None]).round().clamp(0, 15).to(torch.int32)
        self.weight = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.view(weight.shape), 1)
        # The kernel takes a level's value as (level - 8) * step + middle.
        self.steps = torch.stack((step, low + 8 * step), -1).transpose(0, 1).contiguous().to(weight.dtype)
        self.bias = bias

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(x, self.weight, self.group, self.steps)
        return _finished(y, scale, self.bias)

    def add(self, x: Tensor, stream: Tensor) -> Tensor:
        return self(x).add_(stream)

    def alone(self) -> Product:
        return self


def quantized(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each row by its own scale: (R, I) uint8 around 128, and the scale (R, 1) fp32."""
    step = (
        torch.linalg.vector_norm(x, torch.inf, -1, keepdim=True, dtype=torch.float32).clamp_(min=1e-12).div_(LEVELS_8)
    )
    return torch.addcdiv(torch.full((), 128.5), x.float(), step).to(torch.uint8), step


def _finished(y: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    """Of a product that nobody else holds."""
    if scale is not None:
        y = y.mul_(scale.to(y.dtype))
    return y if bias is None else y.add_(bias)


def product_of(weights: Weights) -> Callable[[Tensor, Tensor | None], Product]:
    """What lays out a weight and its bias; UserError where torch cannot."""
    if weights in ("packed", "int8") and not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        raise UserError(f"{weights} weights need oneDNN, which this build of torch lacks; use plain ones (fp32)")
    return PRODUCTS[weights]


PRODUCTS: Final[Mapping[Weights, Callable[[Tensor, Tensor | None], Product]]] = {
    "plain": Plain,
    "packed": Packed,
    "int8": Int8,
    "int4": Int4,
}
