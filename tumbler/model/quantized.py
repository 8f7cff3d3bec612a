"""Quantized weights as compressed-tensors lays them out, which transformers and vLLM read.

    int8   "int-quantized": NAME.weight (O, I) int8 and NAME.weight_scale (O, 1); rows of what enters are quantized as
           they come, so products are of 8-bit numbers (W8A8)
    int4   "pack-quantized": NAME.weight_packed (O, I / 8) int32, eight levels of four bits each, the first in the
           lowest bits, NAME.weight_scale (O, I / G) and NAME.weight_shape; only the weights are quantized (W4A16)

O outputs, I inputs, G of a group. Levels are symmetric around 0: a weight is its level times its scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor

from tumbler.errors import UserError
from tumbler.model.safetensors_reader import Stored

Scheme = Literal["int8", "int4"]
GROUPS: Final = (128, 64, 32)
"""Weights that share a scale: the largest of these that divides all inputs."""
PACKED: Final = 8
"""Levels of 4 bits in an int32."""
INTEGERS: Final = ("I8", "I32", "I64")
"""What a file of quantized weights holds beside plain numbers."""


def quantize(weight: Tensor, scheme: Scheme, group: int) -> dict[str, Tensor]:
    """The tensors that stand for a weight (O, I), by what their names end with; scales in its own dtype."""
    if scheme == "int8":
        scale = _scale(weight.float(), 127).to(weight.dtype)
        return {"weight": _levels(weight, scale, 127).to(torch.int8), "weight_scale": scale}
    grouped = weight.view(len(weight), -1, group)
    scale = _scale(grouped.float(), 7).to(weight.dtype)
    levels = _levels(grouped, scale, 7).flatten(1).to(torch.int32) + 8
    shifts = 4 * torch.arange(PACKED, dtype=torch.int32)
    packed = (levels.view(len(weight), -1, PACKED) << shifts).sum(-1, dtype=torch.int32)
    return {"weight_packed": packed, "weight_scale": scale.squeeze(-1), "weight_shape": torch.tensor(weight.shape)}


def dequantize(parts: Mapping[str, Tensor]) -> Tensor:
    """(O, I) fp32, of what `quantize` made."""
    scale = parts["weight_scale"].float()
    if "weight" in parts:
        return parts["weight"].float() * scale
    shifts = 4 * torch.arange(PACKED, dtype=torch.int32)
    levels = ((parts["weight_packed"][..., None] >> shifts) & 15).flatten(1) - 8
    return (levels.view(*scale.shape, -1) * scale[..., None]).flatten(1)


def group_of(inputs: list[int]) -> int:
    """The size of a group for matrices of so many inputs; UserError where none divides all."""
    found = next((group for group in GROUPS if all(count % group == 0 for count in inputs)), None)
    if found is None:
        raise UserError(f"int4 has groups of at least {GROUPS[-1]} weights; the model's widths are no multiples of it")
    return found


def description(scheme: Scheme, group: int, ignored: list[str]) -> dict[str, Any]:
    """What stands under `quantization_config` in config.json."""
    bits, shared = (8, {"strategy": "channel"}) if scheme == "int8" else (4, {"strategy": "group", "group_size": group})
    weights = {"num_bits": bits, "type": "int", "symmetric": True, "dynamic": False, **shared}
    entering = {"num_bits": 8, "type": "int", "symmetric": True, "dynamic": True, "strategy": "token"}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized" if scheme == "int8" else "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights,
                "input_activations": entering if scheme == "int8" else None,
                "output_activations": None,
            }
        },
        "ignore": ignored,
    }


def check_description(value: Any, where: str) -> None:
    """UserError for a `quantization_config` that says anything but the two layouts above."""
    wanted = f"{where}: quantization_config: tumbler reads compressed-tensors with int8 a channel or int4 in groups"
    try:
        (group,) = value["config_groups"].values()
        weights = group["weights"]
        known = {("int-quantized", 8, "channel"), ("pack-quantized", 4, "group")}
        fits = (
            value["quant_method"] == "compressed-tensors"
            and (value["format"], weights["num_bits"], weights["strategy"]) in known
            and weights["type"] == "int"
            and weights["symmetric"] is True
            and group["targets"] == ["Linear"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise UserError(f"{wanted}; import another file of the model")


@dataclass(frozen=True)
class Dequantized(Stored):
    """A weight that several tensors of a file stand for."""

    parts: Mapping[str, Stored]

    def tensor(self) -> Tensor:
        return dequantize({name: part.tensor() for name, part in self.parts.items()})


def dequantized(files: Mapping[str, Stored]) -> dict[str, Stored]:
    """The weights by their names, quantized ones too. UserError when one's tensors do not belong together."""
    found = dict(files)
    for name in [name for name in files if name.endswith(".weight_scale")]:
        stem = name.removesuffix("weight_scale")
        parts = {
            key: found.pop(stem + key)
            for key in ("weight", "weight_scale", "weight_packed", "weight_shape")
            if stem + key in found
        }
        found[stem + "weight"] = Dequantized(files[name].file, _shape(stem, parts), None, stem + "weight", parts)
    return found


def _shape(stem: str, parts: Mapping[str, Stored]) -> tuple[int, ...]:
    shapes = {name: part.shape for name, part in parts.items()}
    match shapes:
        case {"weight": (outputs, inputs), "weight_scale": (rows, 1)} if rows == outputs and len(shapes) == 2:
            return outputs, inputs
        case {"weight_packed": (outputs, words), "weight_scale": (rows, groups), "weight_shape": (2,)} if (
            rows == outputs and groups and words * PACKED % groups == 0
        ):
            return outputs, words * PACKED
    file = next(iter(parts.values())).file
    raise UserError(f"{file}: the quantized tensors {stem}* do not belong together")


def _scale(weight: Tensor, most: int) -> Tensor:
    return weight.abs().amax(-1, keepdim=True).clamp(min=1e-8) / most


def _levels(weight: Tensor, scale: Tensor, most: int) -> Tensor:
    return (weight.float() / scale.float()).round().clamp(-most, most)
