"""Lists of bad words: one word or phrase a line, in files named by their language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tumbler.corpus.rules.badwords import WordList
from tumbler.errors import UserError


def read_word_lists(paths: Sequence[str]) -> dict[str, WordList]:
    """The lists by language code; UserError where there is none."""
    files = [file for path in map(Path, paths) for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    lists: dict[str, WordList] = {}
    for file in files:
        if not file.is_file():
            raise UserError(f"corpus.badwords.lists: {str(file)!r}: no such file; give files named en, de, ...")
        if not file.name.startswith("."):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            lists[file.stem] = WordList.of(file.stem, map(str.strip, lines))
    if not lists:
        raise UserError(
            "corpus.badwords: enabled, but no list is given; set corpus.badwords.lists to files of words, "
            "one a line, named by language (en, de, ...), or set corpus.badwords.enabled to false"
        )
    return lists
