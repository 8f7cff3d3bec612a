"""What a transformer is made of: sizes, and the switches by which families differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tumbler.errors import UserError

FamilyName = Literal["qwen3", "llama", "gpt2", "modernbert"]
Activation = Literal["silu", "gelu", "gelu_new"]
"""`gelu_new` is GPT-2's approximation of gelu by tanh (arXiv 1606.08415)."""

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
LARGEST: Final = 2**28
"""Of any size: three matrices of two such sizes still fit the 64 bits in which torch counts bytes."""
MOST_LAYERS: Final = 1024
"""Far above the deepest models (126 layers: Llama 3.1 405B); a module is built for each, before any weight is read."""
FUSED: Final = ("gpt2", "modernbert")
"""Families that store q, k and v as one matrix of three equal square parts."""


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3.1's stretching of slow rotations (`rope_type: llama3`; see rotary.py)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@dataclass(frozen=True)
class ModelConfig:
    """A transformer; as it stands, one of the Qwen3 family (arXiv 2505.09388).

    Where Hugging Face's `config.json` of Llama and Qwen3 has a field of the same meaning, it has the same name.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    family: FamilyName = "qwen3"
    causal: bool = True
    """A place sees what stands before it only; False: all of its document."""
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-6
    norm_bias: bool = False
    qk_norm: bool = True
    embed_norm: bool = False
    """A norm follows the embedding, and the first block's attention has none of its own."""
    positions: Literal["rope", "learned"] = "rope"
    rope_theta: float = 1e4
    rope_scaling: RopeScaling | None = None
    local_attention: int | None = None
    """Local layers see half as many places to each side; None: all layers see everything."""
    local_rope_theta: float = 1e4
    global_every: int = 1
    """Layers 0, n, 2n, ... see everything, where `local_attention` is given."""
    attention_bias: bool = False
    mlp_bias: bool = False
    gated: bool = True
    activation: Activation = "silu"
    prediction_head: Activation | None = None
    """A dense layer, this activation and a norm stand before the output matrix."""
    head_bias: bool = False
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None
    pad_token_id: int | None = None

    def is_local(self, layer: int) -> bool:
        return self.local_attention is not None and layer % self.global_every != 0


def check(config: ModelConfig, where: str) -> None:
    """UserError, beginning with `where`, when the sizes make no model."""
    for name in SIZES:
        most = MOST_LAYERS if name == "num_hidden_layers" else LARGEST
        if not 1 <= getattr(config, name) <= most:
            raise UserError(f"{where}: {name} = {getattr(config, name)}: must be from 1 to {most:,}")
    heads, kv_heads, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    if heads % kv_heads:
        raise UserError(f"{where}: {heads} attention heads cannot share {kv_heads} key-value heads; use a divisor")
    if heads * head_dim > LARGEST:
        raise UserError(f"{where}: {heads} heads of head_dim {head_dim}: together at most {LARGEST:,}")
    if config.positions == "rope" and head_dim % 2:
        raise UserError(f"{where}: head_dim = {head_dim}: must be even, since RoPE turns pairs")
    if config.family in FUSED and (kv_heads != heads or heads * head_dim != config.hidden_size):
        shape = f"{heads} heads, {kv_heads} key-value heads of {head_dim}, hidden_size {config.hidden_size}"
        raise UserError(f"{where}: {shape}: {config.family} has as many key-value heads as heads, hidden_size in all")
