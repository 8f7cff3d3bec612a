"""Fixtures that all tests share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tumbler.text.tokenizer import Tokenizer

settings.register_profile("any machine", deadline=None)  # a busy machine is no broken law
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Data beside the checkout (real crawls, evaluation sets); absent on most machines."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the shared data folder beside the checkout")
    return folder


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one whole run of recipes/smoke.toml, by the command a person types."""
    out = tmp_path_factory.mktemp("smoke") / "run"
    command = [sys.executable, "-m", "tumbler", "run", "smoke", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (out.parent / "screen.txt").write_text(done.stdout, encoding="utf-8")
    return out


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from threads, and lose much where other work wants the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_tokenizer() -> Tokenizer:
    texts = [
        "the cat sat on the mat; the hat and the bat were as they are at that",
        "über größere Bäume 🌳🌳🌳 日本日本",
    ]
    return Tokenizer.train(texts * 3, 256 + 81 + 19)
