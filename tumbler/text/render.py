"""How a conversation becomes token ids.

    <|bos|><|system|>S<|end|><|user|>U<|end|><|assistant|>A<|end|>

Content lies directly between special tokens, exactly as given, so that a turn's ids do not depend on
its neighbours and rendering the first turns gives a prefix of rendering all.
"""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.text.conversation import Conversation, Role
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Span:
    """Where one message lies: `ids[start]` is its role token, `ids[stop - 1]` its `<|end|>`."""

    role: Role
    start: int
    stop: int


@dataclass(frozen=True)
class Rendered:
    ids: list[int]
    mask: list[bool]
    """Per id: whether it is the assistant's to say (its content and the `<|end|>` after it)."""
    spans: tuple[Span, ...]
    """One per message; the generation prompt is no message."""


def render(tokenizer: Tokenizer, conversation: Conversation, generation_prompt: bool = False) -> Rendered:
    """Token ids of a conversation; with `generation_prompt`, ready for the assistant's next words."""
    ids, mask, spans = [tokenizer.bos], [False], []
    roles: dict[Role, int] = {"system": tokenizer.system, "user": tokenizer.user, "assistant": tokenizer.assistant}
    contents = tokenizer.encode_batch([message.content for message in conversation.messages])
    for message, content in zip(conversation.messages, contents, strict=True):
        start = len(ids)
        ids += [roles[message.role], *content, tokenizer.end]
        mask += [False] + [message.role == "assistant"] * (len(content) + 1)
        spans.append(Span(message.role, start, len(ids)))
    if generation_prompt:
        ids.append(tokenizer.assistant)
        mask.append(False)
    return Rendered(ids, mask, tuple(spans))
