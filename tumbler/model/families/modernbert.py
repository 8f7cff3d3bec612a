"""ModernBERT (arXiv 2412.13663): a bidirectional encoder with RoPE and GeGLU, most layers local, masked objective.

q, k and v are stored as one matrix, so are the MLP's gate and up. Dropout acts in training only, and tumbler trains
without: the fields of it are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tumbler.errors import UserError
from tumbler.model.config import ModelConfig
from tumbler.model.families.family import Family, Part
from tumbler.model.families.fields import Fields

SWITCHES: Final[dict[str, Any]] = {
    "family": "modernbert",
    "causal": False,
    "norm": "layer",
    "norm_eps": 1e-5,
    "qk_norm": False,
    "embed_norm": True,
    "rope_theta": 160_000.0,
    "local_attention": 128,
    "local_rope_theta": 10_000.0,
    "global_every": 3,
    "activation": "gelu",
    "prediction_head": "gelu",
    "head_bias": True,
}
FIXED: Final[Mapping[str, Any]] = {"classifier_bias": False}
"""Of `config.json`: see Fields.only."""
GLOBAL, LOCAL = "full_attention", "sliding_attention"


def from_hf(fields: Fields) -> ModelConfig:
    fields.only(FIXED)
    width, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    layers = fields.integer("num_hidden_layers")
    return ModelConfig(
        vocab_size=fields.integer("vocab_size"),
        hidden_size=width,
        intermediate_size=fields.integer("intermediate_size"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=width // max(1, heads),
        max_position_embeddings=fields.integer("max_position_embeddings"),
        **{**SWITCHES, **_switches(fields, layers)},
    )


def _switches(fields: Fields, layers: int) -> dict[str, Any]:
    """What may differ between folders of the family; defaults are transformers'."""
    return {
        "norm_eps": fields.number("norm_eps", 1e-5),
        "norm_bias": fields.boolean("norm_bias", False),
        "rope_theta": _theta(fields, GLOBAL, "global_rope_theta", 160_000.0),
        "local_attention": fields.integer("local_attention", 128),
        "local_rope_theta": _theta(fields, LOCAL, "local_rope_theta", 10_000.0),
        "global_every": _global_every(fields, layers),
        "attention_bias": fields.boolean("attention_bias", False),
        "mlp_bias": fields.boolean("mlp_bias", False),
        "activation": fields.activation("hidden_activation", "gelu"),
        "prediction_head": fields.activation("classifier_activation", "gelu"),
        "head_bias": fields.boolean("decoder_bias", True),
        "tie_word_embeddings": fields.boolean("tie_word_embeddings", True),
        "bos_token_id": fields.token("bos_token_id"),
        "eos_token_id": fields.token("eos_token_id"),
        "pad_token_id": fields.token("pad_token_id"),
    }


def _theta(fields: Fields, kind: str, old_name: str, default: float) -> float:
    """`rope_parameters` by kind of layer (transformers 5), else a field of its own (transformers 4)."""
    fields.only({"rope_scaling": None})
    rope = fields.table("rope_parameters").table(kind)
    rope.only({"rope_type": "default", "partial_rotary_factor": 1.0})
    return rope.number("rope_theta", fields.number(old_name, default))


def _global_every(fields: Fields, layers: int) -> int:
    """n where layers 0, n, 2n ... see everything; `layer_types` (transformers 5) must say the same."""
    kinds = fields.raw.get("layer_types")
    if kinds is None:
        return max(1, fields.integer("global_attn_every_n_layers", 3))
    kinds = kinds if isinstance(kinds, list) else []
    second = kinds.index(GLOBAL, 1) if GLOBAL in kinds[1:] else len(kinds)
    every = max(1, fields.integer("global_attn_every_n_layers", second))
    if len(kinds) != layers or kinds != layer_types(layers, every):
        rule = f"tumbler knows a {GLOBAL} layer first and every n layers, {LOCAL} ones between"
        raise UserError(f"{fields.where}: layer_types does not fit num_hidden_layers = {layers}, n = {every}: {rule}")
    return every


def layer_types(layers: int, every: int) -> list[str]:
    return [LOCAL if layer % every else GLOBAL for layer in range(layers)]


def to_hf(config: ModelConfig) -> dict[str, Any]:
    thetas = {GLOBAL: config.rope_theta, LOCAL: config.local_rope_theta}
    return {
        "model_type": "modernbert",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "norm_eps": config.norm_eps,
        "norm_bias": config.norm_bias,
        "attention_bias": config.attention_bias,
        "mlp_bias": config.mlp_bias,
        "hidden_activation": config.activation,
        "classifier_activation": config.prediction_head,
        **FIXED,
        "decoder_bias": config.head_bias,
        "tie_word_embeddings": config.tie_word_embeddings,
        "local_attention": config.local_attention,
        "global_attn_every_n_layers": config.global_every,
        "layer_types": layer_types(config.num_hidden_layers, config.global_every),
        "global_rope_theta": config.rope_theta,
        "local_rope_theta": config.local_rope_theta,
        "rope_parameters": {kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in thetas.items()},
        "cls_token_id": config.bos_token_id,
        "sep_token_id": config.eos_token_id,
    }


_HERE = "model.layers.{}"
MODULES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("model.embeddings.tok_embeddings", ("model.embed_tokens",)),
    ("model.embeddings.norm", ("model.embed_norm",)),
    (f"{_HERE}.attn_norm", (f"{_HERE}.input_layernorm",)),
    (f"{_HERE}.attn.Wqkv", tuple(f"{_HERE}.self_attn.{x}_proj" for x in "qkv")),
    (f"{_HERE}.attn.Wo", (f"{_HERE}.self_attn.o_proj",)),
    (f"{_HERE}.mlp_norm", (f"{_HERE}.post_attention_layernorm",)),
    (f"{_HERE}.mlp.Wi", (f"{_HERE}.mlp.gate_proj", f"{_HERE}.mlp.up_proj")),
    (f"{_HERE}.mlp.Wo", (f"{_HERE}.mlp.down_proj",)),
    ("model.final_norm", ("model.norm",)),
    ("head.dense", ("head.dense",)),
    ("head.norm", ("head.norm",)),
    ("decoder", ("lm_head",)),
)
PARTS: Final = tuple(
    Part(f"{theirs}.{kind}", tuple(f"{name}.{kind}" for name in ours))
    for theirs, ours in MODULES
    for kind in ("weight", "bias")
)
MODERNBERT: Final = Family("ModernBertForMaskedLM", SWITCHES, 1.5, from_hf, to_hf, PARTS, output="decoder.weight")
