"""FineWeb's own three filters (Penedo et al. 2024, arXiv 2406.17557, Section 3.4), and a fourth that its code has."""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.corpus.rules.gopher_repetition import duplicates
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.marks import TERMINAL, characters
from tumbler.corpus.words.prose import Prose


@dataclass(frozen=True)
class LineStatistics:
    """Lines that are blank do not count."""

    lines: int
    end_marks: float
    """Share of lines that end in a mark that ends sentences."""
    short_lines: float
    duplicate_characters: float
    """Characters in lines that stood before, a character of all lines."""
    newlines_per_word: float


class FineWebQuality(Rule):
    """Call with the text's words: None or `fineweb_quality:` empty, too_few_end_marks, too_many_short_lines,
    duplicate_lines or too_many_newlines."""

    min_end_marks: float = 0.12
    """Smallest share of lines that end in a punctuation mark that ends sentences (FineWeb: 0.12)."""
    max_short_lines: float = 0.67
    """Largest share of short lines (FineWeb: 0.67)."""
    short_line_characters: int = 30
    """A line of at most so many characters is short (FineWeb: "less than 30"; its code: up to 30)."""
    max_duplicate_characters: float = 0.01
    """Largest share of characters in lines that stood before (the paper says 0.1; the code that made FineWeb
    has 0.01, and that is what we follow)."""
    max_newlines_per_word: float = 0.3
    """Most line breaks a word: above, the page is a list (only in FineWeb's code)."""

    def __call__(self, prose: Prose) -> str | None:
        return self.judge(measure(prose, self.short_line_characters, self.max_newlines_per_word))

    def judge(self, found: LineStatistics) -> str | None:
        rules = (
            ("empty", found.lines == 0),
            ("too_few_end_marks", found.end_marks < self.min_end_marks),
            ("too_many_short_lines", found.short_lines > self.max_short_lines),
            ("duplicate_lines", found.duplicate_characters > self.max_duplicate_characters),
            ("too_many_newlines", found.newlines_per_word > self.max_newlines_per_word),
        )
        return next((f"fineweb_quality:{name}" for name, broken in rules if broken), None)


def measure(prose: Prose, short_line_characters: int, enough: float = 0.0) -> LineStatistics:
    """`enough`: line breaks a word that are surely not above this may be given as 0; then no word is split."""
    text = prose.text
    lines = [line for line in text.split("\n") if not line.isspace() and line]
    if not lines:
        return LineStatistics(0, 0.0, 0.0, 0.0, 0.0)
    marks, newlines = characters(TERMINAL), text.count("\n")
    return LineStatistics(
        lines=len(lines),
        end_marks=sum(line[-1] in marks for line in lines) / len(lines),
        short_lines=sum(len(line) <= short_line_characters for line in lines) / len(lines),
        duplicate_characters=duplicates(lines)[1] / (len(text) - newlines),
        newlines_per_word=0.0 if newlines <= enough * len(text.split()) else newlines / len(prose),
    )
