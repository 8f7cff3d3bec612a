"""Text <-> token ids, with tumbler's own tokenizers and with those of others.

Whatever a text spells out, no special id comes of it: the encoder has no special tokens at all (see `byte_pairs`),
while the saved files have them, as outside tools expect. Only `render` and `document` place special ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from tumbler.errors import UserError
from tumbler.text.bpe_trainer import learn_merges, train_sentencepiece
from tumbler.text.byte_level import BYTES, byte_characters, to_bytes
from tumbler.text.byte_pairs import SPLIT, added_ids, parse_json, token_bytes, without_added, write_json
from tumbler.text.encoders import Encoder, Ids, encoder_of
from tumbler.text.framing import framing
from tumbler.text.pieces import count
from tumbler.text.roles import TUMBLER, roles_of
from tumbler.text.sentencepiece_reader import read_sentencepiece
from tumbler.text.special import BOS, END, PAD, SPECIAL
from tumbler.text.template import CHAT_TEMPLATE
from tumbler.text.tiktoken_reader import read_tiktoken

Trainer = Literal["bpe", "sentencepiece"]
JSON: Final = "tokenizer.json"
MODEL: Final = "tokenizer.model"
BESIDE: Final = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "generation_config.json")
"""Files that belong to a tokenizer and are kept as they come."""


@dataclass(frozen=True)
class Parts:
    """What a tokenizer is made of, whatever file it came from."""

    encoder: Encoder
    pieces: Sequence[bytes]
    """The bytes of each id; of a special token, its name."""
    special: Mapping[str, int]
    roles: Mapping[str, str]
    """bos, end, pad, system, user, assistant: the names of the special tokens that play these parts."""
    files: Mapping[str, bytes]
    """The files that `save` writes."""
    begin: Sequence[int]
    """What stands before a text."""
    where: str
    """What errors call it."""


class Tokenizer:
    """Make one with `train`, `from_counts` or `load`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._encoder, self._pieces = parts.encoder, parts.pieces
        self.special: Mapping[str, int] = MappingProxyType(dict(parts.special))
        """All special and added tokens, in the order of their ids."""
        self.roles: Mapping[str, int] = MappingProxyType(
            {role: self.special[name] for role, name in parts.roles.items()}
        )
        """The ids of those of bos, end, pad, system, user, assistant that it has."""

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, trainer: Trainer = "bpe") -> Tokenizer:
        """Learn a vocabulary of exactly `vocab_size` ids, special tokens included; equal texts, equal bytes.

        Raises UserError when the texts are too few for so many tokens. (The alternative, filling up
        with tokens that no text holds, would only add rows that no model ever learns.)
        """
        return cls.from_counts(count(_characters(text) for text in texts), vocab_size, trainer)

    @classmethod
    def from_counts(cls, counts: pa.Table, vocab_size: int, trainer: Trainer = "bpe") -> Tokenizer:
        """`train`, on the pre-tokens that `tumbler.text.pieces` counted."""
        least = BYTES + len(SPECIAL) + (trainer == "sentencepiece")  # which has <unk>
        if vocab_size < least:
            raise UserError(f"vocab_size {vocab_size} is too small: at least {least} (bytes + special)")
        if trainer == "sentencepiece":
            return cls(_sentencepiece_parts(train_sentencepiece(counts, vocab_size), {}, "tokenizer"))
        learned = learn_merges(counts, vocab_size - least)
        if len(learned) < vocab_size - least:
            raise UserError(
                f"vocab_size {vocab_size} is too large for these texts: at most {least + len(learned)}; "
                "lower it, or give more text"
            )
        single = [to_bytes(character) or b"" for character in sorted(byte_characters())]
        ranks = {token: rank for rank, token in enumerate([*single, *learned])}
        special = {name: len(ranks) + at for at, name in enumerate(SPECIAL)}
        return cls(_json_parts(write_json(ranks, special, SPLIT, BOS), {}, "tokenizer"))

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a tokenizer.json (byte-level BPE), a SentencePiece model or a .tiktoken rank file, or a folder of one.

        Raises UserError when there is none, or one of another kind.
        """
        file = path if path.is_file() else _file_in(path)
        beside = {name: (file.parent / name).read_bytes() for name in BESIDE if (file.parent / name).is_file()}
        if file.suffix == ".tiktoken":
            return cls(_tiktoken_parts(file))
        if file.suffix == ".model":
            return cls(_sentencepiece_parts(file.read_bytes(), beside, str(file)))
        try:
            return cls(_json_parts(file.read_text(encoding="utf-8"), beside, str(file)))
        except UnicodeDecodeError as error:
            raise UserError(f"{file}: not a byte-level BPE tokenizer.json, a .model or a .tiktoken file") from error

    def save(self, folder: Path, context: int | None = None) -> None:
        """Write what transformers reads, version 4 and 5 alike; a foreign tokenizer's files as they came.

        `context`: the model's longest input in tokens, for a tokenizer of tumbler's.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = self._parts.files
        if self._parts.roles == TUMBLER:
            files = {**{name: files[name] for name in (JSON, MODEL) if name in files}, **_beside(context)}
        for name, content in files.items():
            (folder / name).write_bytes(content)

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files that it was read from or will be saved as, by name."""
        return self._parts.files

    def encode(self, text: str) -> list[int]:
        """The ids of a text: never a special id, and no bos added. `decode` gives the text back."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text."""
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[Ids]:
        """`encode` of each text, as arrays: on all cores. A lone surrogate, which is no character, becomes U+FFFD."""
        return self._encoder([_characters(text) for text in texts])

    def document(self, ids: Sequence[int] | Ids) -> Ids:
        """The ids of a document framed: bos (if the tokenizer has one) before, end after."""
        bos = [self.roles["bos"]] if "bos" in self.roles else []
        return np.concatenate([np.array(bos, np.uint32), np.asarray(ids, np.uint32), np.array([self.end], np.uint32)])

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; a special token is spelled out, and an id beyond its own (some models have rows that
        only round their embedding up) is nothing."""
        return b"".join(self._pieces[id] if id < len(self._pieces) else b"" for id in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    @property
    def vocab_size(self) -> int:
        """The highest id and one, special ones included; tumbler's own have all ids below it."""
        return len(self._pieces)

    @property
    def bos(self) -> int:
        return self._role("bos")

    @property
    def begin(self) -> list[int]:
        """What stands before a text of its own, as transformers has it: mostly the begin token, or nothing."""
        return list(self._parts.begin)

    @property
    def end(self) -> int:
        return self._role("end")

    @property
    def pad(self) -> int:
        return self._role("pad")

    @property
    def system(self) -> int:
        return self._role("system")

    @property
    def user(self) -> int:
        return self._role("user")

    @property
    def assistant(self) -> int:
        return self._role("assistant")

    def _role(self, role: str) -> int:
        if role not in self.roles:
            raise UserError(f"{self._parts.where}: this tokenizer has no {role} token; use one that tumbler trained")
        return self.roles[role]


def same_tokenizer(one: Path, other: Path) -> bool:
    """Whether two folders hold the same tokenizer, so that ids of one mean the same text in the other."""
    return _file_in(one).read_bytes() == _file_in(other).read_bytes()


def _file_in(folder: Path) -> Path:
    ranks = sorted(folder.glob("*.tiktoken"))
    found = [file for file in (folder / JSON, folder / MODEL) if file.is_file()] + (ranks if len(ranks) == 1 else [])
    if not found:
        raise UserError(f"{folder}: has no {JSON}, no {MODEL} and no .tiktoken file")
    return found[0]


def _json_parts(serialized: str, beside: Mapping[str, bytes], where: str) -> Parts:
    body = parse_json(serialized, where)
    special = added_ids(body)
    roles = roles_of(special, beside, where)
    encoder = encoder_of(without_added(body), where)
    before, _ = framing(body.get("post_processor")) or ([], [])
    begin = [special[name] for name in before if name in special]
    return Parts(encoder, token_bytes(body, where), special, roles, {JSON: serialized.encode(), **beside}, begin, where)


def _tiktoken_parts(file: Path) -> Parts:
    serialized, encoding = read_tiktoken(file)
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": encoding.bos, "eos_token": encoding.end}
    return _json_parts(serialized, {"tokenizer_config.json": _json(names)}, str(file))


def _sentencepiece_parts(model: bytes, beside: Mapping[str, bytes], where: str) -> Parts:
    read = read_sentencepiece(model, where)
    ours = set(SPECIAL) <= read.special.keys()
    roles = TUMBLER if ours else read.roles
    begin = [read.special[roles["bos"]]] if "bos" in roles else []
    return Parts(read.encoder, read.pieces, read.special, roles, {MODEL: model, **beside}, begin, where)


def _beside(context: int | None) -> dict[str, bytes]:
    names = {"bos_token": BOS, "eos_token": END, "pad_token": PAD}
    limit = {} if context is None else {"model_max_length": context}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names,
        **limit,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    return {
        "tokenizer_config.json": _json(config),
        "special_tokens_map.json": _json(names),
        "chat_template.jinja": CHAT_TEMPLATE.encode(),
    }


def _json(body: Mapping[str, object]) -> bytes:
    return (json.dumps(body, indent=2) + "\n").encode()


def _characters(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
