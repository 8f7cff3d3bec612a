"""Sentences, counted as spaCy's sentencizer cuts them, without building its documents.

A sentence begins at the first word that is no punctuation after a mark that ends sentences. What a run of
characters without space does to the count depends only on whether such a mark came before it, so it is worked
out once a run and remembered.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

from tumbler.corpus.words.spacy_reader import read_spacy_rules
from tumbler.corpus.words.splitter import english

Step = tuple[tuple[int, bool], tuple[int, bool]]
"""Without a mark before, with a mark before: how many sentences begin here, and whether a mark stands open behind."""
_TOKENS: Final = re.compile(r"\S+|\s+")
_REMEMBERED_CHARACTERS: Final = 40


def count_sentences(text: str) -> int:
    """The sentences of a text; 1 for an empty one, as datatrove has it."""
    parts = text.split(" ")
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # to spaCy one space at the end belongs to the word before; any more are a word of their own
    sentences, marked = 1, False
    for part in parts:
        if part.isalpha():  # no mark: spares most parts the look-up
            sentences, marked = sentences + marked, False
        else:
            begun, marked = (_remembered(part) if len(part) <= _REMEMBERED_CHARACTERS else _step(part))[marked]
            sentences += begun
    return sentences


def _step(part: str) -> Step:
    """`part` lies between two spaces: it is empty where there are several, and may hold other white space."""
    if _letters_without_marks().fullmatch(part):
        return (0, False), (1, False)
    tokens = [word for run in _TOKENS.findall(part) or [" "] for word in (english()(run) if run.strip() else (run,))]
    return _walk(tokens, False), _walk(tokens, True)


_remembered = functools.lru_cache(maxsize=1 << 16)(_step)


def _walk(tokens: list[str], marked: bool) -> tuple[int, bool]:
    begun = 0
    for token in tokens:
        if token in _marks():
            marked = True
        elif marked and not _is_punctuation(token):
            begun, marked = begun + 1, False
    return begun, marked


def _is_punctuation(token: str) -> bool:
    return all(unicodedata.category(character)[0] == "P" for character in token)


@functools.cache
def _letters_without_marks() -> re.Pattern[str]:
    """Whatever words such a part has, one of them has a letter and none is a mark."""
    others = f"[^{re.escape(''.join(_marks()))}\\s]*"
    return re.compile(f"{others}[A-Za-z]{others}")


@functools.cache
def _marks() -> frozenset[str]:
    return frozenset(read_spacy_rules().sentence_marks)
