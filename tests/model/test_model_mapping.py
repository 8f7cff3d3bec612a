"""A family's names and ours: each config and each set of tensors goes to the family and comes back as it was."""

from __future__ import annotations

import json

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_families import FAMILIES, configs, random_weights, small_config

from tumbler.errors import UserError
from tumbler.model import (
    FamilyName,
    ModelConfig,
    Transformer,
    from_family,
    from_hf,
    matmul_flops_per_token,
    parameters,
    to_family,
    to_hf,
)
from tumbler.train.optimizers import is_matrix


@settings(max_examples=60)
@given(configs())
def test_a_config_survives_its_json(config: ModelConfig) -> None:
    assert from_hf(json.loads(json.dumps(to_hf(config, "float32"))), "config.json") == config


ROPE_KEYS = st.sampled_from(["rope_type", "type", "rope_theta", "factor", "full_attention", "sliding_attention"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ROPE_KEYS, inner, max_size=3))


@settings(max_examples=200)
@given(st.sampled_from(FAMILIES), st.data())
def test_whatever_a_field_holds_it_is_read_or_refused_in_one_line(family: FamilyName, data: st.DataObject) -> None:
    raw = to_hf(small_config(family), "float32")
    raw[data.draw(st.sampled_from(sorted(raw)))] = data.draw(JSON)
    try:
        assert isinstance(from_hf(raw, "config.json"), ModelConfig)
    except UserError as refused:
        assert str(refused).startswith("config.json: ") and "\n" not in str(refused)


@settings(max_examples=40)
@given(configs())
def test_tensors_come_back_from_the_family_bit_for_bit(config: ModelConfig) -> None:
    ours = {name: parameter.detach() for name, parameter in random_weights(config).named_parameters()}
    theirs = to_family(config, ours)
    again = from_family(config, theirs)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in ours.items())
    back = to_family(config, again)
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.items())


@settings(max_examples=40)
@given(configs())
def test_parameters_are_counted_without_any(config: ModelConfig) -> None:
    assert parameters(config) == sum(parameter.numel() for parameter in Transformer(config).parameters())


def test_the_known_models_have_their_known_sizes() -> None:
    """GPT-2 small, Llama 3.1 8B, Qwen3 0.6B and ModernBERT base, by their published config.json."""
    gpt2 = {"architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12}
    llama = {"architectures": ["LlamaForCausalLM"], "vocab_size": 128256, "hidden_size": 4096}
    llama |= {"intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
    llama |= {"num_key_value_heads": 8, "max_position_embeddings": 131072}
    qwen3 = {"architectures": ["Qwen3ForCausalLM"], "vocab_size": 151936, "hidden_size": 1024, "head_dim": 128}
    qwen3 |= {"intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
    qwen3 |= {"num_key_value_heads": 8, "max_position_embeddings": 40960, "tie_word_embeddings": True}
    modernbert = {"architectures": ["ModernBertForMaskedLM"], "vocab_size": 50368, "hidden_size": 768}
    modernbert |= {"intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12}
    modernbert |= {"max_position_embeddings": 8192}
    assert parameters(from_hf({**gpt2, "n_positions": 1024}, "")) == 124_439_808
    assert parameters(from_hf(llama, "")) == 8_030_261_248
    assert parameters(from_hf(qwen3, "")) == 596_049_920
    assert parameters(from_hf(modernbert, "")) == 149_655_232


def test_the_count_of_flops_is_that_of_the_products_which_the_model_does() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.zeros(2, 32, dtype=torch.long)
    for family in FAMILIES:
        config = small_config(family)
        model = random_weights(config)
        with FlopCounterMode(display=False) as counter:
            model(ids).sum().backward()
        assert counter.get_total_flops() == matmul_flops_per_token(config, 32) * ids.numel(), family


def test_the_matrices_of_the_blocks_and_no_others_are_muons() -> None:
    for family in FAMILIES:
        named = dict(random_weights(small_config(family)).named_parameters())
        matrices = {name for name, parameter in named.items() if is_matrix(name, parameter)}
        gates = ("gate", "up", "down") if small_config(family).gated else ("up", "down")
        wanted = (*(f"self_attn.{x}_proj.weight" for x in "qkvo"), *(f"mlp.{x}_proj.weight" for x in gates))
        layers = range(small_config(family).num_hidden_layers)
        assert matrices == {f"model.layers.{layer}.{name}" for layer in layers for name in wanted}
