"""What several rooms' tests need: models of random weights, an app on a port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import uvicorn
from fastapi import FastAPI

from tumbler.model import ModelConfig, Transformer
from tumbler.serve.server import listen


def random_model(config: ModelConfig, seed: int) -> Transformer:
    """Random weights in every matrix (a fresh model's blocks are the identity: it could hide a broken cache)."""
    generator = torch.Generator().manual_seed(seed)
    made = Transformer(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3, generator=generator)
    return made


@contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    """The URL of the app, served by a thread on a port of its own."""
    listening = listen("127.0.0.1", 0)
    runner = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not runner.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    runner.should_exit = True
    thread.join(10)
