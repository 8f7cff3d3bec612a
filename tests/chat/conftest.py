"""A model of random weights, in memory and as a checkpoint folder."""

from __future__ import annotations

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
