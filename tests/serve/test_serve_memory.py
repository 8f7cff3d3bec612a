"""A model that is unloaded gives its memory back: as the command runs, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import torch
from support import random_model

from tumbler.model import ModelConfig, save_model
from tumbler.text.tokenizer import Tokenizer

PORT_LINE = "http://127.0.0.1:"


@contextmanager
def command(folder: Path, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """`tumbler serve` in a process of its own: where it listens, and the process."""
    arguments = [sys.executable, "-m", "tumbler", "serve", str(folder), "--port", "0", *options]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if PORT_LINE in line)
        yield PORT_LINE + line.partition(PORT_LINE)[2].partition(" ")[0], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def folder(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """A model of 400 MB."""
    config = ModelConfig(tokenizer.vocab_size, 1024, 4096, 8, 8, 8, 128, max_position_embeddings=256)
    folder = tmp_path / "large"
    folder.mkdir()
    save_model(random_model(config, 0), folder, torch.float32)
    tokenizer.save(folder)
    return folder


@pytest.fixture
def started(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    with command(folder, "--idle", "0.02") as started:
        yield started


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_the_memory_of_an_idle_model_is_given_back_to_a_tenth(started: tuple[str, psutil.Process]) -> None:
    url, process = started

    def loaded() -> bool:
        return bool(httpx.get(f"{url}/v1/models").json()["data"][0]["loaded"])

    def megabytes() -> float:
        return float(process.memory_info().rss) / 2**20

    def used() -> float:
        asked = {"model": "large", "prompt": "the cat", "max_tokens": 40}
        assert httpx.post(f"{url}/v1/completions", json=asked, timeout=120).status_code == 200
        return megabytes()

    wait(lambda: httpx.get(f"{url}/health").status_code == 200)
    used()  # loads libraries that stay, some 100 MB
    wait(lambda: not loaded())
    before = megabytes()
    for _ in range(3):
        most = used()
        wait(lambda: not loaded())
        after = megabytes()
        print(f"before {before:.0f} MB, with the model {most:.0f} MB, after {after:.0f} MB")
        assert most > before + 350
        assert after < 1.1 * before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets another process's limits")
def test_a_request_for_which_memory_lacks_fails_and_the_server_goes_on(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Its keys and values want 128 KB a token of its own and of all slots."""
    config = ModelConfig(tokenizer.vocab_size, 512, 512, 2, 8, 8, 64, max_position_embeddings=2**16)
    save_model(random_model(config, 0), tmp_path, torch.float32)
    tokenizer.save(tmp_path)
    with command(tmp_path, "--precision", "fp32") as (url, process):

        def asked(ids: int) -> httpx.Response:
            body = {"model": tmp_path.name, "prompt": [5] * ids, "max_tokens": 2}
            return httpx.post(f"{url}/v1/completions", json=body, timeout=60)

        assert asked(100).status_code == 200
        process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 2**28, -1))
        answer = asked(8000)
        assert answer.status_code == 500
        assert "not enough memory for the requests under way" in answer.json()["error"]["message"]
        assert asked(100).status_code == 200
        assert asked(1000).status_code == 200
