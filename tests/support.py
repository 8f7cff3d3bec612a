"""What several rooms' tests need: models of random weights, an app on a port, an executor without processes."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import uvicorn
from fastapi import FastAPI

from tumbler.executor import Executor
from tumbler.executor.calls import Answer, perform
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


class HerePool:
    """Performs a call in this process when its answer is asked for."""

    slots = 1

    def __init__(self) -> None:
        self.calls: dict[int, bytes] = {}

    def submit(self, ticket: int, call: bytes) -> None:
        self.calls[ticket] = call

    def wait(self) -> list[tuple[int, Answer]]:
        ticket, call = self.calls.popitem()
        return [(ticket, pickle.loads(perform(call)))]

    def drop(self) -> None:
        self.calls.clear()

    def close(self) -> None:
        self.drop()


def executor_here() -> Executor:
    """An executor without processes: quick to start, and what a test patches is patched for its shards too."""
    return Executor(start=HerePool)
