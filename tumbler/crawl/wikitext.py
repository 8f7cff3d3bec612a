"""Wikitext -> plain text: headings, paragraphs and lists; no templates, tables, references, files or categories.

In time linear in the text whatever it holds, which is why this is not mwparserfromhell: that parser goes back over
unclosed marks (30 kB of "<i a='" take it 20 s, and neither it nor a timer in Python can stop it).
The order of the steps is MediaWiki's: extension tags, braces and links, tables, inline marks, then lines.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

MEDIA: Final = frozenset({"file", "image", "media", "category"})
"""Namespaces whose links are not text: the names that every wiki knows, beside those in its own language."""
MAX_NESTING: Final = 40
"""Of braces and links; MediaWiki's own limit for templates. What opens deeper is text."""
LITERAL: Final = "nowiki|pre|syntaxhighlight|source"
UNTOLD: Final = (
    "ref|references|gallery|math|chem|ce|timeline|score|graph|hiero|imagemap|inputbox|mapframe|maplink|templatestyles|"
    "templatedata|includeonly|indicator|categorytree|charinsert|phonos|style|table"
)
"""Tags whose content is dropped with them."""
LINE_TAGS: Final = "blockquote|br|center|dd|div|dl|dt|h[1-6]|hr|li|ol|p|poem|td|th|tr|ul"
INLINE_TAGS: Final = (
    "abbr|b|bdi|bdo|big|caption|cite|code|data|del|dfn|em|font|i|ins|kbd|link|mark|meta|noinclude|onlyinclude|q|rb|rp|"
    "rt|rtc|ruby|s|samp|section|small|span|strike|strong|sub|sup|time|tt|u|var|wbr"
)
"""These go while their content stays; anything else between angle brackets is text, as in MediaWiki."""

_LITERAL: Final = frozenset(LITERAL.split("|"))
_OPENING = re.compile(rf"<!--|<({LITERAL}|{UNTOLD})\b([^<>]*)>", re.IGNORECASE)
_LINE_TAG = re.compile(rf"</?(?:{LINE_TAGS})\b[^<>]*>", re.IGNORECASE)
_OTHER_TAG = re.compile(rf"</?(?:{INLINE_TAGS}|{LITERAL}|{UNTOLD})\b[^<>]*>", re.IGNORECASE)
_MARK = re.compile(r"\{\{+|\}\}+|\[\[|\]\]")
_NO_TEXT = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]+)*|simple):.*"
    r"|.*\.(?i:jpe?g|png|gif|svg|tiff?|webp|og[gav]|webm|mp3|wav|mid|pdf|djvu)"
)
"""The same article in another language, or a file under an older name of its namespace (which no dump tells)."""
_EXTERNAL = re.compile(r"\[(?:https?:|ftp:|mailto:)?//[^\s\[\]]+(?:[ \t]+([^\[\]\n]*))?\]")
_VARIANT = re.compile(r"-\{([^{}]*)\}-")
_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(r"__[A-Z]+__")
_SPACES = re.compile(r"[ \t\xa0]{2,}|[\t\xa0]")
_HOLLOWS: Final = (
    (re.compile(r"\([ ,;:]*\)"), ""),
    (re.compile(r"\([ ,;]+"), "("),
    (re.compile(r" (?=[,.)](?:\s|$))"), ""),
)
"""What a dropped template leaves behind: `()`, `Ada (; born 1815)`, ` ,`."""
_PLACEHOLDER = re.compile(r"\0(\d+)\0")
_HUGE_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")


def plain_text(wikitext: str, media: frozenset[str] = MEDIA) -> str:
    """The text of an article; `media` are the lower-case namespaces whose links are dropped."""
    literals: list[str] = []
    text = _without_extensions(wikitext.replace("\0", ""), literals)
    text = "\n".join(_outside_tables(_without_nesting(text, media)))
    text = _tidy(_inline(text))
    text = "\n".join(_without_empty_sections(list(_blocks(text))))
    text = _PLACEHOLDER.sub(lambda found: literals[int(found[1])], text)
    text = html.unescape(_HUGE_NUMBER.sub("\ufffd", text)).replace("\xa0", " ")
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _without_extensions(text: str, literals: list[str]) -> str:
    """Comments and dropped tags go; what must not be read as wikitext moves to `literals`, a placeholder stays."""
    kept: list[str] = []
    place = 0
    unclosed: set[str] = set()
    while found := _OPENING.search(text, place):
        kept.append(text[place : found.start()])
        name, place = (found[1] or "").lower(), found.end()
        if name in unclosed or (name and found[2].endswith("/")):
            continue
        end = _closing(name).search(text, place)
        if end is None:
            unclosed.add(name)  # searched once a name, so that the whole stays linear
            place = place if name else len(text)
            continue
        if name in _LITERAL:
            kept.append(f"\0{len(literals)}\0")
            literals.append(text[place : end.start()])
        place = end.end()
    return "".join(kept) + text[place:]


@cache
def _closing(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}\s*>" if name else "-->", re.IGNORECASE)


@dataclass(frozen=True)
class _Open:
    """A run of `{{`.. or a `[[` that waits for its end; `start` is its place among the pieces."""

    mark: str
    start: int


class _Pieces:
    """The text so far, and what is open in it."""

    def __init__(self, media: frozenset[str]) -> None:
        self.pieces: list[str] = []
        self._open: list[_Open] = []
        self._media = media

    def open(self, mark: str) -> None:
        if len(self._open) < MAX_NESTING:
            self._open.append(_Open(mark, len(self.pieces)))
        self.pieces.append(mark)

    def close_link(self) -> None:
        start = self._pop("[")
        if start is None:
            self.pieces.append("]]")
            return
        inner = "".join(self.pieces[start.start + 1 :])
        del self.pieces[start.start :]
        self.pieces.append(_label(inner, self._media))

    def close_braces(self, count: int) -> None:
        while count >= 2 and (start := self._pop("{")):
            del self.pieces[start.start :]
            matched = min(count, len(start.mark))
            count -= matched
            self.pieces.append(" ")  # `1815{{snd}}1852` are two words
            if len(start.mark) - matched >= 2:
                self.open(start.mark[matched:])
        self.pieces.append("}" * count)

    def _pop(self, kind: str) -> _Open | None:
        """The innermost open mark of a kind; those inside it are unclosed, thus text."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place].mark[0] == kind:
                found = self._open[place]
                del self._open[place:]
                return found
        return None


def _without_nesting(text: str, media: frozenset[str]) -> str:
    """Templates go, links become their labels."""
    state = _Pieces(media)
    place = 0
    for found in _MARK.finditer(text):
        state.pieces.append(text[place : found.start()])
        place = found.end()
        if found[0][0] in "{[":
            state.open(found[0])
        elif found[0] == "]]":
            state.close_link()
        else:
            state.close_braces(len(found[0]))
    return "".join(state.pieces) + text[place:]


def _label(inner: str, media: frozenset[str]) -> str:
    target, _, label = inner.partition("|")
    if "\n" in target.strip():
        return f"[[{inner}]]"
    prefix, colon, rest = target.strip().partition(":")
    if prefix and colon and (prefix.strip().lower().replace("_", " ") in media or _NO_TEXT.fullmatch(target.strip())):
        return ""
    return label if label.strip() else rest if colon and not prefix else target


def _outside_tables(text: str) -> Iterator[str]:
    """The lines in no table. A heading ends one: the closing mark may have stood in a template."""
    depth = 0
    for line in text.split("\n"):
        start = line.lstrip(" \t:")[:2]
        if start == "==":
            depth = 0
        if start == "{|":
            depth += 1
        elif start == "|}":
            depth = max(depth - 1, 0)
        elif not depth and not start.startswith("|"):
            yield line


def _inline(text: str) -> str:
    text = _VARIANT.sub(lambda found: _first_variant(found[1]), text)
    text = _EXTERNAL.sub(lambda found: found[1] or "", text)
    text = _OTHER_TAG.sub("", _LINE_TAG.sub("\n", text))
    text = _QUOTES.sub(lambda found: "'" * {2: 0, 3: 0, 4: 1}.get(len(found[0]), len(found[0]) - 5), text)
    return _SWITCH.sub("", text)


def _first_variant(rules: str) -> str:
    """Of `zh-hans:A; zh-hant:B` the A (language conversion, in Chinese and some other wikis)."""
    flag, bar, rules = rules.rpartition("|")
    if bar and set(flag.upper()) & set("HT"):
        return ""
    first = rules.split(";")[0]
    return first.partition(":")[2] if ":" in first else rules


def _tidy(text: str) -> str:
    text = _SPACES.sub(" ", text)
    for pattern, left in _HOLLOWS:
        text = pattern.sub(left, text)
    return _SPACES.sub(" ", text)


@dataclass(frozen=True)
class _Block:
    """A line; `level` is that of a heading, 0 for text."""

    level: int
    text: str


def _blocks(text: str) -> Iterator[_Block]:
    for line in text.split("\n"):
        line = line.strip()
        level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")), 6)
        if level and (title := line[level:-level].strip()):
            yield _Block(level, title)
        elif line[:1] and line[0] in "*#:;":
            item = line.lstrip("*#:;")
            marks = line[: len(line) - len(item)]
            bullet = "  " * (min(len(marks), 6) - 1) + "- " if marks[-1] in "*#" else ""
            if item.strip():
                yield _Block(0, bullet + item.strip())
        else:
            yield _Block(0, line if line.strip("-") else "")


def _without_empty_sections(blocks: list[_Block]) -> list[str]:
    """The lines, with a blank one around each heading, and no heading that has nothing under it."""
    lines: list[str] = []
    reach = 0  # a heading has text under it when its level is below this
    for block in reversed(blocks):
        if not block.level:
            lines.append(block.text)
            reach = 7 if block.text else reach
        elif block.level < reach:
            lines += ["", block.text, ""]
            reach = block.level
    return lines[::-1]
