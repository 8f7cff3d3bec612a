"""A tokenizer and a model of random weights, in memory and as a checkpoint folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tumbler.engine import Sampler
from tumbler.model import ModelConfig, Transformer, save_model
from tumbler.text.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from threads, and lose much where other work wants the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    texts = [
        "the cat sat on the mat; the hat and the bat were as they are at that",
        "über größere Bäume 🌳🌳🌳 日本日本",
    ]
    return Tokenizer.train(texts * 3, 256 + 81 + 19)


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Transformer:
    config = ModelConfig(tokenizer.vocab_size, 32, 64, 2, 2, 1, 16, max_position_embeddings=96)
    generator = torch.Generator().manual_seed(3)
    made = Transformer(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3, generator=generator)
    return made


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
