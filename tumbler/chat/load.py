"""Reader of a checkpoint folder: a model that answers, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import torch

from tumbler.chat.structured import Structures
from tumbler.device import Machine, this_machine
from tumbler.engine import Sampler, Weights
from tumbler.errors import UserError
from tumbler.model import Generation, load_model, read_generation
from tumbler.text.chat_format import ChatFormat, chat_format
from tumbler.text.tokenizer import Tokenizer

Precision = Literal["fp32", "bf16", "int8", "int4"]
ON_CPU: Final[dict[Precision, Weights]] = {"fp32": "plain", "bf16": "packed", "int8": "int8", "int4": "int4"}


@dataclass(frozen=True)
class Fit:
    """How a model is made ready for the machine."""

    precision: Precision | None = "fp32"
    """Of the products; None: bf16 where the machine multiplies it in hardware, else fp32."""
    compile: bool = False
    """Machine code for a request that runs alone (CPU): made once, in half a minute, and kept."""

    @classmethod
    def named(cls, precision: str | None, compile: bool) -> Fit:
        """As a user says it; UserError when there is no such precision."""
        found: Precision | None = next((known for known in get_args(Precision) if known == precision), None)
        if found is None and precision is not None:
            raise UserError(f"--precision {precision}: must be one of {', '.join(get_args(Precision))}")
        return cls(found, compile)

    def on(self, machine: Machine) -> tuple[torch.device, torch.dtype, Weights]:
        """UserError when the machine cannot."""
        precision = self.precision or ("bf16" if machine.bf16 else "fp32")
        dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        if machine.kind == "cpu":
            return torch.device("cpu"), dtype, ON_CPU[precision]
        if precision in ("int8", "int4") or self.compile:
            what = "compile" if self.compile else precision
            raise UserError(f"{what} is for CPUs, and this machine computes on {machine.name}; leave it out")
        return torch.device(machine.kind), dtype, "plain"


FP32: Final = Fit()


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


def load_chat(folder: Path, *, slots: int = 16, fit: Fit = FP32, kind: type[Sampler] = Sampler) -> ChatModel:
    """A model of a Hugging Face folder, ready to answer; UserError when the folder holds no such model."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a checkpoint, such as runs/tiny/sft")
    device, dtype, weights = fit.on(this_machine())
    model = load_model(folder, dtype).eval().to(device)
    tokenizer = Tokenizer.load(folder)
    ids, rows = tokenizer.vocab_size, model.config.vocab_size
    ours = "assistant" in tokenizer.roles
    if ids > rows or (ours and ids < rows):  # others' models may have rows that only round the embedding up
        raise UserError(f"{folder}: the tokenizer has {ids} ids, the model {rows}; they do not belong together")
    sampler = kind(model, slots=slots, weights=weights, compile=fit.compile)
    return ChatModel.of(sampler, tokenizer, read_generation(folder))
