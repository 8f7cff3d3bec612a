"""The families by name; a config.json read and written; tensors mapped between a family's names and ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from torch import Tensor

from tumbler.errors import UserError
from tumbler.model.config import FamilyName, ModelConfig, check
from tumbler.model.families.family import LAYER, Family, Part
from tumbler.model.families.fields import Fields
from tumbler.model.families.gpt2 import GPT2
from tumbler.model.families.llama import LLAMA
from tumbler.model.families.modernbert import MODERNBERT
from tumbler.model.families.qwen3 import QWEN3

FAMILIES: Final[Mapping[FamilyName, Family]] = {"qwen3": QWEN3, "llama": LLAMA, "gpt2": GPT2, "modernbert": MODERNBERT}
FIXED: Final[Mapping[str, Any]] = {"is_encoder_decoder": False}
"""Of any `config.json`: see Fields.only."""


def from_hf(raw: Mapping[str, Any], where: str) -> ModelConfig:
    """A ModelConfig from an untrusted `config.json`; UserError, beginning with `where`, for what we cannot run.

    Fields that transformers' class of the family does not have are not read, there as here.
    """
    fields = Fields(raw, where)
    family = _family(fields)
    fields.only(FIXED)
    config = family.from_hf(fields)
    check(config, where)
    return config


def to_hf(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """The `config.json` that transformers 4 and 5 both read; `dtype` is that of the weights beside it."""
    family = FAMILIES[config.family]
    eos = list(config.eos_token_id) if isinstance(config.eos_token_id, tuple) else config.eos_token_id
    return {
        "architectures": [family.architecture],
        **family.to_hf(config),
        "bos_token_id": config.bos_token_id,
        "eos_token_id": eos,
        "pad_token_id": config.pad_token_id,
        "initializer_range": 0.02,
        "use_cache": config.causal,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def to_family(config: ModelConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The family's tensors by its names, from ours by ours; all parts of each of the family's must be there."""
    return {
        part.theirs: part.join([tensors[name] for name in part.ours])
        for part in parts(config)
        if any(name in tensors for name in part.ours)
    }


def from_family(config: ModelConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_family`: views of `tensors` by our names. What is no weight of the family's is left out."""
    named = {canonical(config, name): tensor for name, tensor in tensors.items()}
    return {
        name: piece
        for part in parts(config)
        if part.theirs in named
        for name, piece in part.split(named[part.theirs]).items()
    }


def parts(config: ModelConfig) -> Iterator[Part]:
    """All tensors that a model of the family may have, layer by layer."""
    for part in FAMILIES[config.family].parts:
        if LAYER in part.theirs:
            yield from (part.at(layer) for layer in range(config.num_hidden_layers))
        else:
            yield part


def canonical(config: ModelConfig, stored: str) -> str:
    """The family's name of a stored tensor, which older checkpoints lack the prefix of."""
    family = FAMILIES[config.family]
    bare = not stored.startswith(family.prefix) and stored != family.output
    return family.prefix + stored if bare else stored


def _family(fields: Fields) -> Family:
    """By `architectures`; by `model_type` where a config.json has only that."""
    architectures = fields.raw.get("architectures")
    for name, family in FAMILIES.items():
        if architectures == [family.architecture] or (architectures is None and fields.raw.get("model_type") == name):
            return family
    known = ", ".join(family.architecture for family in FAMILIES.values())
    raise UserError(f"{fields.where}: architectures = {architectures!r}: tumbler runs {known} only")
