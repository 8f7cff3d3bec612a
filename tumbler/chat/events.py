"""What an answer consists of, as it arrives: texts, then one end."""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.engine.sampler import Finish


@dataclass(frozen=True)
class Text:
    """A further piece of the answer; never empty. Untrusted: the model wrote it."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is over."""

    finish: Finish
    """`stop`: the model ended it, or a stop string did; `length`: max_tokens, or the context is full."""
    prompt_tokens: int
    completion_tokens: int


Event = Text | Done
