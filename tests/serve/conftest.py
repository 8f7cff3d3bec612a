"""A server on a free port of this machine, over a tiny model of random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import openai
import pytest
from fastapi import FastAPI
from support import app_of, random_model, serving_app

from tumbler.engine import Sampler
from tumbler.model import ModelConfig, Transformer
from tumbler.serve.server import LOCAL_NAMES
from tumbler.serve.service import Limits
from tumbler.text.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def model(small_tokenizer: Tokenizer) -> Transformer:
    return random_model(ModelConfig(small_tokenizer.vocab_size, 32, 64, 2, 2, 1, 16, max_position_embeddings=256), 3)


@pytest.fixture(scope="session")
def tokenizer(small_tokenizer: Tokenizer) -> Tokenizer:
    return small_tokenizer


@dataclass(frozen=True)
class Server:
    url: str
    model: Transformer
    sampler: Sampler
    tokenizer: Tokenizer

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=20)


@pytest.fixture(scope="session")
def server(model: Transformer, tokenizer: Tokenizer) -> Iterator[Server]:
    sampler = Sampler(model, slots=4)
    app = app_of(sampler, tokenizer, hosts=LOCAL_NAMES, limits=Limits(body=20_000))
    with serving_app(app) as url:
        yield Server(url, model, sampler, tokenizer)


@pytest.fixture(scope="session")
def serving() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """`with serving(app) as url`: the app on a port of its own, in a thread."""
    return serving_app
