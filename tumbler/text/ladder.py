"""How byte-level BPE goes from a text to ids, each rung by itself: pre-tokens, and each one's merges in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import Tokenizer as Backend

from tumbler.errors import UserError
from tumbler.text.byte_level import to_bytes
from tumbler.text.byte_pairs import parse_json, without_added
from tumbler.text.tokenizer import JSON, Tokenizer


@dataclass(frozen=True)
class Merge:
    left: bytes
    right: bytes
    rank: int
    """Position in the list of merges: of all pairs that touch, the lowest is merged first."""
    parts: tuple[bytes, ...]
    """The pre-token after the merge."""


@dataclass(frozen=True)
class PreToken:
    data: bytes
    merges: tuple[Merge, ...]
    tokens: tuple[tuple[bytes, int], ...]
    """(bytes, id)"""
    whole: bool
    """Taken as one token without merging, since the vocabulary has it (`ignore_merges`)."""


class Ladder:
    """Takes a byte-level BPE apart; UserError for a tokenizer of another kind."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        serialized = tokenizer.files.get(JSON)
        if serialized is None:
            raise UserError(
                "a SentencePiece model cannot be inspected; give a byte-level BPE (tokenizer.json, .tiktoken)"
            )
        encoder = without_added(parse_json(serialized.decode(), JSON))
        self._backend = Backend.from_str(encoder)
        model = parse_json(encoder, JSON)["model"]
        self._ids: Mapping[str, int] = model["vocab"]
        self._whole = bool(model.get("ignore_merges"))
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}

    def pre_tokens(self, text: str) -> list[PreToken]:
        normalizer = self._backend.normalizer
        pieces = self._backend.pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text) if normalizer else text)
        return [self._pre_token(piece) for piece, _ in pieces]

    def _pre_token(self, piece: str) -> PreToken:
        steps = list(self._steps(piece))
        whole = self._whole and piece in self._ids
        parts = [piece] if whole else steps[-1][1] if steps else list(piece)
        merges = tuple(
            Merge(_bytes(left), _bytes(right), self._ranks[left, right], tuple(map(_bytes, after)))
            for (left, right), after in steps
        )
        return PreToken(_bytes(piece), merges, tuple((_bytes(part), self._ids[part]) for part in parts), whole)

    def _steps(self, piece: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """Each merge: the pair, and the parts after it."""
        parts = list(piece)
        while pairs := [(self._ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in self._ranks]:
            _, at = min(pairs)
            left, right = parts[at : at + 2]
            parts = [*parts[:at], left + right, *parts[at + 2 :]]
            yield (left, right), parts


def _bytes(token: str) -> bytes:
    data = to_bytes(token)
    assert data is not None, "pre-tokens are written in byte-level BPE's characters"
    return data
