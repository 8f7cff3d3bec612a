"""The ladder from a text to its ids, for the terminal: characters, bytes, bits, pre-tokens, merges, ids."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from tumbler.text.ladder import Ladder, PreToken
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.samples_reader import speeches

COLOURS: Final = ("black on cyan", "black on yellow", "black on green", "black on magenta", "black on bright_blue")
DEFAULT_IDS: Final = 8192
DEFAULT_CHARACTERS: Final = 4_000_000


def inspect(text: str, path: Path | None) -> None:
    """Print the ladder of `text` by the tokenizer at `path`, or by `default_tokenizer`."""
    tokenizer = default_tokenizer() if path is None else Tokenizer.load(path)
    name = f"{DEFAULT_IDS:,} ids, trained just now on presidential addresses" if path is None else visible(str(path))
    console = Console(highlight=False)
    for title, body in rungs(tokenizer, text):
        console.print()
        console.print(Rule(Text(title, style="bold"), align="left", style="cyan"))
        console.print(body)
    console.print(Text(f"\nTokenizer: {name}", style="dim"))


def default_tokenizer() -> Tokenizer:
    """Trained on the newest presidential addresses that come with tumbler: the same everywhere, without a download."""
    return Tokenizer.train(speeches(DEFAULT_CHARACTERS), DEFAULT_IDS)


def rungs(tokenizer: Tokenizer, text: str) -> Iterator[tuple[str, Text]]:
    """(title, what it shows) of each rung, from the characters down."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    data = text.encode()
    found = Ladder(tokenizer).pre_tokens(text)
    tokens = [token for piece in found for token in piece.tokens]
    yield f"{_many(len(text), 'character')}", _cells(f"{visible(item)} U+{ord(item):04X}" for item in text)
    yield f"{_many(len(data), 'byte')} of UTF-8", _cells(item.encode().hex(" ") for item in text)
    yield _many(8 * len(data), "bit"), _cells(" ".join(f"{byte:08b}" for byte in item.encode()) for item in text)
    yield f"{_many(len(found), 'pre-token')}: what no merge crosses", _cells(shown(piece.data) for piece in found)
    yield "Merges: of the pairs that touch, the one learned first", _merges(found)
    ratio = f", {len(data) / len(tokens):.2f} bytes a token" if tokens else ""
    title = f"{_many(len(tokens), 'token')} of {tokenizer.vocab_size:,} known{ratio}"
    yield title, _cells(f"{shown(part)} {id}" for part, id in tokens)


def _merges(found: Iterable[PreToken]) -> Text:
    lines = Text()
    for piece in dict.fromkeys(found):
        lines.append_text(_cells(shown(bytes([byte])) for byte in piece.data)).append("\n")
        for merge in piece.merges:
            lines.append(f"  {merge.rank:>7,}  ", "dim").append(f"{shown(merge.left)} + {shown(merge.right)}  ")
            lines.append_text(_cells(map(shown, merge.parts))).append("\n")
        if piece.whole and len(piece.data) > 1:
            lines.append(f"           {shown(piece.data)} is in the vocabulary: taken whole\n", "dim")
    lines.rstrip()
    return lines


def _cells(items: Iterable[str]) -> Text:
    """The items beside each other, in turn in other colours."""
    line = Text()
    for number, item in enumerate(items):
        line.append(item, COLOURS[number % len(COLOURS)]).append(" ")
    return line


def shown(data: bytes) -> str:
    """The bytes as text where they are whole characters, else in hexadecimal."""
    try:
        return visible(data.decode())
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)


def visible(text: str) -> str:
    """The text in characters that only show themselves: what would steer a terminal or hide is spelled out."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == " ":
        return "·"
    if character < " ":
        return chr(0x2400 + ord(character))  # U+240A is a picture of line feed
    if unicodedata.category(character)[0] in "CZ":  # control, format (direction), unassigned; separators
        return f"\\u{{{ord(character):x}}}"
    return "\u25cc" + character if unicodedata.category(character)[0] == "M" else character  # a mark needs a base


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
