"""Reader of a checkpoint folder: the sampler and the tokenizer that belong together."""

from __future__ import annotations

from pathlib import Path

import torch

from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.model import Transformer, load_model
from tumbler.text.tokenizer import Tokenizer


def load_chat(folder: Path, *, slots: int = 16, dtype: torch.dtype = torch.float32) -> tuple[Sampler, Tokenizer]:
    """A model of a Hugging Face folder, ready to answer; UserError when the folder holds no such model."""
    model, tokenizer = load_pair(folder, dtype)
    return Sampler(model, slots=slots), tokenizer


def load_pair(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Transformer, Tokenizer]:
    """The model and the tokenizer of a folder; UserError when the folder holds none, or they do not fit."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a checkpoint, such as runs/tiny/sft")
    model = load_model(folder, dtype).eval()
    tokenizer = Tokenizer.load(folder)
    ids, rows = tokenizer.vocab_size, model.config.vocab_size
    ours = "assistant" in tokenizer.roles
    if ids > rows or (ours and ids < rows):  # others' models may have rows that only round the embedding up
        raise UserError(f"{folder}: the tokenizer has {ids} ids, the model {rows}; they do not belong together")
    return model, tokenizer
