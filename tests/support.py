"""What several rooms' tests need: models of random weights, an app on a port, an executor without processes."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI

from tumbler.chat import ChatModel
from tumbler.engine import Sampler, Token
from tumbler.engine.sampler import Finish
from tumbler.executor import Executor
from tumbler.executor.calls import Answer, perform
from tumbler.model import Generation, ModelConfig, Transformer
from tumbler.serve.app import create_app
from tumbler.serve.models import Models
from tumbler.serve.server import listen
from tumbler.text.tokenizer import Tokenizer

WebAnswer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


def random_model(config: ModelConfig, seed: int) -> Transformer:
    """Random weights in every matrix (a fresh model's blocks are the identity: it could hide a broken cache)."""
    generator = torch.Generator().manual_seed(seed)
    made = Transformer(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3, generator=generator)
    return made


class Parrot(Sampler):
    """Says `says`, whatever it is asked, a token every `pause` seconds; asked for "forever", again and again."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, says: Sequence[int], pause: float = 0.0) -> None:
        super().__init__(model)
        self.says, self._pause = list(says), pause
        self._forever = tokenizer.encode("forever")

    def step(self) -> bool:
        time.sleep(self._pause)
        for ticket, run in list(self._runs.items()):
            place = len(run.made)
            run.made.append(self.says[place % len(self.says)])
            last = place == len(self.says) - 1 and not self._endless(run.request.ids)
            stopped = run.made[-1] in run.request.sampling.stop_ids
            finish: Finish | None = None if not last else "stop" if stopped else "length"
            run.deliver(Token(run.number, run.made[-1], -0.5, -0.5, finish))
            if last:
                self.cancel(ticket)
        return bool(self._runs)

    def _endless(self, prompt: Sequence[int]) -> bool:
        size = len(self._forever)
        return any(list(prompt[place : place + size]) == self._forever for place in range(len(prompt)))


def app_of(
    sampler: Sampler, tokenizer: Tokenizer, name: str = "tiny-chat", generation: Generation | None = None, **more: Any
) -> FastAPI:
    """An app that serves one model."""
    return create_app(Models.of({name: ChatModel.of(sampler, tokenizer, generation)}), **more)


@contextmanager
def answering(answer: Callable[[str], WebAnswer]) -> Iterator[str]:
    """The address of a server that answers each path and query with (status, headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    """The URL of the app, served by a thread on a port of its own."""
    listening = listen("127.0.0.1", 0)
    runner = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = Thread(target=runner.run, kwargs={"sockets": [listening]}, daemon=True)
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
