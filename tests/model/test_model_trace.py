"""A trace holds what transformers gives as hidden states and attentions, and the model's own logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_families import FAMILIES, VOCAB, random_weights, small_config
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tumbler.model import FamilyName, save_model, trace

IDS = torch.randint(0, VOCAB, (2, 20), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_trace_is_what_transformers_puts_out(tmp_path: Path, family: FamilyName) -> None:
    model = random_weights(small_config(family))
    save_model(model, tmp_path, torch.float32)
    auto = AutoModelForMaskedLM if family == "modernbert" else AutoModelForCausalLM
    theirs = auto.from_pretrained(tmp_path, attn_implementation="eager")
    told = theirs(IDS, output_hidden_states=True, output_attentions=True)
    found = trace(model, IDS)
    near = {"atol": 1e-4, "rtol": 0.0}
    *residuals, last = told.hidden_states
    for layer, (residual, weights) in enumerate(zip(residuals, told.attentions, strict=True)):
        torch.testing.assert_close(found.layers[layer].residual, residual, **near)
        torch.testing.assert_close(found.layers[layer].attention, weights, **near)
    torch.testing.assert_close(found.final, last, **near)
    torch.testing.assert_close(found.logits, told.logits, **near)
    torch.testing.assert_close(found.residual_norms[:-1], torch.stack(residuals).norm(dim=-1), **near)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_of_a_trace_add_up_to_the_models_logits(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    found = trace(model, IDS)
    torch.testing.assert_close(found.logits, model(IDS))
    torch.testing.assert_close(found.hidden, model.hidden(IDS))
    x = found.tokens if found.positions is None else found.tokens + found.positions
    x = model.model.embed_norm(x)
    for layer, block in zip(found.layers, model.model.layers, strict=True):
        torch.testing.assert_close(layer.residual, x)
        x = x + layer.attention_output
        torch.testing.assert_close(layer.residual_between, x)
        torch.testing.assert_close(block.mlp.down_proj(layer.activations), layer.mlp_output)
        x = x + layer.mlp_output
        torch.testing.assert_close(layer.residual_after, x)
        torch.testing.assert_close(layer.attention.sum(-1), torch.ones_like(layer.attention[..., 0]))
    assert layer.activations.shape == (2, 20, model.config.intermediate_size)
    torch.testing.assert_close(found.residual_norms[-1], x.norm(dim=-1))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_lens_reads_each_residual_with_the_last_norm_and_head(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    found = trace(model, IDS)
    residuals = [*(layer.residual for layer in found.layers), found.layers[-1].residual_after]
    for residual, logits in zip(residuals, found.logits_by_layer, strict=True):
        torch.testing.assert_close(logits, model.logits(model.head(model.model.norm(residual))))


def test_a_trace_asks_for_no_gradient() -> None:
    assert not trace(random_weights(small_config("gpt2")), IDS).logits.requires_grad
