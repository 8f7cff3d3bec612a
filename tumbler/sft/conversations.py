"""Reads the conversations of a run: from the inputs and from the paths that the recipe names."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumbler.artifact import Artifact
from tumbler.errors import UserError
from tumbler.sft.packing import Example, shifted
from tumbler.text.conversation import Conversation, read_conversations
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer

FILE = "conversations.jsonl"
"""Where an artifact or a folder keeps its conversations."""


@dataclass(frozen=True)
class Source:
    """A conversation and where it stands, as an error would name it."""

    where: str
    conversation: Conversation


@dataclass(frozen=True)
class Examples:
    """What is trained on, and what was not."""

    kept: tuple[Example, ...]
    too_long: int
    """Conversations of more tokens than a row holds: dropped, since a cut answer teaches to stop short."""


def find_files(patterns: Sequence[str], inputs: Sequence[Artifact]) -> list[Path]:
    """The JSONL files of the inputs that hold conversations, then those that match the recipe's patterns."""
    found = [path for item in inputs if (path := _file_of(item)) is not None]
    for pattern in patterns:
        paths = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207 (may be absolute)
        if not paths:
            raise UserError(f"sft: conversations: nothing matches {pattern!r}; give paths or globs of JSONL files")
        found += [path / FILE if path.is_dir() else path for path in paths]
    return list(dict.fromkeys(found))


def _file_of(item: Artifact) -> Path | None:
    if item.path.is_dir():
        return item.path / FILE if (item.path / FILE).is_file() else None
    return item.path if item.path.suffix == ".jsonl" else None


def read_all(paths: Sequence[Path]) -> Iterator[Source]:
    for path in paths:
        for row, conversation in enumerate(read_conversations(path), 1):
            yield Source(f"{path}: conversation {row} ({conversation.id!r})", conversation)


def to_examples(sources: Iterable[Source], tokenizer: Tokenizer, context: int) -> Examples:
    """Render each conversation; UserError names the first one in which the assistant says nothing."""
    kept, too_long = [], 0
    for source in sources:
        rendered = render(tokenizer, source.conversation)
        if not any(rendered.mask):
            raise UserError(f"{source.where}: has no message by the assistant, so nothing to learn; remove it")
        example = shifted(rendered.ids, rendered.mask)
        if len(example.ids) > context:
            too_long += 1
        else:
            kept.append(example)
    return Examples(tuple(kept), too_long)
