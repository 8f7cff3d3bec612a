"""A server on a free port of this machine, over a tiny model of random weights."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import openai
import pytest
import torch
import uvicorn
from fastapi import FastAPI

from tumbler.engine import Sampler
from tumbler.model import ModelConfig, Transformer
from tumbler.serve.app import create_app
from tumbler.serve.server import LOCAL_NAMES, listen
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
    config = ModelConfig(tokenizer.vocab_size, 32, 64, 2, 2, 1, 16, max_position_embeddings=256)
    generator = torch.Generator().manual_seed(3)
    made = Transformer(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3, generator=generator)
    return made


@dataclass(frozen=True)
class Server:
    url: str
    sampler: Sampler
    tokenizer: Tokenizer

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=20)


@pytest.fixture(scope="session")
def server(model: Transformer, tokenizer: Tokenizer) -> Iterator[Server]:
    sampler = Sampler(model, slots=4)
    app = create_app(sampler, tokenizer, "tiny-chat", hosts=LOCAL_NAMES, body_limit=20_000)
    with serving_app(app) as url:
        yield Server(url, sampler, tokenizer)


@pytest.fixture(scope="session")
def serving() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """`with serving(app) as url`: the app on a port of its own, in a thread."""
    return serving_app


@contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    listening = listen("127.0.0.1", 0)
    runner = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not runner.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    runner.should_exit = True
    thread.join(10)
