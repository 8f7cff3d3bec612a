"""What an HTML page says first, read off its source without a parser: enough to tell its language."""

from __future__ import annotations

import html
import re
from typing import Final

_DECLARED = re.compile(r"""<html\b[^>]{0,500}?\slang\s*=\s*["']?([a-z]{2,3})\b""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
HEAD: Final = 4000
"""Characters in which the <html> tag is looked for."""
SHORT: Final = 40
"""Characters from which a paragraph is text: shorter ones are often dates, names and buttons."""
LONG: Final = 20_000
"""Characters of source from which it is no paragraph, but one that was never closed."""
MOST: Final = 200
"""Paragraphs looked at."""


def declared_language(source: str) -> str | None:
    """The code in <html lang="...">, without its region."""
    found = _DECLARED.search(source, 0, HEAD)
    return found.group(1).lower() if found else None


def first_paragraphs(source: str, characters: int) -> str:
    """The text of the first paragraphs, on one line of at most so many characters."""
    found: list[str] = []
    size = end = 0
    for _ in range(MOST):
        start = source.find("<p", end) if size < characters else -1
        if start < 0:
            break
        if source[start + 2 : start + 3] not in (">", " ", "\n", "\t"):  # <pre>, <path>
            end = start + 2
            continue
        end = source.find("</p", start, start + LONG)
        if end < 0:
            end = start + LONG
            continue
        text = " ".join(html.unescape(_TAG.sub(" ", source[start:end])).split())
        if len(text) >= SHORT:
            found.append(text)
            size += len(text)
    return " ".join(found)[:characters]
