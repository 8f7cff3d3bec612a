"""A model of random weights, in memory and as a checkpoint folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from support import random_model

from tumbler.engine import Sampler
from tumbler.model import ModelConfig, Transformer, save_model
from tumbler.text.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def model(small_tokenizer: Tokenizer) -> Transformer:
    return random_model(ModelConfig(small_tokenizer.vocab_size, 32, 64, 2, 2, 1, 16, max_position_embeddings=96), 3)


@pytest.fixture(scope="session")
def tokenizer(small_tokenizer: Tokenizer) -> Tokenizer:
    return small_tokenizer


@pytest.fixture
def sampler(model: Transformer) -> Sampler:
    return Sampler(model)


@pytest.fixture(scope="session")
def checkpoint(model: Transformer, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-chat"
    folder.mkdir()
    save_model(model, folder, torch.float32)
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="session")
def writes(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model that writes the characters of a text for ever, each as likely, whatever it has read."""

    def folder_of(characters: str) -> Path:
        config = ModelConfig(
            tokenizer.vocab_size, 32, 64, 1, 2, 1, 16, max_position_embeddings=16384, tie_word_embeddings=False
        )
        folder = tmp_path_factory.mktemp("writes")
        save_model(unmoved(config, dict.fromkeys(tokenizer.encode(characters), 30.0)), folder, torch.float32)
        tokenizer.save(folder)
        return folder

    return folder_of


def unmoved(config: ModelConfig, logits: Mapping[int, float]) -> Transformer:
    """Every embedding is the same vector and blocks add nothing to it, so that the logits are always these, or 0."""
    model = Transformer(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float("norm" in name or "embed" in name))
        for id, logit in logits.items():
            model.head_weight[id] = logit / config.hidden_size
    return model
