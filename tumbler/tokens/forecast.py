"""How large the vocabulary will be, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tumbler.forecast import Planned
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.stage import TokensSettings


def forecast(settings: TokensSettings, inputs: Sequence[Planned]) -> Planned:
    """A tokenizer that is there says its size; for one that is not there yet, and for a new one, `vocab_size` does."""
    given = [Path(settings.tokenizer)] if settings.tokenizer is not None else []
    given += [item.path for item in inputs if item.path is not None and (item.path / "tokenizer.json").is_file()]
    there = [path for path in given if path.exists()]
    return Planned("tokens", Tokenizer.load(there[0]).vocab_size if there else settings.vocab_size)
