"""Opens the tokens artifact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from tumbler.artifact import Artifact
from tumbler.errors import UserError
from tumbler.text.shards import Shards
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Data:
    tokenizer: Tokenizer
    train: Shards
    val: Shards
    val_count: int
    """Validation documents that are looked at: the first so many."""
    val_bytes: int
    """UTF-8 bytes of their texts."""


def open_tokens(tokens: Artifact, eval_tokens: int) -> Data:
    """The shards and their tokenizer; the first validation documents that hold `eval_tokens` tokens together."""
    train, val = Shards.open(tokens.path / "train"), Shards.open(tokens.path / "val")
    for name, shards in (("train", train), ("val", val)):
        if not len(shards):
            raise UserError(f"{tokens.path}/{name}: holds no documents; give the tokens stage more")
    count = min(len(val), int(np.searchsorted(val.lengths.cumsum(), eval_tokens)) + 1)
    val_bytes = pc.sum(val.column("bytes").slice(0, count)).as_py()
    return Data(Tokenizer.load(tokens.path / "tokenizer"), train, val, count, val_bytes)
