"""One conversation of a JSONL file, by the words behind `/load`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, read_conversations

NUMBERED: Final = re.compile(r"(.+?)\s+(\d+)")


def load(words: str) -> Conversation:
    """The conversation of `FILE`, or of `FILE NUMBER` where the file has several."""
    path, number = Path(words), 0
    if not path.exists() and (numbered := NUMBERED.fullmatch(words)):
        path, number = Path(numbered[1]), int(numbered[2])
    try:
        found = list(read_conversations(path))
    except OSError as error:
        raise UserError(f"{path}: not read: {error.strerror}") from error
    if not found:
        raise UserError(f"{path}: has no conversation in it")
    if not number and len(found) > 1:
        raise UserError(f"{path}: has {len(found)} conversations; say which: /load {path} 1")
    if number > len(found):
        raise UserError(f"{path}: has {len(found)} conversations, and no number {number}")
    return found[max(number - 1, 0)]
