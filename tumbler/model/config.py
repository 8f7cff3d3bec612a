"""The sizes of a model: the fields of a Qwen3 `config.json`, one dial that derives them, their cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tumbler.errors import UserError

ARCHITECTURE: Final = "Qwen3ForCausalLM"
SIZES: Final = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
FIXED: Final[Mapping[str, Any]] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "use_sliding_window": False,
    "rope_scaling": None,
}
"""Fields of `config.json` of which our transformer knows one value only; absent means that value."""


@dataclass(frozen=True)
class ModelConfig:
    """A decoder of the Qwen3 family (arXiv 2505.09388). Field names and meanings are `config.json`'s."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rope_theta: float = 1e4
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None


def sizes(
    depth: int,
    vocab_size: int,
    context: int,
    *,
    width: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    mlp: int | None = None,
) -> ModelConfig:
    """All sizes from one dial: 64 of width and one head a layer, MLP of 3 widths (as Qwen3-0.6B has).

    Keyword arguments override what the dial derives. Raises UserError for sizes that do not fit together.
    """
    width = width or 64 * depth
    heads = heads or max(1, width // 64) if width > 64 else 2
    kv_heads = kv_heads or (heads // 2 if heads >= 4 and heads % 2 == 0 else heads)
    if width % heads:
        raise UserError(f"model: width {width} is not a multiple of its {heads} heads; change width or heads")
    config = ModelConfig(
        vocab_size, width, mlp or 3 * width, depth, heads, kv_heads, width // heads, max_position_embeddings=context
    )
    check(config, "model")
    return config


def check(config: ModelConfig, where: str) -> None:
    """UserError, beginning with `where`, when the sizes make no model."""
    for name in SIZES:
        if getattr(config, name) < 1:
            raise UserError(f"{where}: {name} = {getattr(config, name)}: must be at least 1")
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % kv_heads:
        raise UserError(f"{where}: {heads} attention heads cannot share {kv_heads} key-value heads; use a divisor")
    if config.head_dim % 2:
        raise UserError(f"{where}: head_dim = {config.head_dim}: must be even, since RoPE turns pairs")


def matmul_flops_per_token(config: ModelConfig, T: int) -> int:
    """Floating-point operations of the matrix products of one token's forward and backward pass.

    6 a weight (2 forward, 4 backward; the embedding look-up is none, the head counts even when tied) and
    12 * width * T a layer for attention, causal or not: PaLM's convention (arXiv 2204.02311, appendix B).
    """
    attention_width = config.num_attention_heads * config.head_dim
    kv_width = config.num_key_value_heads * config.head_dim
    block = config.hidden_size * (2 * attention_width + 2 * kv_width + 3 * config.intermediate_size)
    weights = config.num_hidden_layers * block + config.vocab_size * config.hidden_size
    return 6 * weights + 12 * config.num_hidden_layers * attention_width * T


def to_hf(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """The `config.json` that transformers 4 (top-level `rope_theta`) and 5 (`rope_parameters`) both read."""
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "qwen3",
        **dataclasses.asdict(config),
        "rope_parameters": {"rope_theta": config.rope_theta, "rope_type": "default"},
        **FIXED,
        "sliding_window": None,
        "max_window_layers": config.num_hidden_layers,
        "use_cache": True,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def from_hf(raw: Mapping[str, Any], where: str) -> ModelConfig:
    """A ModelConfig from an untrusted `config.json`; UserError, beginning with `where`, for what we cannot run."""
    architecture = raw.get("architectures")
    if architecture != [ARCHITECTURE]:
        raise UserError(f"{where}: architectures = {architecture!r}: tumbler runs {ARCHITECTURE} only")
    for name, value in FIXED.items():
        if raw.get(name, value) != value:
            raise UserError(f"{where}: {name} = {raw[name]!r}: tumbler's model knows only {value!r}")
    fields = {name: _integer(raw, name, where) for name in SIZES}
    config = ModelConfig(
        **fields,
        rope_theta=_rope_theta(raw, where),
        rms_norm_eps=_positive(raw.get("rms_norm_eps", 1e-6), "rms_norm_eps", where),
        tie_word_embeddings=_boolean(raw, "tie_word_embeddings", where),
        bos_token_id=_optional_integer(raw, "bos_token_id", where),
        eos_token_id=_optional_integer(raw, "eos_token_id", where),
        pad_token_id=_optional_integer(raw, "pad_token_id", where),
    )
    check(config, where)
    return config


def _integer(raw: Mapping[str, Any], name: str, where: str) -> int:
    value = raw.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"{where}: {name} = {value!r}: must be a whole number")
    return value


def _optional_integer(raw: Mapping[str, Any], name: str, where: str) -> int | None:
    return None if raw.get(name) is None else _integer(raw, name, where)


def _boolean(raw: Mapping[str, Any], name: str, where: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise UserError(f"{where}: {name} = {value!r}: must be true or false")
    return value


def _positive(value: Any, name: str, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise UserError(f"{where}: {name} = {value!r}: must be a number above 0")
    return float(value)


def _rope_theta(raw: Mapping[str, Any], where: str) -> float:
    rope = raw.get("rope_parameters") or {"rope_theta": raw.get("rope_theta")}
    if not isinstance(rope, dict) or rope.get("rope_type", "default") != "default":
        raise UserError(f"{where}: rope_parameters = {rope!r}: tumbler knows rope_type 'default' only")
    return _positive(rope.get("rope_theta"), "rope_theta", where)
