"""Reads SentencePiece models (`tokenizer.model`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sentencepiece

from tumbler.errors import UserError
from tumbler.text.encoders import Pieces

SPACE = "▁"
"""How SentencePiece writes a blank: a text that has this character itself gets a blank back."""


@dataclass(frozen=True)
class SentencePieceModel:
    pieces: list[bytes]
    special: Mapping[str, int]
    roles: Mapping[str, str]
    """bos, end, pad: names of those that it has."""
    encoder: Pieces


def read_sentencepiece(model: bytes, where: str) -> SentencePieceModel:
    """UserError when it is no model, or one without byte fallback (it would turn what it lacks into <unk>)."""
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise UserError(f"{where}: not a SentencePiece model") from error
    ids = range(processor.get_piece_size())
    if sum(processor.is_byte(id) for id in ids) != 256:
        raise UserError(f"{where}: has no byte fallback, so it cannot write every text; train one with byte_fallback")
    special = {processor.id_to_piece(id): id for id in ids if processor.is_control(id) or processor.is_unknown(id)}
    named = {"bos": processor.bos_id(), "end": processor.eos_id(), "pad": processor.pad_id()}
    roles = {role: processor.id_to_piece(id) for role, id in named.items() if id >= 0}
    return SentencePieceModel([_piece(processor, id) for id in ids], special, roles, Pieces(processor))


def _piece(processor: sentencepiece.SentencePieceProcessor, id: int) -> bytes:
    text: str = processor.id_to_piece(id)
    if processor.is_byte(id):  # <0xEF>
        return bytes([int(text[3:5], 16)])
    if processor.is_control(id) or processor.is_unknown(id):
        return text.encode()
    return text.replace(SPACE, " ").encode()
