"""Opens what is trained on: token artifacts, and the checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from tumbler.artifact import Artifact
from tumbler.errors import UserError
from tumbler.text.shards import Shards
from tumbler.text.tokenizer import Tokenizer, same_tokenizer


@dataclass(frozen=True)
class Source:
    """One tokens artifact."""

    name: str
    train: Shards
    val: Shards
    weight: float
    val_count: int
    """Validation documents that are looked at: the first so many."""
    val_bytes: int
    """UTF-8 bytes of their texts."""


@dataclass(frozen=True)
class Data:
    tokenizer: Tokenizer
    sources: tuple[Source, ...]
    base: Path | None
    """The model to go on from."""

    def train_tokens(self, longest: int | None) -> int:
        """Of all documents, or of the first `longest` tokens of each."""
        if longest is None:
            return sum(source.train.tokens for source in self.sources)
        return sum(int(np.minimum(source.train.lengths, longest).sum()) for source in self.sources)


def open_data(inputs: Sequence[Artifact], weights: Mapping[str, float], eval_tokens: int) -> Data:
    """The shards of all tokens inputs and their one tokenizer, and at most one checkpoint.

    Of each source the first validation documents that hold `eval_tokens` tokens together are looked at. Raises
    UserError for other inputs, for sources of different tokenizers, and for weights of what is no input.
    """
    tokens = [item for item in inputs if item.kind == "tokens"]
    bases = [item for item in inputs if item.kind == "checkpoint"]
    if not tokens or len(bases) > 1 or len(tokens) + len(bases) < len(inputs):
        given = ", ".join(f"{item.path.name} ({item.kind})" for item in inputs) or "none"
        raise UserError(f"pretrain: needs tokens inputs and at most one checkpoint to go on from (inputs: {given})")
    names = [str(item.manifest["step"]) for item in tokens]
    if len(set(names)) < len(names):
        raise UserError(f"pretrain: two tokens inputs have one name ({', '.join(names)}); name their steps apart")
    if weights and (set(weights) != set(names) or min(weights.values()) <= 0):
        raise UserError(f"pretrain: weights = {dict(weights)}: give each of {', '.join(names)} a weight above 0")
    _refuse_other_tokenizers([item.path / "tokenizer" for item in tokens], bases)
    tokenizer = Tokenizer.load(tokens[0].path / "tokenizer")
    sources = tuple(
        _source(item, name, weights.get(name), eval_tokens) for item, name in zip(tokens, names, strict=True)
    )
    return Data(tokenizer, sources, bases[0].path if bases else None)


def _source(item: Artifact, name: str, weight: float | None, eval_tokens: int) -> Source:
    train, val = Shards.open(item.path / "train"), Shards.open(item.path / "val")
    for split, shards in (("train", train), ("val", val)):
        if not len(shards):
            raise UserError(f"{item.path}/{split}: holds no documents; give the tokens stage more")
    count = min(len(val), int(np.searchsorted(val.lengths.cumsum(), eval_tokens)) + 1)
    val_bytes = pc.sum(val.column("bytes").slice(0, count)).as_py()
    return Source(name, train, val, weight or float(train.tokens), count, val_bytes)


def _refuse_other_tokenizers(folders: Sequence[Path], bases: Sequence[Artifact]) -> None:
    """All ids must mean the same; a base checkpoint carries its tokenizer at its root."""
    first = folders[0]
    for other in (*folders[1:], *(item.path for item in bases)):
        if not same_tokenizer(first, other):
            raise UserError(
                f"pretrain: {first} and {other} hold different tokenizers, so ids of one mean other "
                "text in the other; make the tokens with the same one (tokens.tokenizer)"
            )
