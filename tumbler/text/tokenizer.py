"""Byte-level BPE with Llama 3's split, as a `tokenizer.json` that transformers, vLLM and llama.cpp read.

Two encoders exist. The saved one knows the special tokens, as outside tools expect. The one behind
`encode` has no added tokens at all, and the vocabulary holds none of them either: so whatever a text
spells out, no special id can come of it. Only `render` and the token shards place special ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from tumbler.errors import UserError
from tumbler.text.special import ASSISTANT, BOS, END, PAD, SPECIAL, SYSTEM, USER
from tumbler.text.template import CHAT_TEMPLATE

SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Llama 3's (meta-llama/llama3, llama/tokenizer.py, `pat_str`); llama.cpp knows it as `llama-bpe`."""
BYTES: Final = 256
TRAINED_DOCUMENT: Final = 1_000_000
"""Characters of one text that training reads: one endless page must not shape the vocabulary."""
TRAINED_SPLIT: Final = 64
"""Longest piece, in characters, that training merges within: trainers hang or panic on a run of a
million equal characters, and no useful token is longer. Encoding has no such cap."""


class Tokenizer:
    """Text <-> token ids. Make one with `train` or `load`."""

    def __init__(self, serialized: str, where: str = "tokenizer") -> None:
        """`serialized` is the content of a tokenizer.json; UserError when it is not of tumbler's kind."""
        self._serialized = serialized
        body = _parse(serialized, where)
        self.special: Mapping[str, int] = MappingProxyType(_special_ids(body, where))
        body["added_tokens"], body["post_processor"] = [], None
        self._encoder = Backend.from_str(json.dumps(body))
        self._pieces = [*_token_bytes(body["model"]["vocab"]), *(name.encode() for name in self.special)]

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> Tokenizer:
        """Learn a vocabulary of exactly `vocab_size` ids, special tokens included; equal texts, equal bytes.

        Raises UserError when the texts are too few for so many tokens. (The alternative, filling up
        with tokens that no text holds, would only add rows that no model ever learns.)
        """
        merged = vocab_size - len(SPECIAL)
        if merged < BYTES:
            raise UserError(f"vocab_size {vocab_size} is too small: at least {BYTES + len(SPECIAL)} (bytes + special)")
        backend = Backend(models.BPE(ignore_merges=True))
        backend.pre_tokenizer = _pre_tokenizer(TRAINED_SPLIT)
        trainer = trainers.BpeTrainer(
            vocab_size=merged, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
        )
        backend.train_from_iterator(_capped(texts), trainer)
        if backend.get_vocab_size() < merged:
            largest = backend.get_vocab_size() + len(SPECIAL)
            raise UserError(
                f"vocab_size {vocab_size} is too large for these texts: at most {largest}; lower it, or give more text"
            )
        backend.pre_tokenizer = _pre_tokenizer()
        _finish(backend)
        return cls(backend.to_str(pretty=True))

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read `folder/tokenizer.json`; UserError when it is missing or not one of tumbler's."""
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise UserError(f"{folder}: has no tokenizer.json")
        return cls(file.read_text(encoding="utf-8"), str(file))

    def save(self, folder: Path, context: int | None = None) -> None:
        """Write what transformers reads, version 4 and 5 alike. `context`: the model's longest input, in tokens."""
        folder.mkdir(parents=True, exist_ok=True)
        names = {"bos_token": BOS, "eos_token": END, "pad_token": PAD}
        limit = {} if context is None else {"model_max_length": context}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **names,
            **limit,
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        }
        (folder / "tokenizer.json").write_text(self._serialized, encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (folder / "special_tokens_map.json").write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """The ids of a text: never a special id, and no `<|bos|>` added. `decode` gives the text back."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores. A lone surrogate, which is no character, becomes U+FFFD."""
        return [encoding.ids for encoding in self._encoder.encode_batch_fast([_characters(text) for text in texts])]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; a special token is spelled out."""
        return b"".join(self._pieces[id] for id in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    @property
    def vocab_size(self) -> int:
        """All ids, special ones included: ids are 0 .. vocab_size - 1."""
        return len(self._pieces)

    @cached_property
    def bos(self) -> int:
        return self.special[BOS]

    @cached_property
    def end(self) -> int:
        return self.special[END]

    @cached_property
    def pad(self) -> int:
        return self.special[PAD]

    @cached_property
    def system(self) -> int:
        return self.special[SYSTEM]

    @cached_property
    def user(self) -> int:
        return self.special[USER]

    @cached_property
    def assistant(self) -> int:
        return self.special[ASSISTANT]


def _pre_tokenizer(longest: int | None = None) -> pre_tokenizers.PreTokenizer:
    """Llama 3's split, then bytes as characters; with `longest`, pieces are cut to that many characters."""
    cut = [] if longest is None else [pre_tokenizers.Split(Regex(rf"[\s\S]{{1,{longest}}}"), "isolated")]
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    return pre_tokenizers.Sequence([split, *cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _finish(backend: Backend) -> None:
    """Add what outside users need: the special tokens, the decoder, and `<|bos|>` before each text."""
    backend.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIAL])
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, backend.token_to_id(BOS))]
    )


def _capped(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield _characters(text[:TRAINED_DOCUMENT])


def _characters(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _parse(serialized: str, where: str) -> dict[str, Any]:
    try:
        body = json.loads(serialized)
    except ValueError as error:
        raise UserError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(body, dict) or body.get("model", {}).get("type") != "BPE" or "added_tokens" not in body:
        raise UserError(f"{where}: not a byte-level BPE tokenizer.json")
    return body


def _special_ids(body: Mapping[str, Any], where: str) -> dict[str, int]:
    """Special tokens by name; UserError unless they are exactly ours, dense, after the vocabulary."""
    vocabulary: Mapping[str, int] = body["model"]["vocab"]
    found = {token["content"]: token["id"] for token in body["added_tokens"]}
    expected = {name: len(vocabulary) + index for index, name in enumerate(SPECIAL)}
    dense = sorted(vocabulary.values()) == list(range(len(vocabulary)))
    if found != expected or not dense or any(name in vocabulary for name in SPECIAL):
        raise UserError(f"{where}: its special tokens are not tumbler's; use a tokenizer that tumbler trained")
    return found


def _token_bytes(vocabulary: Mapping[str, int]) -> list[bytes]:
    """The bytes of each token of the vocabulary, by id: byte-level BPE writes each byte as a character."""
    table = {character: byte for byte, character in enumerate(_byte_characters())}
    return [bytes(table[character] for character in token) for token in sorted(vocabulary, key=vocabulary.__getitem__)]


def _byte_characters() -> list[str]:
    """GPT-2's `bytes_to_unicode`: printable bytes stand for themselves, the others for U+0100 and on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
