"""spaCy's rules are kept in the user's cache, and asked for again where that is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumbler.corpus.words import spacy_reader
from tumbler.corpus.words.spacy_reader import ask_spacy, read_spacy_rules


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(spacy_reader, "read_spacy_rules", read_spacy_rules.__wrapped__)
    return tmp_path / "tumbler"


def test_what_is_kept_is_what_spacy_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = spacy_reader.read_spacy_rules()
    monkeypatch.setattr(spacy_reader, "ask_spacy", None)
    assert spacy_reader.read_spacy_rules() == first == ask_spacy()


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[]", b"\xff", b'{"special": 1}', b'{"special": {}, "sentence_marks": []}']
)
def test_a_damaged_file_is_replaced(cache: Path, damage: bytes) -> None:
    whole = spacy_reader.read_spacy_rules()
    (kept,) = cache.iterdir()
    good = kept.read_bytes()
    kept.write_bytes(damage)
    assert spacy_reader.read_spacy_rules() == whole
    assert kept.read_bytes() == good


def test_without_a_writable_cache_the_rules_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_spacy_rules.__wrapped__() == ask_spacy()
