"""Small models of every family, with random weights in every parameter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from hypothesis import strategies as st

from tumbler.model import FamilyName, ModelConfig, RopeScaling, Transformer, init_weights, sizes

FAMILIES: Final[tuple[FamilyName, ...]] = ("qwen3", "llama", "gpt2", "modernbert")
CAUSAL: Final[tuple[FamilyName, ...]] = ("qwen3", "llama", "gpt2")
VOCAB: Final = 96
LLAMA3: Final = RopeScaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)


def small_config(family: FamilyName, **changes: Any) -> ModelConfig:
    """Three layers (ModernBERT: five, of which 0 and 3 are global, the others see 2 places to each side)."""
    config = sizes(3, VOCAB, 64, family=family, width=64, heads=4, mlp=112)
    own = {"modernbert": {"num_hidden_layers": 5, "local_attention": 4}}
    return replace(config, **{**own.get(family, {}), **changes})


def random_weights(config: ModelConfig, seed: int = 3) -> Transformer:
    """Every weight matters, also those that begin as 0 or 1."""
    model = Transformer(config)
    init_weights(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.empty(parameter.shape).normal_(0, 0.1, generator=generator))
    return model


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Any config of any family whose folder can say it."""
    family = draw(st.sampled_from(FAMILIES))
    fused = family in ("gpt2", "modernbert")
    kv_heads, group, head_dim = draw(st.integers(1, 3)), draw(st.integers(1, 3)), 2 * draw(st.integers(1, 4))
    heads = kv_heads if fused else kv_heads * group
    flag, theta = st.booleans(), st.floats(1.0, 1e6)
    token = st.none() | st.integers(0, 9)
    changes: dict[str, Any] = {
        "num_hidden_layers": draw(st.integers(1, 5)),
        "hidden_size": heads * head_dim if fused else draw(st.integers(1, 24)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "norm_eps": draw(st.sampled_from([1e-6, 1e-5])),
        "activation": draw(st.sampled_from(["silu", "gelu", "gelu_new"])),
        "tie_word_embeddings": draw(flag),
        "bos_token_id": draw(token),
        "eos_token_id": draw(token),
        "pad_token_id": draw(token),
    }
    if family in ("qwen3", "llama"):
        changes |= {"attention_bias": draw(flag), "rope_theta": draw(theta)}
        changes |= {"rope_scaling": draw(st.sampled_from([None, LLAMA3]))}
    if family == "llama":
        changes |= {"mlp_bias": draw(flag)}
    if family == "modernbert":
        for name in ("attention_bias", "mlp_bias", "norm_bias", "head_bias"):
            changes[name] = draw(flag)
        changes |= {"rope_theta": draw(theta), "local_rope_theta": draw(theta)}
        changes |= {"global_every": draw(st.integers(1, 4)), "local_attention": 2 * draw(st.integers(1, 9))}
    return replace(small_config(family), **changes)
