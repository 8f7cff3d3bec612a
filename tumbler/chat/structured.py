"""Constraints that keep an answer within a structure, by `llguidance`: it says which ids may follow, we do the rest.

V vocabulary of the model; its tokenizer may have fewer ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from torch import Tensor

from tumbler.chat.structures import NAMES, Choice, JsonObject, Structure, grammar_of
from tumbler.chat.trial import TOO_MUCH, fault, limits
from tumbler.engine import Constraint
from tumbler.errors import Failure, UserError
from tumbler.text.tokenizer import Tokenizer

Mask = npt.NDArray[np.bool_]
REMEMBERED: Final = 64
"""Grammars whose trial is not held again."""
LONGEST: Final = 200
"""Characters of what llguidance says that an error repeats."""


class Structures:
    """Makes constraints for one model and its tokenizer; whoever owns these keeps one, and any thread may ask it."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        assert tokenizer.vocab_size <= vocab_size, "the tokenizer is of another model"
        self._tokenizer, self._vocab_size = tokenizer, vocab_size
        self._fault = lru_cache(REMEMBERED)(fault)

    def constraint(self, structure: Structure, stop_ids: Sequence[int] = ()) -> Constraint:
        """What keeps one request within the structure. It has a state: each request needs one of its own.

        When the structure is complete, the tokenizer's end token may follow, and those of the request's own `stop_ids`
        that are special tokens. Raises UserError when the structure cannot be had; it takes a moment (a trial in a
        process of its own, the first time), so a server asks in a thread.
        """
        grammar, name = grammar_of(structure), NAMES[type(structure)]
        ours = isinstance(structure, Choice | JsonObject)
        if not ours and (told := self._fault(grammar)):
            raise UserError(f"{name}: {told if told == TOO_MUCH else _reason(told)}; mend that or leave it out")
        special = set(self._tokenizer.special.values())
        ends = sorted({self._tokenizer.end, *special.intersection(stop_ids)})
        # Not a copy of a matcher that is kept: copies share their lexer, and with it the limit of its states.
        matcher = LLMatcher(self._vocabulary, grammar, log_level=0, limits=limits())
        if matcher.is_error():
            raise UserError(f"{name}: {_reason(matcher.get_error())}; mend that or leave it out")
        try:
            return Structured(matcher, self._text, ends, self._vocab_size)
        except Failure as error:
            raise UserError(f"{name}: {error}; mend that") from error

    @cached_property
    def _pieces(self) -> list[bytes]:
        """The bytes of each id that makes text; of all others, none."""
        special = set(self._tokenizer.special.values())
        ids = range(self._tokenizer.vocab_size)
        return [b"" if id in special else self._tokenizer.decode_bytes([id]) for id in ids]

    @cached_property
    def _text(self) -> Mask:
        """Of each id of the tokenizer: whether it makes text."""
        return np.array([*map(bool, self._pieces)])

    @cached_property
    def _vocabulary(self) -> LLTokenizer:
        return LLTokenizer(TokenizerWrapper(_Vocabulary(self._tokenizer, self._pieces)))


class _Vocabulary:
    """A tokenizer as llguidance wants it. The one special token that it sees is an end of our own, after all ids."""

    def __init__(self, tokenizer: Tokenizer, pieces: Sequence[bytes]) -> None:
        self._tokenizer = tokenizer
        self.tokens = [*pieces, b"end of text"]  # with blanks, so that no grammar can name it
        self.special_token_ids = [len(pieces)]
        self.eos_token_id = len(pieces)
        self.bos_token_id = None
        self._ids = {piece: id for id, piece in enumerate(pieces) if piece}
        self._longest = max(map(len, self._ids))

    def __call__(self, text: str | bytes) -> list[int]:
        """Ids whose bytes are exactly the text's: as the tokenizer would have it where it adds nothing of its own (some
        SentencePiece models begin each text with a blank), else the longest tokens, from left to right."""
        data = text.encode() if isinstance(text, str) else text
        ids = self._tokenizer.encode(data.decode("utf-8", "replace"))
        return ids if self._tokenizer.decode_bytes(ids) == data else self._greedy(data)

    def _greedy(self, data: bytes) -> list[int]:
        ids, at = [], 0
        while at < len(data):
            size = next(n for n in range(min(self._longest, len(data) - at), 0, -1) if data[at : at + n] in self._ids)
            ids.append(self._ids[data[at : at + size]])
            at += size
        return ids


class Structured:
    """The constraint of one request."""

    def __init__(self, matcher: LLMatcher, text: Mask, ends: Sequence[int], vocab_size: int) -> None:
        self._matcher, self._text, self._ends = matcher, text, list(ends)
        self._bits = np.zeros(len(text) // 32 + 1, np.uint32)  # llguidance's: one an id, the last its own end
        self._mask = np.zeros(vocab_size, np.bool_)
        self._fill()

    def allowed(self) -> Tensor:
        """(V,) Of the next id; the same memory each time."""
        return torch.from_numpy(self._mask)

    def accept(self, id: int) -> None:
        """Raises Failure when the structure can be followed no further: it broke a limit, or nothing can follow."""
        if id in self._ends:
            return
        if not self._matcher.consume_token(id):
            raise Failure(self._error())
        self._fill()

    def _fill(self) -> None:
        ids = len(self._text)
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        if self._matcher.is_error():
            raise Failure(self._error())
        bits = np.unpackbits(self._bits.view(np.uint8), count=ids + 1, bitorder="little").view(np.bool_)
        np.logical_and(bits[:ids], self._text, out=self._mask[:ids])
        self._mask[self._ends] = bits[ids]
        if not self._mask.any():
            raise Failure("only a special token could follow, and none may")

    def _error(self) -> str:
        told = self._matcher.get_error()
        if "NoExtension" in told:
            return "no text can satisfy it"
        return f"it became too complex to follow ({_reason(told)})"


def _reason(told: str) -> str:
    """The one line of llguidance's message that tells the reason, and of a regex inside a schema, which."""
    lines = [line.strip() for line in told.splitlines()]
    reason = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
    if lines[0] == "regex parse error:":
        reason = f"{lines[1]}: {reason}"
    reason = re.sub(r"^at 1\(8\): invalid regex .* \(in regex\): ", "", reason)
    reason = reason.split("; following special")[0]
    if reason.startswith("oneOf"):
        reason = "oneOf is only taken where its parts are known to exclude each other; use anyOf"
    return reason if len(reason) <= LONGEST else reason[:LONGEST] + "..."
