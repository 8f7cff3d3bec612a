"""Counts of pre-tokens -> a vocabulary, by SentencePiece's BPE trainer: the kept one that takes counts.

It counts in 64 bits, and its memory grows with the distinct pre-tokens, not with the text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sentencepiece

from tumbler.errors import UserError
from tumbler.text.byte_level import BYTES, byte_characters, to_bytes, to_characters
from tumbler.text.pieces import LONGEST_PIECE
from tumbler.text.special import BOS, END, PAD, SPECIAL

_SENTINEL: Final = "\u0200"
"""A character that stands for no byte."""
_OPTIONS: Final[dict[str, Any]] = {
    "model_type": "bpe",
    "input_format": "tsv",  # a piece, a tab, its count
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "split_by_whitespace": False,
    "split_by_unicode_script": False,
    "split_by_number": False,
    "allow_whitespace_only_pieces": True,
    "max_sentencepiece_length": LONGEST_PIECE,
    "max_sentence_length": 2**30,
    "num_threads": 1,
    "minloglevel": 3,
}


def learn_merges(counts: pa.Table, merges: int) -> list[bytes]:
    """The tokens that `merges` merges of byte-level BPE make, most frequent pair first; fewer when texts run out.

    `counts`: as `tumbler.text.pieces.count` gives them; their order does not matter.
    """
    rows = [*_byte_rows(counts), *_alphabet(counts), f"{_SENTINEL}{_SENTINEL}\t1"]
    characters = BYTES + 1
    model = _train(rows, vocab_size=1 + characters + merges, unk_id=0, bos_id=-1, eos_id=-1, hard_vocab_limit=False)
    learned = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokens = []
    for id in range(1, learned.get_piece_size() - characters):
        data = to_bytes(learned.id_to_piece(id))
        if data is None:  # the sentinel: what would follow occurs nowhere
            break
        tokens.append(data)
    return tokens


def _byte_rows(counts: pa.Table) -> Iterator[str]:
    """Counts are doubled, so that the sentinel's pair is rarer than any pair of the texts: where SentencePiece takes
    it, they have run out (it would go on with pairs that occur nowhere)."""
    for piece, count in _rows(counts):
        yield f"{to_characters(piece.encode())}\t{2 * count}"


def _alphabet(counts: pa.Table) -> Iterator[str]:
    """Each character by itself, often enough that no rounding of shares (32-bit) leaves it out. A pair needs two."""
    often = 1 + (pc.sum(counts["count"]).as_py() or 0) // 1000
    return (f"{character}\t{often}" for character in byte_characters() + _SENTINEL)


def train_sentencepiece(counts: pa.Table, vocab_size: int) -> bytes:
    """A SentencePiece BPE model with byte fallback (`tokenizer.model`) whose special tokens are tumbler's.

    Pieces with a line break or a tab stay bytes. Raises UserError when the texts are too few for the vocabulary.
    """
    rows = (f"{piece}\t{count}" for piece, count in _rows(counts) if not re.search(r"[\t\r\n]", piece))
    names = {"bos_piece": BOS, "eos_piece": END, "pad_piece": PAD, "bos_id": 1, "eos_id": 2, "pad_id": 3, "unk_id": 0}
    controls = [name for name in SPECIAL if name not in (BOS, END, PAD)]
    return _train(
        rows, vocab_size=vocab_size, control_symbols=controls, byte_fallback=True, character_coverage=0.9995, **names
    )


def _rows(counts: pa.Table) -> Iterator[tuple[str, int]]:
    table = counts.sort_by("piece")
    return zip(table["piece"].to_pylist(), table["count"].to_pylist(), strict=True)


def _train(rows: Iterable[str], **options: Any) -> bytes:
    model = io.BytesIO()
    settings = {"character_coverage": 1.0, **_OPTIONS, **options}
    try:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(rows), model_writer=model, **settings)
    except RuntimeError as error:
        largest = re.search(r"value <= (\d+)", str(error))
        if not largest:
            raise
        raise UserError(
            f"vocab_size {options['vocab_size']} is too large for these texts: at most {largest[1]}; "
            "lower it, or give more text"
        ) from error
    return model.getvalue()
