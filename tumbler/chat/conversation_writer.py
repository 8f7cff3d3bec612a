"""A conversation as a row of JSONL with `messages`: what `read_conversations`, sft and the Hub read."""

from __future__ import annotations

import json
from pathlib import Path

from tumbler.chat.printable import is_control
from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, plain


def save(path: Path, conversation: Conversation, over: bool) -> None:
    """One line. An existing file is written over only if `over`, and is whole at every moment."""
    if not conversation.messages:
        raise UserError("nothing to save: nothing was said yet")
    try:
        if over:
            beside = path.with_name(f".{path.name}.part")
            beside.write_text(to_line(conversation), encoding="utf-8")
            beside.replace(path)
            return
        with path.open("x", encoding="utf-8") as file:
            file.write(to_line(conversation))
    except FileExistsError as error:
        raise UserError(f"{path}: is there already; give another name, or write over it with /save! {path}") from error
    except OSError as error:
        raise UserError(f"{path}: not written: {error.strerror}") from error


def to_line(conversation: Conversation) -> str:
    """A row with its line end; what a terminal would take for a command stands as `\\u001b`."""
    messages = [plain(message) for message in conversation.messages]
    text = json.dumps({"messages": messages}, ensure_ascii=False)
    return "".join(f"\\u{ord(c):04x}" if is_control(c) else c for c in text) + "\n"
