"""Byte-level BPE writes each byte as one visible character, so that a vocabulary of bytes is JSON text."""

from __future__ import annotations

from functools import cache
from typing import Final

BYTES: Final = 256


@cache
def byte_characters() -> str:
    """GPT-2's `bytes_to_unicode`: printable bytes stand for themselves, the others for U+0100 and on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return "".join(chr(byte) if byte in printable else chr(next(others)) for byte in range(BYTES))


def to_characters(data: bytes) -> str:
    return data.decode("latin-1").translate(_characters_of())


def to_bytes(token: str) -> bytes | None:
    """The bytes that a token of a vocabulary stands for; None when a character of it stands for none."""
    try:
        return token.translate(_bytes_of()).encode("latin-1")
    except UnicodeEncodeError:
        return None


@cache
def _characters_of() -> dict[int, str]:
    return dict(enumerate(byte_characters()))


@cache
def _bytes_of() -> dict[int, int]:
    """Code point -> byte; code points below 256 that stand for no byte -> one that Latin-1 lacks."""
    stand = {ord(character): byte for byte, character in enumerate(byte_characters())}
    return dict.fromkeys(range(BYTES), 0xFFFF) | stand
