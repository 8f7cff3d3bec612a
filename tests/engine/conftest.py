"""A model of random weights."""

from __future__ import annotations

import pytest
from support import random_model

from tumbler.model import ModelConfig, Transformer

CONFIG = ModelConfig(
    vocab_size=97,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=64,
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return random_model(CONFIG, 0)
