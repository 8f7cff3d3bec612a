"""Text -> ids, as arrays. `tokenizers` is the reference; `fastokens` encodes where it is known to give the same ids.

Both are made from a tokenizer.json without added tokens, so no special id can come of a text. gigatoken is as fast, but
it refuses patterns that it does not know by heart, brings awkward-array along, and gave one of 10,495 real documents
other ids than all others did (version 0.10, 100,000 ids); `benchmarks/tokenizer.py` shows all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Protocol

import fastokens
import numpy as np
import numpy.typing as npt
import sentencepiece
from tokenizers import Tokenizer as Backend

from tumbler.errors import UserError
from tumbler.text.byte_pairs import SPLIT, steps

Ids = npt.NDArray[np.uint32]
QWEN: Final = SPLIT.replace("{1,3}", "")
"""Qwen 2's and 3's: each digit by itself."""
O200K: Final = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""OpenAI's o200k_base (tiktoken_ext/openai_public.py)."""
EXACT: Final[Mapping[tuple[str, ...], str]] = {
    ("split " + SPLIT, "bytes"): "",
    ("split " + QWEN, "bytes"): "",
    ("bytes of words",): "",  # GPT-2
    ("digits", "bytes of words"): "",  # SmolLM2
    ("split " + O200K, "bytes"): "ſ",  # after "'ſ", which folds to "'s", it splits some words elsewhere than tiktoken
}
"""Steps of a pre-tokenizer on which fastokens gives the ids that tiktoken and tokenizers give, on every code point and
on fuzzed texts (tests/text/test_text_parity.py); and the characters of the texts on which it does not.

Not in the table: GPT-2's split written as a pattern, where fastokens takes U+180E for no space and tokenizers does."""
NORMAL: Final = (None, "NFC")


class Encoder(Protocol):
    def __call__(self, texts: Sequence[str]) -> list[Ids]: ...


def encoder_of(serialized: str, where: str) -> Encoder:
    """The fastest exact encoder of a byte-level BPE; UserError when the libraries cannot read it."""
    body = json.loads(serialized)
    inexact = EXACT.get(_kind(body, where)) if _normalizer(body) in NORMAL else None
    reference = Reference(serialized, where)
    return reference if inexact is None else Accelerated(serialized, where, inexact, reference)


class Reference:
    """`tokenizers`, made when it is first needed."""

    def __init__(self, serialized: str, where: str) -> None:
        self._serialized, self._where = serialized, where

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        return [np.array(item.ids, np.uint32) for item in self.backend.encode_batch_fast(texts)]

    @cached_property
    def backend(self) -> Backend:
        try:
            return Backend.from_str(self._serialized)
        except Exception as error:  # tokenizers raises no narrower one
            raise UserError(f"{self._where}: tokenizers cannot read it ({error})") from error


class Accelerated:
    """`fastokens`; texts with one of the characters `inexact` go to the reference."""

    def __init__(self, serialized: str, where: str, inexact: str, reference: Reference) -> None:
        self._inexact, self._reference = inexact, reference
        try:
            self._backend = fastokens.Tokenizer.from_json_str(serialized)
        except ValueError as error:
            raise UserError(f"{where}: fastokens cannot read it ({error})") from error

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        ids, offsets = self._backend.encode_batch_flat(list(texts))
        flat = np.frombuffer(ids, np.uint32)
        found = [flat[start:stop] for start, stop in pairwise(np.frombuffer(offsets, np.uint64).tolist())]
        for at, text in enumerate(texts):
            if any(character in text for character in self._inexact):
                found[at] = self._reference([text])[0]
        return found


class Pieces:
    """SentencePiece, which has no pre-tokens: its control symbols never come of a text."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        self._processor = processor

    def __call__(self, texts: Sequence[str]) -> list[Ids]:
        return [np.array(ids, np.uint32) for ids in self._processor.encode(list(texts), out_type=int)]


def _kind(body: Mapping[str, Any], where: str) -> tuple[str, ...]:
    return tuple(_step(step) for step in steps(body["pre_tokenizer"], where))


def _step(step: Mapping[str, Any]) -> str:
    """A step in words; whatever is not as EXACT has it gets its own."""
    pattern = step.get("pattern")
    if (
        step["type"] == "Split"
        and isinstance(pattern, dict)
        and (step.get("behavior"), step.get("invert")) == ("Isolated", False)
    ):
        return f"split {pattern.get('Regex')}"
    if step["type"] == "ByteLevel" and not step.get("add_prefix_space"):
        return "bytes of words" if step.get("use_regex", True) else "bytes"
    if step["type"] == "Digits" and step.get("individual_digits"):
        return "digits"
    return json.dumps(step, sort_keys=True)


def _normalizer(body: Mapping[str, Any]) -> str | None:
    normalizer = body.get("normalizer")
    return normalizer.get("type", "") if isinstance(normalizer, dict) else normalizer
