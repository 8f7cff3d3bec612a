"""C4's rule of bad words (Raffel et al. 2020, Section 2.2), deciding as datatrove's; the lists you bring yourself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import xxhash

from tumbler.corpus.rules.rule import Rule

WITHOUT_SPACES: Final = frozenset({"ja", "th", "zh"})
"""Languages in which a word counts wherever it stands."""
ALLOWED: Final = frozenset({"sm", "グロ", "女の子", "性"})
"""Left out of every list: parts of so many harmless words that each took 10 % of its language (mC4)."""
_WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class WordList:
    """The words of one language."""

    words: frozenset[str]
    """Letters and digits only: found by looking up the text's words."""
    phrases: tuple[tuple[frozenset[str], re.Pattern[str]], ...]
    """Anything else: the words in it, which a text must have, and what to look for then."""

    @classmethod
    def of(cls, language: str, entries: Iterable[str]) -> WordList:
        wanted = sorted(set(entries) - ALLOWED - {""})
        if language in WITHOUT_SPACES:
            return cls(frozenset(), tuple((frozenset[str](), re.compile(re.escape(entry))) for entry in wanted))
        words = frozenset(filter(_WORDS.fullmatch, wanted))
        phrases = ((frozenset(_WORDS.findall(item)), _alone(item)) for item in wanted if item not in words)
        return cls(words, tuple(phrases))

    def found_in(self, text: str) -> bool:
        """Whether the text, in lower case, has one of the entries, with no letter or digit on either side."""
        own = set(_WORDS.findall(text))
        if not own.isdisjoint(self.words):
            return True
        return any(needed <= own and pattern.search(text) for needed, pattern in self.phrases)


def _alone(entry: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(entry)}(?!\w)")


class BadWords(Rule):
    """Off by default. Call with a text, its language, its id and the lists by language: None, or
    `badwords:LANGUAGE`. A language without list stays."""

    enabled: bool = False
    """true turns this rule on (FineWeb does without)."""
    lists: tuple[str, ...] = ()
    """Files of words, one a line, each named by its language's code (`en`, `de`), or folders of them: so they lie in
    the public List of Dirty, Naughty, Obscene and Otherwise Bad Words, which C4 used."""
    keep_fraction: float = 0.0
    """Share of the pages with such words that stays all the same (C4: 0)."""
    seed: int = 0
    """With a page's id this decides whether it belongs to that share: the same in every run and on every machine."""

    def __call__(self, text: str, language: str, page: str, lists: Mapping[str, WordList]) -> str | None:
        if language not in lists or not lists[language].found_in(text.lower()):
            return None
        drawn = xxhash.xxh3_64_intdigest(page.encode(), self.seed) / (1 << 64)
        return None if drawn < self.keep_fraction else f"badwords:{language}"
