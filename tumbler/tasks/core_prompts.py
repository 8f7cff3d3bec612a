"""From an example to what the model reads: solved examples, the question, and where the judged ids begin.

The prompts and the places are those of nanochat (github.com/karpathy/nanochat, nanochat/core_eval.py), byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from tumbler.tasks.core_table import Kind, TaskSpec


@dataclass(frozen=True)
class Example:
    """What a model chooses from: (context, continuation) each, of which `options[gold]` is right.

    multiple_choice: one context, several continuations; schema: several contexts, one continuation;
    language_modeling: one option, its context without white space around it.
    """

    options: tuple[tuple[str, str], ...]
    gold: int


@dataclass(frozen=True)
class Passage:
    """What the model reads: `ids`, of which those from `start` (at least 1, less than all) on are judged."""

    ids: Sequence[int]
    start: int


def prompts(spec: TaskSpec, example: Example, shots: Sequence[Example]) -> list[str]:
    """Texts to read: one an option, after the solved `shots`; language_modeling: without and with the continuation.

    A prompt without its continuation has no white space at its ends: the space before a word belongs to its token.
    """
    solved = [spec.delimiter.join(shot.options[shot.gold]) + "\n\n" for shot in shots]
    before = "".join(solved)
    texts = [before + spec.delimiter.join(option) for option in example.options]
    if spec.kind == "language_modeling":
        context, _ = example.options[example.gold]
        return [(before + context + spec.delimiter).strip(), *texts]
    return texts


def passages(kind: Kind, rows: Sequence[Sequence[int]]) -> list[Passage]:
    """What to judge of the ids of `prompts`, each row with the bos id in front.

    multiple_choice: all after what the rows begin with in common; schema: all that they end with in common;
    language_modeling: what the second row has beyond the first. At least the last id of each is judged.
    """
    match kind:
        case "multiple_choice":
            start = min(_common(rows), min(map(len, rows)) - 1)
            return [Passage(row, start) for row in rows]
        case "schema":
            ending = min(_common([row[::-1] for row in rows]), min(map(len, rows)) - 1)
            return [Passage(row, len(row) - max(1, ending)) for row in rows]
        case "language_modeling":
            _, whole = rows
            return [Passage(whole, min(_common(rows), len(whole) - 1))]


def cropped(passage: Passage, context: int) -> Passage:
    """The last `context` ids of a passage that is longer."""
    surplus = max(0, len(passage.ids) - context)
    return Passage(passage.ids[surplus:], max(1, passage.start - surplus))


def _common(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with."""
    return sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, zip(*rows, strict=False)))
