"""One dial that derives all sizes of a model, and what a model of given sizes costs."""

from __future__ import annotations

import torch

from tumbler.errors import UserError
from tumbler.model.config import FUSED, FamilyName, ModelConfig, check
from tumbler.model.families.table import FAMILIES
from tumbler.model.transformer import Transformer


def sizes(
    depth: int,
    vocab_size: int,
    context: int,
    *,
    family: FamilyName = "qwen3",
    width: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    mlp: int | None = None,
) -> ModelConfig:
    """All sizes from one dial: 64 of width and one head a layer, the family's MLP (3 widths for Qwen3, as Qwen3-0.6B
    has; 4 for GPT-2), and half as many key-value heads where the family has such and there are at least 4 heads.

    Keyword arguments override what the dial derives. Raises UserError for sizes that do not fit together.
    """
    width = width or 64 * depth
    heads = heads or (width // 64 if width > 64 else 2)
    if width % heads:
        raise UserError(f"model: width {width} is not a multiple of its {heads} heads; change width or heads")
    halved = heads >= 4 and heads % 2 == 0 and family not in FUSED
    config = ModelConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=mlp or int(FAMILIES[family].mlp_width * width),
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or (heads // 2 if halved else heads),
        head_dim=width // heads,
        max_position_embeddings=context,
        **FAMILIES[family].switches,
    )
    check(config, "model")
    return config


def parameters(config: ModelConfig) -> int:
    """How many numbers the model learns; nothing is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Transformer(config).parameters())


def matmul_flops_per_token(config: ModelConfig, T: int) -> int:
    """Floating-point operations of the matrix products of one token's forward and backward pass, T tokens a row.

    6 a weight (2 forward, 4 backward; the embedding look-up is none, the head counts even when tied) and
    12 * width * T a layer for attention, whatever its mask: PaLM's convention (arXiv 2204.02311, appendix B).
    """
    D, attention_width = config.hidden_size, config.num_attention_heads * config.head_dim
    kv_width = config.num_key_value_heads * config.head_dim
    mlp_width = (3 if config.gated else 2) * config.intermediate_size
    block = D * (2 * attention_width + 2 * kv_width + mlp_width)
    head = config.vocab_size * D + (D * D if config.prediction_head else 0)
    return 6 * (config.num_hidden_layers * block + head) + 12 * config.num_hidden_layers * attention_width * T
