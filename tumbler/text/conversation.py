"""Conversations, and the strict reader of their JSONL form: `{"messages": [{"role", "content"}], "id"?}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from tumbler.errors import UserError

Role = Literal["system", "user", "assistant"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True)
class Conversation:
    messages: tuple[Message, ...]
    id: str
    """The row's own id, or FILE:LINE."""


def read_conversations(path: Path) -> Iterator[Conversation]:
    """Yield the conversations of a JSONL file, in its order; blank lines are skipped.

    Other keys of a row (a source, a score) are its owner's notes and stay unread; other keys of a
    message, such as `tool_calls`, would change its meaning and are an error unless they are null.
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

    At least one message; a system message only first; each content a text, kept exactly as given.
    """
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: 'messages' must be a list of at least one message")
    messages = tuple(_message(item, f"{where}: message {index}") for index, item in enumerate(value, 1))
    for index, message in enumerate(messages[1:], 2):
        if message.role == "system":
            raise UserError(f"{where}: message {index}: a system message must be the first message")
    return messages


def _conversation(line: str, where: str) -> Conversation:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: a row must be an object with 'messages'")
    if row.get("tools"):
        raise UserError(f"{where}: has 'tools', which cannot be rendered; remove them from the row")
    name = row.get("id", where)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise UserError(f"{where}: 'id' must be a text or a whole number")
    return Conversation(parse_messages(row.get("messages"), where), str(name))


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object with 'role' and 'content'")
    unknown = sorted(key for key, item in value.items() if key not in ("role", "content") and item is not None)
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}; a message has 'role' and 'content'")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise UserError(f"{where}: role {role!r} is not one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise UserError(f"{where}: 'content' must be a text")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: 'content' has a lone surrogate at character {error.start}; remove it") from error
    return Message(role, content)
