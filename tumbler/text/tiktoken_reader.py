"""Reads `.tiktoken` rank files: lines of a token in base64 and its rank. The file's name says the encoding.

Patterns and special tokens: tiktoken_ext/openai_public.py; meta-llama/llama3's llama/tokenizer.py.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tumbler.errors import UserError
from tumbler.text.byte_level import BYTES
from tumbler.text.byte_pairs import GPT2, LARGEST_ID, SPLIT, write_json
from tumbler.text.encoders import O200K


@dataclass(frozen=True)
class Encoding:
    split: str | None
    special: Mapping[str, int]
    """Special tokens and how far after the last rank they are."""
    bos: str
    end: str


_ENDOFTEXT: Final = "<|endoftext|>"
_GPT2: Final = Encoding(GPT2, {_ENDOFTEXT: 0}, _ENDOFTEXT, _ENDOFTEXT)
_LLAMA3: Final = (
    *("<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{number}|>" for number in range(4))),
    *("<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"),
    *(f"<|reserved_special_token_{number}|>" for number in range(5, 251)),
)
ENCODINGS: Final[Mapping[str, Encoding]] = {
    "gpt2": _GPT2,
    "r50k_base": _GPT2,
    "cl100k_base": Encoding(
        SPLIT,  # OpenAI's newer spelling of it splits alike
        {
            _ENDOFTEXT: 1,
            "<|fim_prefix|>": 2,
            "<|fim_middle|>": 3,
            "<|fim_suffix|>": 4,
            "<|endofprompt|>": 20,
        },
        _ENDOFTEXT,
        _ENDOFTEXT,
    ),
    "o200k_base": Encoding(O200K, {_ENDOFTEXT: 1, "<|endofprompt|>": 20}, _ENDOFTEXT, _ENDOFTEXT),
    "llama3": Encoding(SPLIT, {name: at for at, name in enumerate(_LLAMA3)}, "<|begin_of_text|>", "<|end_of_text|>"),
}


def read_tiktoken(path: Path) -> tuple[str, Encoding]:
    """The rank file as a tokenizer.json, and the encoding it is of; UserError when its name or a line is none."""
    encoding = ENCODINGS.get(path.name.removesuffix(".tiktoken"))
    if encoding is None:
        raise UserError(
            f"{path}: a rank file does not say how text is split; name it ENCODING.tiktoken, "
            f"ENCODING being one of {', '.join(ENCODINGS)}"
        )
    ranks = _read_ranks(path)
    special = {name: len(ranks) + offset for name, offset in encoding.special.items()}
    return write_json(ranks, special, encoding.split, None), encoding


def _read_ranks(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise UserError(f"{path}:{number}: not a token in base64 and its rank") from error
    if sorted(ranks.values()) != list(range(len(ranks))) or not BYTES <= len(ranks) < LARGEST_ID:
        raise UserError(f"{path}: ranks must be 0, 1, 2, ... without a gap, those of the {BYTES} bytes among them")
    missing = [byte for byte in range(BYTES) if bytes([byte]) not in ranks]
    if missing:
        raise UserError(f"{path}: has no rank for byte {missing[0]}; every byte must have one")
    return ranks
