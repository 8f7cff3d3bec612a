"""Each rule as a table of (text, reason)."""

from __future__ import annotations

import pytest

from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.gopher_repetition import GopherRepetition
from tumbler.corpus.words.prose import Prose


def numbered(count: int) -> str:
    """`count` different words of five letters, with the stop words that running text has."""
    letters = ("".join(chr(97 + number // base % 26) for base in (676, 26, 1)) for number in range(count))
    return "the and " + " ".join(f"{letter}om" for letter in letters)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (numbered(60), None),
        ("x", None),
        ("a b\n\n" * 5 + numbered(60), "gopher_repetition:duplicate_paragraphs"),
        (
            f"{numbered(60)}\n\n{numbered(60)}\n\nother\n\nand one more",
            "gopher_repetition:duplicate_paragraph_characters",
        ),
        ("\n".join(["a b"] * 5 + [numbered(60)]), "gopher_repetition:duplicate_lines"),
        (f"{numbered(60)}\n{numbered(60)}\nother\nand one more", "gopher_repetition:duplicate_line_characters"),
        ("big cat " * 24 + numbered(60), "gopher_repetition:top_2_gram"),
        (" ".join(f"a big cat {word}" for word in numbered(40).split()), "gopher_repetition:top_2_gram"),
        (" ".join(f"a big cat {word}{'y' * 12}" for word in numbered(40).split()), "gopher_repetition:top_3_gram"),
        (numbered(60) + " " + numbered(60), "gopher_repetition:duplicate_5_grams"),
    ],
)
def test_gopher_repetition(text: str, reason: str | None) -> None:
    assert GopherRepetition()(Prose(text)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (numbered(48), None),
        (numbered(47), "gopher_quality:too_few_words"),
        (numbered(47) + " , . ;", "gopher_quality:too_few_words"),
        (numbered(100_000), "gopher_quality:too_many_words"),
        ("the to " + "a b " * 60, "gopher_quality:words_too_short"),
        ("the to " + "unimaginably " * 60, "gopher_quality:words_too_long"),
        (numbered(60) + " #" * 9, "gopher_quality:too_many_hashes"),
        (numbered(60) + " …" * 9, "gopher_quality:too_many_ellipses"),
        ("\n".join(f"- {line}" for line in [numbered(60)] * 10), "gopher_quality:too_many_bullet_lines"),
        ("\n".join(f"• {line}" for line in [numbered(60)] * 9) + "\nx", None),
        ("\n".join([numbered(60) + "..."] * 4 + [numbered(60)] * 6), "gopher_quality:too_many_ellipsis_lines"),
        ("\n".join([numbered(60) + "…"] * 3 + [numbered(60)] * 7), None),
        (numbered(78) + " 12345" * 20, None),
        (numbered(77) + " 12345" * 20, "gopher_quality:too_few_alphabetic_words"),
        (numbered(60).replace("the and", "the dog"), "gopher_quality:too_few_stop_words"),
    ],
)
def test_gopher_quality(text: str, reason: str | None) -> None:
    assert GopherQuality()(Prose(text)) == reason
