"""spaCy's rules for English words, as data. To load spaCy takes a second: what it says is kept in the user's cache."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs

from tumbler.artifact import replacing
from tumbler.imports import without

FORM = 1
"""Of the kept file."""


@dataclass(frozen=True)
class SpacyRules:
    """What makes `spacy.blank("en")` split a text into words, and its sentencizer words into sentences."""

    special: Mapping[str, tuple[str, ...]]
    """Runs whose words are listed."""
    prefix: str
    """This and those below are regular expressions."""
    suffix: str
    infix: str
    address: str
    sentence_marks: tuple[str, ...]


@functools.cache
def read_spacy_rules() -> SpacyRules:
    """From the cache; of another version of spaCy, or none that can be read, from spaCy itself."""
    path = platformdirs.user_cache_path("tumbler") / f"spacy-{version('spacy')}-en-{FORM}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        special = {run: tuple(words) for run, words in kept.pop("special").items()}
        return SpacyRules(special=special, sentence_marks=tuple(kept.pop("sentence_marks")), **kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        rules = ask_spacy()
        _keep(rules, path)
        return rules


def ask_spacy() -> SpacyRules:
    with without("torch", "tensorflow", "mxnet", "cupy"):  # its neural part would load them: 200 MB, 2 s
        import spacy
        from spacy.pipeline import Sentencizer
        from spacy.symbols import ORTH  # type: ignore[import-not-found]

        tokenizer: Any = spacy.blank("en").tokenizer
    searches = tokenizer.prefix_search, tokenizer.suffix_search, tokenizer.infix_finditer, tokenizer.url_match
    prefix, suffix, infix, address = (search.__self__.pattern for search in searches)
    special = {run: tuple(word[ORTH] for word in words) for run, words in tokenizer.rules.items()}
    return SpacyRules(special, prefix, suffix, infix, address, tuple(Sentencizer.default_punct_chars))


def _keep(rules: SpacyRules, path: Path) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(rules)), encoding="utf-8")
    except OSError:  # a home that cannot be written: the next process asks spaCy again
        pass
