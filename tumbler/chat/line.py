"""What a typed line means: something to say, or a command with what stands behind it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

QUOTE: Final = '"""'
OPENING: Final = re.compile(r'\s*(/\w+!?\s+)?"""')
"""A quoted text may be a message, or stand behind a command."""
COMMAND: Final = re.compile(r"\s*/(\S*)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Called:
    """A command; `rest` is what it is told, without the spaces around it."""

    name: str
    rest: str


@dataclass(frozen=True)
class Said:
    """A text for the model; a blank one says nothing."""

    text: str


def is_open(text: str) -> bool:
    """Whether a text that is being typed has an opening quote and not yet the closing one at its end."""
    opening = OPENING.match(text)
    return opening is not None and not text[opening.end() :].rstrip().endswith(QUOTE)


def meaning(line: str) -> Called | Said:
    """A line as it was typed; a quoted text may have several lines, and is never a command."""
    line = _characters(line.removesuffix("\n"))
    command = COMMAND.fullmatch(line)
    if command is None:
        return Said(_unquoted(line))
    return Called(command[1], _unquoted(command[2].strip()))


def _unquoted(text: str) -> str:
    """What stands between the quotes, without the line breaks next to them; a text without quotes as it is."""
    inner = text.strip()
    if len(inner) < 2 * len(QUOTE) or not (inner.startswith(QUOTE) and inner.endswith(QUOTE)):
        return text
    return inner.removeprefix(QUOTE).removesuffix(QUOTE).removeprefix("\n").removesuffix("\n")


def _characters(text: str) -> str:
    """Bytes that are not UTF-8 arrive as lone surrogates, which are no characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
