"""ModelConfig <-> the metadata by which llama.cpp knows an architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from tumbler.errors import UserError
from tumbler.model import ModelConfig
from tumbler.model.config import RopeScaling, check
from tumbler.model.families.fields import Fields
from tumbler.model.families.table import FAMILIES
from tumbler.model.rotary import frequencies

ACTIVATION: Final = {"llama": "silu", "qwen3": "silu", "gpt2": "gelu_new"}
"""The families that GGUF takes in and out, each with the one activation that llama.cpp computes for it."""
SIZES: Final = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
}
HEAD: Final = ("attention.key_length", "attention.value_length", "rope.dimension_count")
"""All three are `head_dim` here."""
THETA: Final = "rope.freq_base"
EPSILON: Final = {"rms": "attention.layer_norm_rms_epsilon", "layer": "attention.layer_norm_epsilon"}
NEUTRAL: Final = ("vocab_size", "tensor_data_layout")
"""Keys that change nothing: the embedding tells the vocabulary, the other is for conversion."""
ROPE_FACTORS: Final = "rope_freqs.weight"
LLAMA3: Final[Mapping[str, Any]] = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""Of Llama 3.1, 3.2 and 3.3, whose GGUF files hold only what comes of it: a divisor for each frequency."""


def to_gguf(config: ModelConfig, where: str) -> dict[str, int | float]:
    """Hyperparameters; UserError for a model that llama.cpp would not compute as we do."""
    family = config.family
    if family not in ACTIVATION:
        told = f"{where}: llama.cpp runs {family} for embeddings only, without the head that fills masks"
        raise UserError(f"{told}; GGUF export knows {', '.join(ACTIVATION)}")
    if config.activation != ACTIVATION[family]:
        raise UserError(f"{where}: llama.cpp's {family} computes {ACTIVATION[family]}, not {config.activation}")
    if family == "qwen3" and (config.attention_bias or config.rope_scaling):
        raise UserError(f"{where}: llama.cpp's qwen3 has neither attention_bias nor rope_scaling")
    values = {key: getattr(config, name) for key, name in SIZES.items()}
    if config.positions == "rope":
        values |= {**dict.fromkeys(HEAD, config.head_dim), THETA: config.rope_theta}
    values |= {EPSILON[config.norm]: config.norm_eps, "vocab_size": config.vocab_size}
    return {f"{family}.{key}": value for key, value in values.items()}


def from_gguf(
    metadata: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], factors: Tensor | None, where: str
) -> ModelConfig:
    """The model that a file's metadata and its tensors' shapes describe; `factors` as `rope_factors` gives them.

    Raises UserError for an architecture, or a setting of one, that our transformer does not compute.
    """
    family = metadata.get("general.architecture")
    if family not in ACTIVATION:
        raise UserError(f"{where}: general.architecture = {family!r}: of GGUF, tumbler runs {', '.join(ACTIVATION)}")
    prefix = f"{family}."
    fields = Fields(
        {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)},
        f"{where}: {family}",
    )
    switches: dict[str, Any] = {**FAMILIES[family].switches}
    _refuse_unknown(fields)
    heads, width = fields.integer("attention.head_count"), fields.integer("embedding_length")
    head_dim = fields.integer(HEAD[0], width // max(1, heads))
    fields.only(dict.fromkeys(HEAD, head_dim))
    sizes: dict[str, Any] = {
        name: fields.integer(key, heads if key.endswith("_kv") else None) for key, name in SIZES.items()
    }
    theta = fields.number(THETA, 1e4)
    if family == "llama":
        biased = {"attention_bias": "blk.0.attn_q.bias" in shapes, "mlp_bias": "blk.0.ffn_up.bias" in shapes}
        switches |= {**biased, "rope_scaling": _rope_scaling(factors, head_dim, theta, where)}
    config = ModelConfig(
        vocab_size=(shapes.get("token_embd.weight") or [0])[0],
        head_dim=head_dim,
        **sizes,
        rope_theta=theta,
        **{**switches, "norm_eps": fields.number(EPSILON[switches.get("norm", "rms")])},
        tie_word_embeddings="output.weight" not in shapes,
    )
    check(config, where)
    return config


def rope_factors(config: ModelConfig) -> Tensor | None:
    """(head_dim / 2,) fp32: what each frequency is divided by, which llama.cpp reads from a tensor of its own."""
    if config.rope_scaling is None:
        return None
    cpu = torch.device("cpu")
    plain = frequencies(config.head_dim, config.rope_theta, None, cpu)
    return plain / frequencies(config.head_dim, config.rope_theta, config.rope_scaling, cpu)


def _rope_scaling(factors: Tensor | None, head_dim: int, theta: float, where: str) -> RopeScaling | None:
    """The scaling that gives these factors; UserError when it is not one of Llama 3's."""
    if factors is None:
        return None
    scaling = RopeScaling(round(float(factors.max()), 3), **LLAMA3)
    cpu = torch.device("cpu")
    wanted = frequencies(head_dim, theta, None, cpu) / frequencies(head_dim, theta, scaling, cpu)
    if factors.shape != wanted.shape or not torch.allclose(factors, wanted, rtol=1e-4):
        raise UserError(
            f"{where}: {ROPE_FACTORS} is not the RoPE scaling of Llama 3.1 to 3.3; import its folder instead"
        )
    return scaling


def _refuse_unknown(fields: Fields) -> None:
    known = {*SIZES, *HEAD, THETA, *EPSILON.values(), *NEUTRAL}
    for key, value in fields.raw.items():
        if key not in known and value not in (0, False, "none", []):
            raise UserError(f"{fields.where}: {key} = {value!r}: a setting that tumbler's transformer does not have")
