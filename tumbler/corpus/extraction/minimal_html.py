"""Resiliparse's minimal HTML -> typed lines, and lines -> plain text.

Resiliparse writes a line of text for each block, with tags only for headings, paragraphs, lists, links, line breaks
and preformatted text. What those tags tell about a line is what `boilerplate` judges by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Kind = Literal["heading", "paragraph", "item", "row", "code", "bare"]
"""`item`: text of a list; `row`: cells of a table; `bare`: text straight in a <div>, <figure>, <blockquote> ..."""

_LINE = re.compile(r"(\n*)\n( *)(?:<(p|h[1-6]|[uo]l|li|pre)>)?([^\n]*)")
"""Empty lines, indentation, an opening tag, the rest of the line."""
_TAG = re.compile(r"<[^>]*>")
_LINKED = re.compile(r"""<a href="[^"]+">(.*?)(?:</a>|$)""")
PROSE: Final = 80
"""Characters outside links from which a line with the end of a sentence is prose."""
STOPS: Final = tuple(".!?…。！？।؟۔")
_ENDS: Final = (*STOPS, *":'”’»)", "&quot;")
_INNER_END = re.compile(r"[.!?:](?:&quot;|”)? |[。！？]")
_PARAGRAPH: Final[tuple[Kind, int]] = ("paragraph", 0)
_RUNNING: Final = frozenset(("paragraph", "item", "bare"))
_CELLS: Final = "\t\t"
_BULLETS: Final = -1
"""Instead of a count: the list has no numbers."""


class Line(NamedTuple):
    kind: Kind
    text: str
    """As in HTML: `<`, `>`, `&` and `"` are escaped."""
    linked: int
    """Characters of `text` that are a link's."""
    group: int
    """Lines of one group stand together: a list, a table, a paragraph with line breaks."""
    item: int = 0
    """Number of the list item that it stands in; 0: none."""
    level: int = 0
    """Of a heading: 1 to 6."""
    bullet: str = ""
    """What stands before the text of a list item: `- `, or `1. ` in a numbered list, indented by two spaces a level."""
    prose: bool = False
    """Whether it reads like running text: long, mostly not links, with the end of a sentence; never a heading's."""


class _Lists:
    """The lists that are open at a line."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        """Of each list: the number of its last item, or _BULLETS."""
        self.items = self.item = 0
        """Items so far, and the number of the one that is open; 0: none."""

    def open(self, tag: str) -> str:
        """The bullet, if `tag` is an item's."""
        if tag != "li":
            self.counts.append(0 if tag == "ol" else _BULLETS)
            return ""
        self.items += 1
        self.item = self.items
        indent = "  " * (len(self.counts) - 1)
        if not self.counts or self.counts[-1] == _BULLETS:
            return indent + "- "
        self.counts[-1] += 1
        return f"{indent}{self.counts[-1]}. "

    def close(self, source: str) -> None:
        for _ in range(min(source.count("</ul>") + source.count("</ol>"), len(self.counts))):
            self.counts.pop()
        if not self.counts:
            self.item = 0


def lines(minimal: str) -> list[Line]:
    """The lines that have text. One long loop, for it runs over every page."""
    found: list[Line] = []
    lists = _Lists()
    group, bullet, paragraph, code = 0, "", False, False
    for gap, indent, tag, rest in _LINE.findall("\n" + minimal):
        if code or tag == "pre":
            group += not code
            found.extend(_code(indent + rest, group, bool(code and gap)))
            code = "</pre>" not in rest
            group += not code
            continue
        if gap:
            group += 1
            paragraph = False
        if tag == "p":
            paragraph = True
            if rest.endswith("</p>"):
                rest = rest[:-4]  # most have no other tag
        elif tag and tag[0] != "h":
            group += not lists.counts
            bullet = lists.open(tag)
        text, linked = _plain(rest) if "<" in rest else (rest.strip(), 0)
        if text:
            kind, level = _PARAGRAPH if paragraph else _kind(tag, text, lists.item)
            prose = len(text) - linked >= PROSE and kind in _RUNNING and _has_sentence_end(text)
            found.append(Line(kind, text, linked, group, lists.item, level, bullet, prose))
            bullet = ""
        if "<" in rest:
            if "l>" in rest:
                lists.close(rest)
            elif rest.endswith("<br><br>") or rest == "<br>":
                group += 1
    return found


def _plain(source: str) -> tuple[str, int]:
    """The text, and how many of its characters are a link's."""
    linked = sum(map(len, _LINKED.findall(source))) if "<a" in source else 0
    return _TAG.sub("", source).strip(), linked


def _kind(tag: str, text: str, item: int) -> tuple[Kind, int]:
    """Of a line in no paragraph: its kind, and a heading's level."""
    if tag and tag[0] == "h":
        return "heading", int(tag[1])
    return "row" if _CELLS in text else "item" if item else "bare", 0


def _has_sentence_end(text: str) -> bool:
    return text.endswith(_ENDS) or _INNER_END.search(text) is not None


def _code(source: str, group: int, gap: bool) -> Iterator[Line]:
    text = _TAG.sub("", source).rstrip()
    if text and gap:
        yield Line("code", "", 0, group)
    if text:
        yield Line("code", text, 0, group)


def render(kept: Iterable[Line]) -> str:
    """Plain text: groups with an empty line between them."""
    parts: list[str] = []
    group = -1
    for _, text, _, next_group, _, _, bullet, _ in kept:
        parts.append("\n" if next_group == group else "\n\n")
        parts.append(bullet + text)
        group = next_group
    return unescape("".join(parts)).strip()


def unescape(text: str) -> str:
    if "&" not in text:
        return text
    return text.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
