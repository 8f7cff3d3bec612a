"""The heuristics of C4 (Raffel et al. 2020, JMLR 21(140), Section 2.2), as datatrove reads them for FineWeb.

Lines are taken out, then pages are dropped. The rules beyond the paper (longest word, citations, policy lines)
are of the code that made C4 (tensorflow_datasets, text/c4_utils.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.sentences import count_sentences

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_END_MARKS: Final = (".", "?", "!", '"', "'")
_POLICY: Final = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
_PAGE_FAULTS: Final = ("lorem_ipsum", "curly_bracket")


@dataclass(frozen=True)
class C4Statistics:
    sentences: int
    """Sentences in the lines that stay."""
    banned: str | None
    """lorem_ipsum, curly_bracket, or None."""


@dataclass(frozen=True)
class C4Text(C4Statistics):
    text: str
    """The lines that stay; the text as it was where the page is banned."""
    removed: Mapping[str, int]
    """Lines taken out, by why: too_long_word, no_end_mark, too_few_words, javascript, policy."""


def _is_suspect(text: str) -> bool:
    """Whether a line can have a fault of content: asked once a page, it spares most pages' lines the questions."""
    lower = (_CITATION.sub("", text) if "[" in text else text).lower()
    return any(phrase in lower for phrase in ("{", "javascript", "lorem ipsum", *_POLICY))


class C4Quality(Rule):
    """Call with a text: what of it stays. `judge` that: None, or `c4:` lorem_ipsum, curly_bracket or
    too_few_sentences."""

    max_word_length: int = 1000
    """A line with a longer word (in characters, between white space) goes."""
    remove_citations: bool = True
    """Take out [1], [], [edit] and [citation needed]."""
    require_end_mark: bool = False
    """A line that does not end in . ? ! " or ', or ends in ..., goes (C4 did so; FineWeb did not: its authors
    found that this rule alone removed 30 % of the tokens)."""
    min_words_per_line: int = 3
    """A line with fewer words, between white space and before citations are taken out, goes."""
    ban_lorem_ipsum: bool = True
    """Drop a page with the words "lorem ipsum"."""
    remove_javascript: bool = True
    """A line with the word "javascript" goes."""
    ban_curly_brackets: bool = True
    """Drop a page with "{"."""
    remove_policies: bool = True
    """A line that speaks of cookies, a privacy policy or terms of use goes."""
    min_sentences: int = 5
    """Drop a page with fewer sentences in the lines that stay."""

    def __call__(self, text: str, exact: bool = False) -> C4Text:
        """Unless `exact`, sentences are only counted where they decide."""
        suspect = _is_suspect(text)
        kept: list[str] = []
        removed: Counter[str] = Counter()
        for whole in text.splitlines():
            line, fault = self._look(whole.strip(), suspect)
            if fault in _PAGE_FAULTS:
                return C4Text(self._sentences(kept, exact), fault, text, dict(removed))
            if fault is None:
                kept.append(line)
            else:
                removed[fault] += 1
        return C4Text(self._sentences(kept, exact), None, "\n".join(kept).strip(), dict(removed))

    def _sentences(self, lines: Sequence[str], exact: bool) -> int:
        """At least so many: each line has one."""
        if len(lines) >= self.min_sentences and not exact:
            return len(lines)
        return sum(map(count_sentences, lines))

    def judge(self, found: C4Statistics) -> str | None:
        if found.banned:
            return f"c4:{found.banned}"
        return "c4:too_few_sentences" if found.sentences < self.min_sentences else None

    def _look(self, line: str, suspect: bool) -> tuple[str, str | None]:
        """The line without citations, and what is wrong with it; faults in datatrove's order."""
        longest, fewest = self.max_word_length, self.min_words_per_line
        if len(line) > longest and any(len(word) > longest for word in line.split()):
            return line, "too_long_word"
        has_few = len(line.split(None, fewest)) < fewest
        if self.remove_citations and "[" in line:
            line = _CITATION.sub("", line)
        if self.require_end_mark and (not line.endswith(_END_MARKS) or line.endswith("...")):
            return line, "no_end_mark"
        if has_few:
            return line, "too_few_words"
        return line, self._content_fault(line) if suspect else None

    def _content_fault(self, line: str) -> str | None:
        lower = line.lower()
        if self.ban_lorem_ipsum and "lorem ipsum" in lower:
            return "lorem_ipsum"
        if self.remove_javascript and "javascript" in lower:
            return "javascript"
        if self.ban_curly_brackets and "{" in line:
            return "curly_bracket"
        if self.remove_policies and any(phrase in lower for phrase in _POLICY):
            return "policy"
        return None


@dataclass(frozen=True)
class ParagraphStatistics:
    long_lines: int


class C4Paragraphs(Rule):
    """mC4's rule (Xue et al. 2021, arXiv 2010.11934, Section 3.1), off by default: call with a text: None, or
    `c4_paragraphs:too_few` for one with too few long lines."""

    enabled: bool = False
    """true turns this rule on (FineWeb does without)."""
    min_paragraphs: int = 3
    """Long lines that a page needs (mC4: 3)."""
    min_characters: int = 200
    """Characters that make a line long (mC4: 200)."""

    def __call__(self, text: str) -> str | None:
        return self.judge(self.measure(text))

    def measure(self, text: str) -> ParagraphStatistics:
        return ParagraphStatistics(sum(len(line) >= self.min_characters for line in text.split("\n")))

    def judge(self, found: ParagraphStatistics) -> str | None:
        return "c4_paragraphs:too_few" if found.long_lines < self.min_paragraphs else None
