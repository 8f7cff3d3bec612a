"""How a conversation becomes token ids.

    <|bos|><|system|>S<|end|><|user|>U<|end|><|assistant|>A<|end|>

The assistant's turn may hold more: `<|think|>R<|/think|>A<|tool_call|>{"name": ..., "arguments": ...}<|/tool_call|>`,
and a tool's answer is `<|tool_result|>R<|/tool_result|>`. Tools stand at the end of the system message, one a line.

Content lies directly between special tokens, exactly as given, so that a turn's ids do not depend on
its neighbours and rendering the first turns gives a prefix of rendering all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tumbler.text.conversation import Conversation, Message, Role, Tool, ToolCall
from tumbler.text.special import ASSISTANT, CALL, CALL_END, END, RESULT, RESULT_END, SYSTEM, THINK, THINK_END, USER
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Span:
    """Where one message lies: `ids[start]` is its first token, `ids[stop - 1]` its last."""

    role: Role
    start: int
    stop: int


@dataclass(frozen=True)
class Rendered:
    ids: list[int]
    mask: list[bool]
    """Per id: whether it is the assistant's to say (all of its turn but the role token)."""
    spans: tuple[Span, ...]
    """One per message; neither tools without a system message nor the generation prompt are messages."""


@dataclass(frozen=True)
class Special:
    """A special token of a turn, by its name; a turn's other parts are plain texts."""

    name: str


Part = Special | str


def render(tokenizer: Tokenizer, conversation: Conversation, generation_prompt: bool = False) -> Rendered:
    """Token ids of a conversation; with `generation_prompt`, ready for the assistant's next words."""
    ids, mask, spans = [tokenizer.bos], [False], list[Span]()
    turns = list(_turns(conversation))
    texts = [part for _, parts in turns for part in parts if isinstance(part, str)]
    encoded = iter(tokenizer.encode_batch(texts))
    for message, parts in turns:
        start = len(ids)
        for part in parts:
            ids += [tokenizer.special[part.name]] if isinstance(part, Special) else next(encoded)
        said = message is not None and message.role == "assistant"
        mask += [False] + [said] * (len(ids) - start - 1)
        if message is not None:
            spans.append(Span(message.role, start, len(ids)))
    if generation_prompt:
        ids.append(tokenizer.assistant)
        mask.append(False)
    return Rendered(ids, mask, tuple(spans))


def _turns(conversation: Conversation) -> Iterator[tuple[Message | None, list[Part]]]:
    """Each message and its parts; tools that no system message holds are a turn of their own."""
    tools = _tool_text(conversation.tools)
    if tools and (not conversation.messages or conversation.messages[0].role != "system"):
        yield None, [Special(SYSTEM), tools, Special(END)]
    for message in conversation.messages:
        yield message, list(_parts(message, tools))


def _parts(message: Message, tools: str) -> Iterator[Part]:
    match message.role:
        case "system":
            yield from (Special(SYSTEM), message.content + ("\n\n" + tools if tools else ""), Special(END))
        case "user":
            yield from (Special(USER), message.content, Special(END))
        case "tool":
            yield from (Special(RESULT), message.content, Special(RESULT_END))
        case "assistant":
            yield Special(ASSISTANT)
            if message.reasoning:
                yield from (Special(THINK), message.reasoning, Special(THINK_END))
            yield message.content
            for call in message.tool_calls:
                yield from (Special(CALL), call_text(call), Special(CALL_END))
            yield Special(END)


def call_text(call: ToolCall) -> str:
    """A call as Hermes and Qwen write it, between the tokens of a call."""
    return f'{{"name": {_json(call.name)}, "arguments": {call.arguments}}}'


def _tool_text(tools: Sequence[Tool]) -> str:
    return "Tools:" + "".join("\n" + _json(tool) for tool in tools) if tools else ""


def _json(value: object) -> str:
    """As transformers' `tojson` writes it."""
    return json.dumps(value, ensure_ascii=False)
