"""Qwen3 (arXiv 2505.09388): RMSNorm, RoPE, grouped queries, QK-norm, SwiGLU."""

from __future__ import annotations

from typing import Any, Final

from tumbler.errors import UserError
from tumbler.model.config import ModelConfig
from tumbler.model.families.decoder import PARTS, shared_fields, shared_json
from tumbler.model.families.family import Family
from tumbler.model.families.fields import Fields

SWITCHES: Final[dict[str, Any]] = {"family": "qwen3"}
HEAD_DIM: Final = 128
"""transformers' own, where config.json has none."""


def from_hf(fields: Fields) -> ModelConfig:
    fields.only({"use_sliding_window": False})
    kinds = fields.raw.get("layer_types")
    if kinds is not None and (not isinstance(kinds, list) or any(kind != "full_attention" for kind in kinds)):
        raise UserError(f"{fields.where}: layer_types: tumbler's qwen3 knows only 'full_attention' layers")
    return ModelConfig(**{**SWITCHES, **shared_fields(fields), "head_dim": fields.integer("head_dim", HEAD_DIM)})


def to_hf(config: ModelConfig) -> dict[str, Any]:
    window = {"use_sliding_window": False, "sliding_window": None, "max_window_layers": config.num_hidden_layers}
    return {"model_type": "qwen3", **shared_json(config), **window}


QWEN3: Final = Family("Qwen3ForCausalLM", SWITCHES, 3.0, from_hf, to_hf, PARTS)
