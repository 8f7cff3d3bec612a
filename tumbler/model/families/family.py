"""What a family file holds: how its config.json is read and written, and how its tensors map to ours.

Shapes: a matrix of ours is (out, in), as in torch's Linear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from tumbler.model.config import ModelConfig
from tumbler.model.families.fields import Fields

LAYER: Final = "{}"
"""Stands for the layer's number in a Part's names."""


@dataclass(frozen=True)
class Part:
    """One tensor of the family, and what it holds of ours: equal parts, one below another."""

    theirs: str
    ours: tuple[str, ...]
    transposed: bool = False
    """Stored (in, out), as GPT-2's Conv1D does."""

    def split(self, tensor: Tensor) -> dict[str, Tensor]:
        """Ours from theirs: views of `tensor`."""
        pieces = (tensor.mT if self.transposed else tensor).chunk(len(self.ours))
        return dict(zip(self.ours, pieces, strict=True))

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        """Theirs from ours."""
        tensor = torch.cat(list(pieces)) if len(pieces) > 1 else pieces[0]
        return tensor.mT if self.transposed else tensor

    def at(self, layer: int) -> Part:
        number = str(layer)
        ours = tuple(name.replace(LAYER, number) for name in self.ours)
        return Part(self.theirs.replace(LAYER, number), ours, self.transposed)


@dataclass(frozen=True)
class Family:
    architecture: str
    """The class of transformers that reads its folders."""
    switches: Mapping[str, Any]
    """Fields of ModelConfig that make this family; a folder's config.json may change some."""
    mlp_width: float
    """Of the MLP, in widths of the model: what the `depth` dial takes."""
    from_hf: Callable[[Fields], ModelConfig]
    to_hf: Callable[[ModelConfig], dict[str, Any]]
    parts: tuple[Part, ...]
    prefix: str = ""
    """Of the names of all tensors; older checkpoints were saved without it."""
    buffers: tuple[str, ...] = field(default=())
    """Endings of names of tensors that older checkpoints hold, which are no weights."""
    output: str = "lm_head.weight"
    """Its name of the output matrix, which may be stored although the embedding serves as one."""
