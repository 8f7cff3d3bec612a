"""Finds among a step's inputs what there is to evaluate. Any subset will do; what is absent is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tumbler.artifact import Artifact
from tumbler.errors import UserError

QUESTIONS = "questions.jsonl"


@dataclass(frozen=True)
class Subjects:
    """What is evaluated, and on what."""

    base: Path | None
    """Checkpoint of a base model: made by pretrain."""
    chat: Path | None
    """Checkpoint of a chat model: made from a checkpoint by any later stage."""
    tokens: Path | None
    """Token shards, for bits per byte."""
    questions: tuple[Path, ...]


def find(inputs: Sequence[Artifact]) -> Subjects:
    """UserError when an input is of no use here, or when two of them claim one place."""
    base, chat, tokens, questions = [], [], [], []
    for item in inputs:
        if item.kind == "checkpoint" and item.manifest["stage"] == "pretrain":
            base.append(item.path)
        elif item.kind == "checkpoint":
            chat.append(item.path)
        elif item.kind == "tokens":
            tokens.append(item.path)
        elif (file := _questions(item)) is not None:
            questions.append(file)
        elif item.kind == "outside":
            raise UserError(f"eval: {item.path}: neither an artifact of tumbler nor a JSONL file of questions")
    if not base + chat:
        raise UserError("eval: no checkpoint among the inputs; give the artifact of a pretrain or an sft step")
    return Subjects(
        _at_most_one(base, "base checkpoints (stage pretrain)"),
        _at_most_one(chat, "chat checkpoints"),
        _at_most_one(tokens, "tokens artifacts"),
        tuple(questions),
    )


def _questions(item: Artifact) -> Path | None:
    if item.path.is_file():
        return item.path if item.path.suffix == ".jsonl" else None
    return item.path / QUESTIONS if (item.path / QUESTIONS).is_file() else None


def _at_most_one(paths: Sequence[Path], what: str) -> Path | None:
    if len(paths) > 1:
        raise UserError(f"eval: {len(paths)} {what} among the inputs ({', '.join(map(str, paths))}); give one")
    return paths[0] if paths else None
