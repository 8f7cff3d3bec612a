"""What a person looks at to judge a tokenizer: how it cuts texts, and its longest tokens."""

from __future__ import annotations

from collections.abc import Iterable

from tumbler.text.tokenizer import Tokenizer
from tumbler.views import Table

SHOWN_CHARACTERS = 160
SHOWN_TOKENS = 40


def tokenized(tokenizer: Tokenizer, texts: Iterable[str]) -> Table:
    """The beginning of each text, cut into its tokens."""
    rows = []
    for text in texts:
        beginning = text[:SHOWN_CHARACTERS]
        ids = tokenizer.encode(beginning)
        pieces = "|".join(tokenizer.decode([id]) for id in ids)
        rows.append((pieces.replace("\n", "⏎"), len(ids), round(len(beginning.encode()) / max(1, len(ids)), 2)))
    return Table(
        "How the tokenizer cuts text", ("text, a bar between tokens", "tokens", "bytes per token"), tuple(rows)
    )


def longest_tokens(tokenizer: Tokenizer) -> Table:
    """The longest tokens of the vocabulary: what the corpus repeats most (or too much)."""
    ordinary = set(range(tokenizer.vocab_size)) - set(tokenizer.special.values())
    ids = sorted(ordinary, key=lambda id: (-len(tokenizer.decode_bytes([id])), id))[:SHOWN_TOKENS]
    rows = tuple((tokenizer.decode([id]).replace("\n", "⏎"), len(tokenizer.decode_bytes([id])), id) for id in ids)
    return Table("The longest tokens", ("token", "bytes", "id"), rows)
