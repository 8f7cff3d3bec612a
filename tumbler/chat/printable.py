"""What a model writes is untrusted: an escape sequence in it could rewrite the screen or the clipboard."""

from __future__ import annotations

import unicodedata
from typing import Final

BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that make text read otherwise than it is (CVE-2021-42574)."""
SIGNS: Final = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}
HIDDEN: Final = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"))
"""Categories of what a terminal shows as nothing, as a space, or takes for a command."""


def printable(text: str) -> str:
    """The text without control characters (but line feed and tab) and without reordering marks."""
    return "".join(c for c in text if c in "\n\t" or not is_control(c))


def is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" or character in BIDI


def visible(text: str) -> str:
    """Every character as something that can be seen, on one line: `␣` for a space, `⏎` for a line feed, `\\x1b`."""
    return "".join(SIGNS.get(c) or (_code(c) if unicodedata.category(c) in HIDDEN else c) for c in text)


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
