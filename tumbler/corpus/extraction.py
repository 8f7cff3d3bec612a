"""Extraction: HTML -> the text of its main content, by resiliparse; ready text passes through."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final, Literal

from resiliparse.extract.html2text import extract_plain_text

from tumbler.corpus.rule import Rule

_TRAILING_SPACE = re.compile(r"[^\S\n]+(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")
_NESTING = re.compile(
    r"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr|p|li|d[td]|t[dhr]|option)\b)[a-z]", re.I
)
"""Tags that nest; not those that are empty or close themselves."""
MANY_TAGS: Final = 5_000
"""Only pages with so many tags are looked at for their depth."""


class Extraction(Rule):
    """Call with a page's body: its text, empty when there is none (the caller then drops `extraction:empty`)."""

    max_depth: int = 5000
    """Drop a page whose tags are nested deeper, roughly counted (`extraction:too_deep`; browsers stop at 512): such
    a page is a trap, and the time to find its main content grows with the square of the depth."""
    main_content: bool = True
    """Leave out navigation, footers, side bars and the like."""
    comments: bool = False
    """Keep readers' comments."""
    max_characters: int = 1_000_000
    """A longer text is cut at the last line break before this."""

    def __call__(self, body: str, form: Literal["html", "text"]) -> str:
        text = self._extract(body) if form == "html" and self.enabled else body
        return self._bounded(tidy(text))

    def refuse(self, body: str, form: Literal["html", "text"]) -> str | None:
        """`extraction:too_deep`, or None."""
        if form == "html" and body.count("<") > MANY_TAGS and depth(body) > self.max_depth:
            return "extraction:too_deep"
        return None

    def _extract(self, html: str) -> str:
        return extract_plain_text(
            html.replace("\0", ""),
            preserve_formatting=True,
            main_content=self.main_content,
            comments=self.comments,
            alt_texts=False,
        )

    def _bounded(self, text: str) -> str:
        if len(text) <= self.max_characters:
            return text
        return text[: max(text.rfind("\n", 0, self.max_characters), 0) or self.max_characters].rstrip()


def depth(html: str) -> int:
    """How deep the tags are nested, about: by counting them, without a parser."""
    steps = (-1 if match.group(1) else 1 for match in _NESTING.finditer(html))
    return max(accumulate(steps), default=0)


def tidy(text: str) -> str:
    """Unix line ends, no space at the ends of lines, at most one empty line in a row."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _BLANK_LINES.sub("\n\n", _TRAILING_SPACE.sub("", text)).strip()
