"""What the files of Llama and Qwen3 have in common, and the names of their tensors, which are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tumbler.model.config import SIZES, ModelConfig, RopeScaling
from tumbler.model.families.family import Part
from tumbler.model.families.fields import Fields

BLOCK: Final = (
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
NAMES: Final = (
    "model.embed_tokens.weight",
    *(f"model.layers.{{}}.{module}.{kind}" for module in BLOCK for kind in ("weight", "bias")),
    "model.norm.weight",
    "lm_head.weight",
)
PARTS: Final = tuple(Part(name, (name,)) for name in NAMES)
FIXED: Final[Mapping[str, Any]] = {"is_causal": True, "partial_rotary_factor": 1.0}
"""Of `config.json`: see Fields.only."""


def shared_fields(fields: Fields) -> dict[str, Any]:
    """Fields of ModelConfig that both families' config.json name alike."""
    fields.only(FIXED)
    theta, scaling = fields.rope()
    return {
        "num_key_value_heads": fields.integer("num_key_value_heads", fields.integer("num_attention_heads")),
        **{name: fields.integer(name) for name in SIZES if name not in ("num_key_value_heads", "head_dim")},
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "rope_theta": theta,
        "rope_scaling": scaling,
        "attention_bias": fields.boolean("attention_bias", False),
        "activation": fields.activation("hidden_act", "silu"),
        "tie_word_embeddings": fields.boolean("tie_word_embeddings", False),
        "bos_token_id": fields.token("bos_token_id"),
        "eos_token_id": fields.tokens("eos_token_id"),
        "pad_token_id": fields.token("pad_token_id"),
    }


def shared_json(config: ModelConfig) -> dict[str, Any]:
    """The inverse of `shared_fields`, RoPE in the spellings of transformers 4 and 5."""
    scaling = rope_json(config.rope_scaling)
    return {
        **{name: getattr(config, name) for name in SIZES},
        "hidden_act": config.activation,
        "rms_norm_eps": config.norm_eps,
        "attention_bias": config.attention_bias,
        "attention_dropout": 0.0,
        "tie_word_embeddings": config.tie_word_embeddings,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "rope_parameters": {"rope_theta": config.rope_theta, **(scaling or {"rope_type": "default"})},
    }


def rope_json(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    return {
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_freq_factor,
        "high_freq_factor": scaling.high_freq_factor,
        "original_max_position_embeddings": scaling.original_max_position_embeddings,
    }
