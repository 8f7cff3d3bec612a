"""Quality rules of Gopher (Rae et al. 2021, arXiv 2112.11446, Appendix A.1.1), counted as datatrove does."""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.words.prose import Prose


@dataclass(frozen=True)
class QualityStatistics:
    words: int
    """Words that are not only punctuation."""
    mean_word_length: float
    hash_ratio: float
    """'#' a word (punctuation counts as words here and in the two below, as datatrove has it)."""
    ellipsis_ratio: float
    alphabetic_words: float
    """Share of words with a letter."""
    bullet_lines: float
    ellipsis_lines: float
    stop_words: frozenset[str]


class GopherQuality(Rule):
    """Call with the text's words: None or `gopher_quality:` and the first rule that is broken."""

    min_words: int = 50
    """Fewest words (A.1.1: 50)."""
    max_words: int = 100_000
    """Most words (A.1.1: 100,000)."""
    min_mean_word_length: float = 3.0
    """Mean word length in characters, from (A.1.1: 3)."""
    max_mean_word_length: float = 10.0
    """Mean word length in characters, to (A.1.1: 10)."""
    max_symbol_word_ratio: float = 0.1
    """Most '#' and most '...' a word (A.1.1: 0.1)."""
    max_bullet_lines: float = 0.9
    """Largest share of lines that begin with a bullet (A.1.1: 90 %)."""
    max_ellipsis_lines: float = 0.3
    """Largest share of lines that end with an ellipsis (A.1.1: 30 %)."""
    min_alphabetic_words: float = 0.8
    """Smallest share of words with a letter (A.1.1: 80 %)."""
    stop_words: tuple[str, ...] = ("the", "be", "to", "of", "and", "that", "have", "with")
    """Words that running English has (A.1.1)."""
    min_stop_words: int = 2
    """How many different ones must occur (A.1.1: 2)."""

    def __call__(self, prose: Prose) -> str | None:
        return self.judge(measure(prose, self.stop_words))

    def judge(self, found: QualityStatistics) -> str | None:
        rules = (
            ("too_few_words", found.words < self.min_words),
            ("too_many_words", found.words > self.max_words),
            ("words_too_short", found.mean_word_length < self.min_mean_word_length),
            ("words_too_long", found.mean_word_length > self.max_mean_word_length),
            ("too_many_hashes", found.hash_ratio > self.max_symbol_word_ratio),
            ("too_many_ellipses", found.ellipsis_ratio > self.max_symbol_word_ratio),
            ("too_many_bullet_lines", found.bullet_lines > self.max_bullet_lines),
            ("too_many_ellipsis_lines", found.ellipsis_lines > self.max_ellipsis_lines),
            ("too_few_alphabetic_words", found.alphabetic_words < self.min_alphabetic_words),
            ("too_few_stop_words", len(found.stop_words) < self.min_stop_words),
        )
        return next((f"gopher_quality:{name}" for name, broken in rules if broken), None)


def measure(prose: Prose, stop_words: tuple[str, ...]) -> QualityStatistics:
    """The statistics of a text that has words."""
    text, total = prose.text, len(prose)
    lengths = prose.lengths[~prose.symbols]
    lines = [line.strip() for line in text.splitlines()]
    return QualityStatistics(
        words=len(lengths),
        mean_word_length=float(lengths.mean()) if len(lengths) else 0.0,
        hash_ratio=text.count("#") / total,
        ellipsis_ratio=(text.count("...") + text.count("…")) / total,
        alphabetic_words=int(prose.lettered.sum()) / total,
        bullet_lines=sum(line.startswith(("•", "-")) for line in lines) / len(lines),
        ellipsis_lines=sum(line.endswith(("...", "…")) for line in lines) / len(lines),
        stop_words=frozenset(filter(prose.holds, stop_words)),
    )
