"""Extraction: HTML -> the text of its main content; ready text passes through."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field
from resiliparse.extract.html2text import extract_plain_text

from tumbler.corpus.extraction.main_content import main_text
from tumbler.corpus.extraction.nesting import is_deep
from tumbler.corpus.rules.rule import Rule
from tumbler.errors import UserError

_BLANK_LINES = re.compile(r"\n{3,}")
CRASH: Final = "extraction:crash"
"""Why a page is dropped that brought down two workers; see `page_limit`."""


class Extraction(Rule):
    """Call with a page's body: its text, empty when there is none (the caller then drops `extraction:empty`)."""

    method: Literal["resiliparse", "trafilatura"] = "resiliparse"
    """`resiliparse`: its main content, mended and cleared of boilerplate; `trafilatura`: FineWeb's, 15 times slower."""
    main_content: bool = True
    """Leave out navigation, footers, side bars and the like."""
    comments: bool = False
    """Keep readers' comments."""
    max_bytes: int = Field(default=4 << 20, gt=0)
    """Drop a larger page (`extraction:too_large`), in bytes of HTML. Common Crawl cuts pages at 5 MiB, before 2025 at
    1 MiB."""
    max_tags: int = Field(default=400_000, gt=0)
    """Drop a page with more tags (`extraction:too_many_tags`), opening and closing: each takes half a kilobyte, and
    600 MB are the aim for a worker. Of 5,999 web pages the one with the most, within the bytes above, has 93,000."""
    max_depth: int = Field(default=5000, gt=0)
    """Drop a page whose tags are nested deeper, roughly counted (`extraction:too_deep`; browsers stop at 512): such
    a page is a trap, and the time to find its main content grows with the square of the depth."""
    seconds: float = Field(default=20, gt=0)
    """CPU time for all work on one page. A page that exceeds it ends its worker; the second time it is dropped
    (`extraction:crash`), as is one that takes all memory."""
    max_characters: int = Field(default=1_000_000, gt=0)
    """A longer text is cut at the last line break before this."""

    def __call__(self, body: str, form: Literal["html", "text"]) -> str:
        if form == "text" or not self.enabled:
            return self._bounded(tidy(body))
        try:
            return self._bounded(self._extract(body))
        except UnicodeEncodeError:  # lone surrogates
            return self._bounded(self._extract(body.encode(errors="replace").decode()))

    def refuse(self, body: str, form: Literal["html", "text"]) -> str | None:
        """`extraction:too_large`, `extraction:too_many_tags`, `extraction:too_deep`, or None."""
        if form == "text":
            return None
        if 4 * len(body) > self.max_bytes < len(body.encode(errors="replace")):
            return "extraction:too_large"
        if len(body) > 3 * self.max_tags and body.count("<") > self.max_tags:
            return "extraction:too_many_tags"
        return "extraction:too_deep" if is_deep(body, self.max_depth) else None

    def _extract(self, html: str) -> str:
        if self.method == "trafilatura":
            return tidy(_trafilatura(html, self.comments))
        if self.main_content:
            return main_text(html, self.comments, 2 * self.max_characters)
        return tidy(extract_plain_text(html, preserve_formatting=True, comments=self.comments, alt_texts=False))

    def _bounded(self, text: str) -> str:
        if len(text) <= self.max_characters:
            return text
        return text[: max(text.rfind("\n", 0, self.max_characters), 0) or self.max_characters].rstrip()


def tidy(text: str) -> str:
    """Unix line ends, no space at the ends of lines, at most one empty line in a row."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join(map(str.rstrip, lines))).strip()


def _trafilatura(html: str, comments: bool) -> str:
    """With datatrove's arguments, which made FineWeb. What one page holds does not count as repeated in the next,
    other than in datatrove, where a page's text so depends on the pages before it."""
    try:
        from trafilatura import deduplication, extract
    except ImportError:
        raise UserError(
            'extraction: method "trafilatura" needs a package that is not here: pip install "tumbler[trafilatura]"'
        ) from None
    deduplication.LRU_TEST.clear()
    return extract(html, favor_precision=True, include_comments=comments, deduplicate=True) or ""
