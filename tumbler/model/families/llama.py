"""Llama (arXiv 2302.13971; 3.1 with its scaled RoPE: arXiv 2407.21783): RMSNorm, RoPE, grouped queries, SwiGLU."""

from __future__ import annotations

from typing import Any, Final

from tumbler.model.config import ModelConfig
from tumbler.model.families.decoder import PARTS, shared_fields, shared_json
from tumbler.model.families.family import Family
from tumbler.model.families.fields import Fields

SWITCHES: Final[dict[str, Any]] = {"family": "llama", "qk_norm": False, "norm_eps": 1e-5}


def from_hf(fields: Fields) -> ModelConfig:
    width, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    own = {
        "head_dim": fields.integer("head_dim", width // max(1, heads)),
        "mlp_bias": fields.boolean("mlp_bias", False),
    }
    return ModelConfig(**{**SWITCHES, **shared_fields(fields), **own})


def to_hf(config: ModelConfig) -> dict[str, Any]:
    return {"model_type": "llama", **shared_json(config), "mlp_bias": config.mlp_bias, "pretraining_tp": 1}


LLAMA: Final = Family("LlamaForCausalLM", SWITCHES, 3.0, from_hf, to_hf, PARTS, buffers=(".rotary_emb.inv_freq",))
