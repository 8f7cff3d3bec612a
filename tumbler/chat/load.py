"""Reader of a checkpoint folder: a model that answers, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tumbler.chat.structured import Structures
from tumbler.engine import Sampler, Weights
from tumbler.errors import UserError
from tumbler.model import Generation, load_model, read_generation
from tumbler.text.chat_format import ChatFormat, chat_format
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class ChatModel:
    """A model, its tokenizer, the form of its conversations, and how it likes to be asked."""

    sampler: Sampler
    tokenizer: Tokenizer
    format: ChatFormat | None
    """None: a base model, which completes texts only."""
    ends: Sequence[int]
    """Ids that end an answer or a document."""
    structures: Structures
    generation: Generation = field(default_factory=Generation)

    @classmethod
    def of(cls, sampler: Sampler, tokenizer: Tokenizer, generation: Generation | None = None) -> ChatModel:
        """Ends are those that the checkpoint names, and each role of our own form: a model that begins another turn, in
        error, has ended its own."""
        generation = generation or Generation()
        ends = {id for role, id in tokenizer.roles.items() if role != "pad"} | set(generation.ends)
        form, structures = chat_format(tokenizer, "model"), Structures(tokenizer, sampler.vocab_size)
        return cls(sampler, tokenizer, form, tuple(sorted(ends)), structures, generation)


def load_chat(
    folder: Path,
    *,
    slots: int = 16,
    dtype: torch.dtype = torch.float32,
    weights: Weights = "plain",
    kind: type[Sampler] = Sampler,
) -> ChatModel:
    """A model of a Hugging Face folder, ready to answer; UserError when the folder holds no such model."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a checkpoint, such as runs/tiny/sft")
    model = load_model(folder, dtype).eval()
    tokenizer = Tokenizer.load(folder)
    ids, rows = tokenizer.vocab_size, model.config.vocab_size
    ours = "assistant" in tokenizer.roles
    if ids > rows or (ours and ids < rows):  # others' models may have rows that only round the embedding up
        raise UserError(f"{folder}: the tokenizer has {ids} ids, the model {rows}; they do not belong together")
    return ChatModel.of(kind(model, slots=slots, weights=weights), tokenizer, read_generation(folder))
