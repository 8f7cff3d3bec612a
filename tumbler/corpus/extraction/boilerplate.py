"""Boilerplate: which lines of an extracted page are its main text, by signs that cost little and hold in any language.

Resiliparse leaves out what a page's tags and classes name as navigation, footers and advertisements. What it lets
through betrays itself by its form: text that stands in no paragraph on a page whose prose stands in paragraphs
(captions, bylines, dates, buttons), links with nothing around them, headings with nothing under them. Only cookie
notices and stock phrases are known by their words. To judge the short lines of a page by the long ones is the idea of
jusText (Pomikálek 2011, section 3.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tumbler.corpus.extraction.minimal_html import STOPS, Line

BARE_PROSE: Final = 0.2
"""Share of bare lines in the page's prose below which its bare lines are furniture."""
LINK_REST: Final = 25
"""A line with fewer characters outside its links, and more inside, is a link."""
REPEATED: Final = 40
"""Characters from which a line is dropped when it comes again."""
PHRASE: Final = 100
"""Characters below which a line may be a stock phrase."""
NOTICE: Final = 600
"""Characters below which a line may be a cookie notice."""
EDGE: Final = 5
"""Lines at either end of a page where a cookie notice may stand."""

_QUOTES: Final = ("&quot;", *"“'‘«„「")
_COOKIE_CONTEXT = re.compile("web|site|sitio|sito|seite|browser|consent|privacy|accept", re.IGNORECASE)
_PHRASE = re.compile(
    r"""advertisement$|sponsored\b|share\b[^.]{0,30}$|tweet$|related\b[^.]{0,20}(?::|$)|recommended\b[^.]{0,20}(?::|$)
    |trending\b[^.]{0,20}$|see\s(?:also|more)[^.]{0,20}(?::|$)|read\s(?:also|more|next)[^.]{0,20}(?::|$)|also\sread
    |don['’]t\smiss|filed\sunder|tags\b[^.]{0,20}(?::|$)|topics$|source:|photos?:|comments?$|leave\sa\scomment
    |more\s(?:in|on|from|about|stories|articles|news)\b[^.!?]*$
    |(?:first\s|last\s)?(?:posted|published|updated)(?:\s(?:by|on|at|in)\b|:|\s\w+\s\d)
    |subscribe\b.*\b(?:newsletter|e-?mail|channel|now|free)\b|sign\sup\b.*\b(?:newsletter|e-?mail|now|free)\b
    |follow\s.*\bon\s(?:twitter|facebook|instagram|youtube|linkedin)\b
    |copyright\b|©|all\srights\sreserved""",
    re.VERBOSE,
)
"""Of lower-case text; flat, for then Python's engine tells most lines by their first letter."""


@dataclass(frozen=True)
class Page:
    """An extracted page: what its lines are, seen together."""

    lines: Sequence[Line]
    prose: Sequence[Line]
    teasers: frozenset[int]
    """The list items that advertise other pages: their heading is a link."""

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Page:
        headings = [line for line in lines if line.level and line.item]
        teasers = frozenset(line.item for line in headings if 2 * line.linked > len(line.text))
        return cls(lines, [line for line in lines if line.prose and line.item not in teasers], teasers)

    @property
    def characters(self) -> int:
        return unlinked(self.lines)

    @property
    def prose_characters(self) -> int:
        return unlinked(self.prose)

    def main(self, bare_content: bool) -> Sequence[Line]:
        """The lines of the main text; all of them where no line is prose.

        `bare_content`: whether the page has quotations or definitions outside paragraphs.
        """
        if not self.prose:
            return self.lines
        bare = unlinked([line for line in self.prose if line.kind == "bare"])
        furniture = not bare_content and bare < BARE_PROSE * self.prose_characters
        return _without_empty_sections(self._kept(self.lines, furniture))

    def main_prose(self) -> Sequence[Line]:
        """The prose alone: of a page whose main content is not known."""
        return self._kept(self.prose, furniture=False)

    def _kept(self, lines: Sequence[Line], furniture: bool) -> list[Line]:
        found: list[Line] = []
        seen: set[str] = set()
        for place, line in enumerate(lines):
            kind, text, _, _, item, _, _, prose = line
            if kind == "code":
                found.append(line)
                continue
            if furniture and kind == "bare" and not text.startswith(_QUOTES):
                continue
            if item and item in self.teasers:
                continue
            if not prose and (is_link(line) or (len(text) < PHRASE and _PHRASE.match(text.lower()))):
                continue
            if not EDGE <= place < len(lines) - EDGE and is_cookie_notice(text):
                continue
            if len(text) >= REPEATED:
                if text in seen:
                    continue
                seen.add(text)
            found.append(line)
        return found


def unlinked(lines: Iterable[Line]) -> int:
    """Characters that are in no link."""
    return sum([len(line.text) - line.linked for line in lines])


def is_link(line: Line) -> bool:
    """Whether a line is a link with hardly a word around it; a heading may be, and so may a whole sentence."""
    rest = len(line.text) - line.linked
    return rest < LINK_REST and rest < line.linked and not line.level and not line.text.endswith(STOPS)


def is_cookie_notice(text: str) -> bool:
    return len(text) < NOTICE and "cookie" in text.lower() and _COOKIE_CONTEXT.search(text) is not None


def _without_empty_sections(lines: Iterable[Line]) -> list[Line]:
    """Without the headings that have no text before the next heading of their level."""
    found: list[Line] = []
    pending: list[Line] = []
    for line in lines:
        if level := line.level:
            while pending and pending[-1].level >= level:
                pending.pop()
            pending.append(line)
            continue
        if pending:
            found += pending
            pending.clear()
        found.append(line)
    return found
