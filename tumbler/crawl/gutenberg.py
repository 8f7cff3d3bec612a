"""Project Gutenberg's books: the frame around a book (header, licence) is known by its marks and taken off."""

from __future__ import annotations

import re
from typing import Final

PUBLIC_DOMAIN: Final = "public domain in the USA"
"""What Project Gutenberg's catalogue says of a book, unless its header calls it copyrighted."""
_START = re.compile(
    r"^\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK(?:[^*]{0,500}\*{3})?[^\n]*\n",  # a long title fills two lines
    re.MULTILINE,
)
_END = re.compile(r"^\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK", re.MULTILINE)
_COPYRIGHTED = re.compile(r"copyrighted\s+project\s+gutenberg", re.IGNORECASE)


def without_frame(text: str) -> tuple[str, str]:
    """(the book, its licence); the text as it is and "" when it does not carry the marks."""
    start = _START.search(text)
    if start is None:
        return text, ""
    end = _END.search(text, start.end())
    book = text[start.end() : end.start() if end else None].strip()
    return book, "" if _COPYRIGHTED.search(text, 0, start.start()) else PUBLIC_DOMAIN
