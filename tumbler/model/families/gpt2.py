"""GPT-2 (openai/gpt-2, src/model.py): learned positions, LayerNorm, a plain MLP, biases everywhere, a tied head.

Its matrices are stored (in, out) by Hugging Face's Conv1D, q, k and v as one. Dropout acts in training only, and
tumbler trains without: the fields of it are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tumbler.model.config import ModelConfig
from tumbler.model.families.family import Family, Part
from tumbler.model.families.fields import Fields

SWITCHES: Final[dict[str, Any]] = {
    "family": "gpt2",
    "norm": "layer",
    "norm_eps": 1e-5,
    "norm_bias": True,
    "qk_norm": False,
    "positions": "learned",
    "attention_bias": True,
    "mlp_bias": True,
    "gated": False,
    "activation": "gelu_new",
}
FIXED: Final[Mapping[str, Any]] = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "is_causal": True,
}
"""Of `config.json`: see Fields.only."""


def from_hf(fields: Fields) -> ModelConfig:
    fields.only(FIXED)
    width, heads = fields.integer("n_embd"), fields.integer("n_head")
    return ModelConfig(
        vocab_size=fields.integer("vocab_size"),
        hidden_size=width,
        intermediate_size=fields.integer("n_inner", 4 * width),
        num_hidden_layers=fields.integer("n_layer"),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=width // max(1, heads),
        max_position_embeddings=fields.integer("n_positions"),
        **{
            **SWITCHES,
            "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
            "activation": fields.activation("activation_function", "gelu_new"),
            "tie_word_embeddings": fields.boolean("tie_word_embeddings", True),
            "bos_token_id": fields.token("bos_token_id"),
            "eos_token_id": fields.tokens("eos_token_id"),
            "pad_token_id": fields.token("pad_token_id"),
        },
    )


def to_hf(config: ModelConfig) -> dict[str, Any]:
    inner = config.intermediate_size
    return {
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_embd": config.hidden_size,
        "n_layer": config.num_hidden_layers,
        "n_head": config.num_attention_heads,
        "n_positions": config.max_position_embeddings,
        "n_ctx": config.max_position_embeddings,
        "n_inner": None if inner == 4 * config.hidden_size else inner,
        "activation_function": config.activation,
        "layer_norm_epsilon": config.norm_eps,
        **FIXED,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": config.tie_word_embeddings,
    }


def _both(theirs: str, *ours: str, transposed: bool = False) -> tuple[Part, Part]:
    """The weight and the bias of a module."""
    weight = Part(f"{theirs}.weight", tuple(f"{name}.weight" for name in ours), transposed)
    return weight, Part(f"{theirs}.bias", tuple(f"{name}.bias" for name in ours))


_HERE, _OURS = "transformer.h.{}", "model.layers.{}"
PARTS: Final = (
    Part("transformer.wte.weight", ("model.embed_tokens.weight",)),
    Part("transformer.wpe.weight", ("model.embed_positions.weight",)),
    *_both(f"{_HERE}.ln_1", f"{_OURS}.input_layernorm"),
    *_both(f"{_HERE}.attn.c_attn", *(f"{_OURS}.self_attn.{x}_proj" for x in "qkv"), transposed=True),
    *_both(f"{_HERE}.attn.c_proj", f"{_OURS}.self_attn.o_proj", transposed=True),
    *_both(f"{_HERE}.ln_2", f"{_OURS}.post_attention_layernorm"),
    *_both(f"{_HERE}.mlp.c_fc", f"{_OURS}.mlp.up_proj", transposed=True),
    *_both(f"{_HERE}.mlp.c_proj", f"{_OURS}.mlp.down_proj", transposed=True),
    *_both("transformer.ln_f", "model.norm"),
    Part("lm_head.weight", ("lm_head.weight",)),
)
GPT2: Final = Family(
    "GPT2LMHeadModel",
    SWITCHES,
    4.0,
    from_hf,
    to_hf,
    PARTS,
    prefix="transformer.",
    buffers=(".attn.bias", ".attn.masked_bias"),
)
