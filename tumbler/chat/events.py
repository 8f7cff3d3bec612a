"""What an answer consists of, as it arrives: thoughts, texts, calls, then one end."""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.engine.sampler import Finish, Token
from tumbler.text.conversation import ToolCall


@dataclass(frozen=True)
class Text:
    """A further piece of the answer; never empty. Untrusted: the model wrote it."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """A further piece of what the model thinks before it answers; never empty. Untrusted too."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is over."""

    finish: Finish
    """`stop`: the model ended it, or a stop string did; `length`: max_tokens, or the context is full."""
    prompt_tokens: int
    completion_tokens: int
    stop: str | None = None
    """The stop string that ended it."""
    reasoning_tokens: int = 0


Event = Text | Reasoning | ToolCall | Token | Done
"""A ToolCall comes whole. A Token only where they are asked for, before what it brings about."""
