"""Conversations, and the strict reader of their JSONL form, OpenAI's: `{"messages": [...], "tools"?, "id"?}`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, get_args

from tumbler.errors import UserError

Role = Literal["system", "user", "assistant", "tool"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
KEYS: Final[Mapping[Role, tuple[str, ...]]] = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls", "reasoning_content", "reasoning"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
"""What a message may have; `reasoning_content` (vLLM, DeepSeek) and `reasoning` are two names of one thing."""

Tool = Mapping[str, Any]
"""`{"type": "function", "function": {"name", "description"?, "parameters"?}}`"""


@dataclass(frozen=True)
class ToolCall:
    """The assistant asks for a tool."""

    name: str
    arguments: str
    """A JSON object."""
    id: str = ""


@dataclass(frozen=True)
class Message:
    role: Role
    content: str
    reasoning: str = ""
    """What the assistant thought before it said `content`."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The assistant's, after `content`."""
    call_id: str = ""
    """Of a tool's message: the call that it answers."""
    name: str = ""
    """Of a tool's message: the tool."""


@dataclass(frozen=True)
class Conversation:
    messages: tuple[Message, ...]
    id: str
    """The row's own id, or FILE:LINE."""
    tools: tuple[Tool, ...] = ()
    """What the assistant may ask for."""


def read_conversations(path: Path) -> Iterator[Conversation]:
    """Yield the conversations of a JSONL file, in its order; blank lines are skipped.

    Other keys of a row (a source, a score) are its owner's notes and stay unread; other keys of a
    message would change its meaning and are an error unless they are null.
    Raises UserError naming file and line.
    """
    with path.open(encoding="utf-8") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _conversation(line, f"{path.name}:{number}")
        except UnicodeDecodeError as error:
            raise UserError(f"{path.name}: not UTF-8 ({error.reason} at byte {error.start}); convert it") from error


def parse_messages(value: Any, where: str) -> tuple[Message, ...]:
    """Messages from plain JSON values; UserError naming `where` and the message.

    At least one message; a system message only first; a tool's only after the call that it answers; each content a
    text, kept exactly as given (the assistant's may be null beside a call).
    """
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: 'messages' must be a list of at least one message")
    messages = tuple(_message(item, f"{where}: message {index}") for index, item in enumerate(value, 1))
    for index, (before, message) in enumerate(pairwise(messages), 2):
        if message.role == "system":
            raise UserError(f"{where}: message {index}: a system message must be the first message")
        if message.role == "tool" and before.role != "tool" and not before.tool_calls:
            raise UserError(f"{where}: message {index}: a tool's message must follow the call that it answers")
    if messages[0].role == "tool":
        raise UserError(f"{where}: message 1: a tool's message must follow the call that it answers")
    return messages


def plain(message: Message) -> dict[str, Any]:
    """A message as `parse_messages` reads it."""
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        row["reasoning_content"] = message.reasoning
    if message.tool_calls:
        row["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return row | {key: value for key, value in (("tool_call_id", message.call_id), ("name", message.name)) if value}


def parse_tools(value: Any, where: str) -> tuple[Tool, ...]:
    """Tools from plain JSON values, as OpenAI's chat API has them; UserError naming `where` and the tool."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UserError(f"{where}: 'tools' must be a list")
    return tuple(_tool(item, f"{where}: tool {index}") for index, item in enumerate(value, 1))


def _tool(value: Any, where: str) -> Tool:
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise UserError(f'{where}: must be {{"type": "function", "function": {{"name": ..., ...}}}}')
    if not isinstance(function.get("description"), str | None) or not isinstance(
        function.get("parameters"), dict | None
    ):
        raise UserError(f"{where}: 'description' must be a text and 'parameters' a JSON schema (an object)")
    _check_text(json.dumps(value, ensure_ascii=False), where, "tool")
    return {"type": "function", "function": function}


def _conversation(line: str, where: str) -> Conversation:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: a row must be an object with 'messages'")
    name = row.get("id", where)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise UserError(f"{where}: 'id' must be a text or a whole number")
    return Conversation(parse_messages(row.get("messages"), where), str(name), parse_tools(row.get("tools"), where))


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object with 'role' and 'content'")
    role = value.get("role")
    if role not in ROLES:
        raise UserError(f"{where}: role {role!r} is not one of {', '.join(ROLES)}")
    unknown = sorted(key for key, item in value.items() if key not in KEYS[role] and item is not None)
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}; such a message has {', '.join(KEYS[role])}")
    calls = _calls(value.get("tool_calls"), where)
    content = value.get("content")
    return Message(
        role,
        _text(value, "content", where) if content is not None or not calls else "",
        _text(value, "reasoning_content", where, optional=True) or _text(value, "reasoning", where, optional=True),
        calls,
        _text(value, "tool_call_id", where, optional=True),
        _text(value, "name", where, optional=True),
    )


def _calls(value: Any, where: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UserError(f"{where}: 'tool_calls' must be a list")
    return tuple(_call(item, f"{where}: call {index}") for index, item in enumerate(value, 1))


def _call(value: Any, where: str) -> ToolCall:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict):
        raise UserError(f'{where}: must be {{"id", "type": "function", "function": {{"name", "arguments"}}}}')
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(arguments, str) or not is_object(arguments):
        raise UserError(f"{where}: 'arguments' must be a JSON object, or its text")
    _check_text(arguments, where, "arguments")
    return ToolCall(_text(function, "name", where), arguments, _text(value, "id", where, optional=True))


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text(value: Mapping[str, Any], key: str, where: str, *, optional: bool = False) -> str:
    text = value.get(key)
    if text is None and optional:
        return ""
    if not isinstance(text, str):
        raise UserError(f"{where}: {key!r} must be a text")
    _check_text(text, where, key)
    return text


def _check_text(text: str, where: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: {key!r} has a lone surrogate at character {error.start}; remove it") from error
