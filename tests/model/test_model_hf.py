"""Our transformer and transformers' own Qwen3 are the same function, both ways through a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from tumbler.errors import UserError
from tumbler.model import Transformer, init_weights, load_model, save_model, sizes

CONFIG = replace(sizes(2, vocab_size=96, context=64, width=128, heads=4, kv_heads=2), rope_theta=2e4, eos_token_id=7)
IDS = torch.randint(0, 96, (3, 40), generator=torch.Generator().manual_seed(1))


def random_model(tied: bool = True) -> Transformer:
    model = Transformer(replace(CONFIG, tie_word_embeddings=tied))
    init_weights(model, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():  # every weight must matter, also those that begin as 0 or 1
            parameter.add_(torch.empty(parameter.shape).normal_(0, 0.1, generator=generator))
    return model


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_gives_the_logits_of_a_saved_model(tmp_path: Path, tied: bool) -> None:
    ours = random_model(tied)
    save_model(ours, tmp_path, torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(theirs, Qwen3ForCausalLM)
    assert theirs.generation_config.eos_token_id == 7
    with torch.no_grad():
        assert (ours(IDS) - theirs(IDS).logits).abs().max() <= 1e-4


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_transformers_gives_its_logits_here(tmp_path: Path, tied: bool) -> None:
    torch.manual_seed(0)
    theirs = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=96,
            hidden_size=64,
            intermediate_size=112,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,  # not hidden_size / heads: stated sizes are taken, not derived
            tie_word_embeddings=tied,
            initializer_range=0.2,
        )
    )
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    with torch.no_grad():
        assert (ours(IDS) - theirs(IDS).logits).abs().max() <= 1e-4


def test_a_saved_model_loads_bit_for_bit_and_saves_the_same_bytes(tmp_path: Path) -> None:
    model = random_model()
    save_model(model, tmp_path / "a", torch.float32)
    again = load_model(tmp_path / "a")
    save_model(again, tmp_path / "b", torch.float32)
    assert again.config == model.config
    assert all(torch.equal(p, again.state_dict()[name]) for name, p in model.state_dict().items())
    assert all((tmp_path / "b" / f.name).read_bytes() == f.read_bytes() for f in (tmp_path / "a").iterdir())


def test_a_half_precision_export_is_half_as_large_and_says_so(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path, torch.bfloat16)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16
    assert load_model(tmp_path, torch.bfloat16).head_weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"Qwen3ForCausalLM"', '"EvilForCausalLM"', "tumbler runs Qwen3ForCausalLM only"),
        ('"attention_bias": false', '"attention_bias": true', "attention_bias = True"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 3', "'model.layers.2.input_layernorm.weight' is missing"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 1', "has no place in the model"),
        ('"vocab_size": 96', '"vocab_size": 900000000', r"has shape \[96, 128\]"),
        ('"head_dim": 32', '"head_dim": "32"', "head_dim = '32': must be a whole number"),
        ('"hidden_size": 128', '"hidden_size": 0', "must be at least 1"),
        ('"rope_type": "default"', '"rope_type": "yarn"', "rope_type 'default' only"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    save_model(random_model(), tmp_path, torch.float32)
    text = (tmp_path / "config.json").read_text()
    assert before in text
    (tmp_path / "config.json").write_text(text.replace(before, after))
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_a_damaged_or_missing_weights_file_is_refused(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path, torch.float32)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle?")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        load_model(tmp_path)
