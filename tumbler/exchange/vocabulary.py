"""Byte-level BPE tokenizers: a Hugging Face tokenizer.json <-> the `tokenizer.*` metadata of a GGUF file.

GGUF keeps all tokens in one list by id, each with a type. A tokenizer.json keeps the tokens that merges make in
`model.vocab`, and those that are placed whole, special ones among them, in `added_tokens`; of the latter, those
whose ids lie amid the vocabulary's stand in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gguf import TokenType

from tumbler.errors import UserError
from tumbler.exchange.splits import name_of, patterns_of, pre_tokenizer, split_named
from tumbler.text.byte_level import to_bytes
from tumbler.text.framing import framing

ROLES: Final = {"bos": "bos_token_id", "end": "eos_token_id", "pad": "padding_token_id"}
"""Role -> its key under `tokenizer.ggml.`."""
KEY: Final = "tokenizer.ggml."


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer as Hugging Face keeps it."""

    tokenizer: Mapping[str, Any]
    """tokenizer.json"""
    roles: Mapping[str, int]
    """bos, end, pad -> id, where there is one."""
    chat_template: str | None

    def names(self) -> dict[int, str]:
        """Each token's text in the file, by its id."""
        vocab = {id: token for token, id in self.tokenizer["model"]["vocab"].items()}
        return vocab | {token["id"]: token["content"] for token in self.tokenizer["added_tokens"]}


def from_gguf(metadata: Mapping[str, Any], where: str) -> Vocabulary:
    """The tokenizer of a GGUF file's metadata; UserError when it is damaged or of another kind."""
    kind = metadata.get(KEY + "model")
    if kind != "gpt2":
        told = f"{where}: {KEY}model = {kind!r}: of tokenizers in GGUF, tumbler takes byte-level BPE ('gpt2')"
        raise UserError(f"{told}; import the model's Hugging Face folder instead")
    split = split_named(metadata.get(KEY + "pre"), where)
    tokens, types = _list(metadata, "tokens", str, where), _list(metadata, "token_type", int, where)
    if len(types) != len(tokens) or len(set(tokens)) != len(tokens):
        raise UserError(f"{where}: {len(tokens)} tokens, {len(set(tokens))} different, with {len(types)} types")
    used = [id for id, kind in enumerate(types) if kind != TokenType.UNUSED]
    if not used:
        raise UserError(f"{where}: none of its {len(tokens)} tokens is in use; the file is damaged")
    # A hole would move the ids that come after it: the tokenizers library counts added tokens on.
    placed = [id for id in range(used[-1] + 1) if types[id] != TokenType.NORMAL]
    vocab = _vocab(tokens, types, where)
    body = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(id, tokens[id], types[id] != TokenType.USER_DEFINED) for id in placed],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer(split),
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": split.ignore_merges,
            "vocab": vocab,
            "merges": _merges(_list(metadata, "merges", str, where), vocab, where),
        },
    }
    roles = _roles(metadata, len(tokens), where)
    framing = {"bos": metadata.get(KEY + "add_bos_token", split.adds_bos), "end": metadata.get(KEY + "add_eos_token")}
    body["post_processor"] = _frame({role: id for role, id in roles.items() if framing.get(role)}, tokens)
    template = metadata.get("tokenizer.chat_template")
    if template is not None and not isinstance(template, str):
        raise UserError(f"{where}: tokenizer.chat_template must be a text")
    return Vocabulary(body, roles, template)


def to_gguf(vocabulary: Vocabulary, rows: int, where: str) -> dict[str, Any]:
    """The `tokenizer.*` metadata; ids up to `rows`, those of the model's embedding, that no token has are filled up."""
    body, names = vocabulary.tokenizer, vocabulary.names()
    if (normalizer := body.get("normalizer")) not in (None, {"type": "NFC"}):  # NFC: Qwen's, which llama.cpp leaves out
        raise UserError(f"{where}: has the normalizer {normalizer!r}, which GGUF cannot hold")
    if max(names) >= rows:
        raise UserError(f"{where}: has the id {max(names)}, the model only {rows} rows; they do not belong together")
    ignores = bool(body["model"].get("ignore_merges"))
    special = {token["id"]: bool(token.get("special")) for token in body["added_tokens"]}
    kinds = {True: TokenType.CONTROL, False: TokenType.USER_DEFINED, None: TokenType.NORMAL}
    around = framing(body.get("post_processor"))
    if around is None:
        raise UserError(f"{where}: post_processor {body['post_processor']!r} is none that GGUF can name")
    before, after = around
    marks = {role: names.get(id) for role, id in vocabulary.roles.items()}
    if before not in ([], [marks.get("bos")]) or after not in ([], [marks.get("end")]):
        raise UserError(f"{where}: frames a text with {before} and {after}; GGUF knows bos before and eos after only")
    return {
        KEY + "model": "gpt2",
        KEY + "pre": name_of(patterns_of(body.get("pre_tokenizer"), where), ignores, where),
        KEY + "tokens": [names.get(id, f"[PAD{id}]") for id in range(rows)],
        KEY + "token_type": [
            int(kinds[special.get(id)] if id in names else TokenType.UNUSED) for id in range(rows)
        ],
        KEY + "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in body["model"]["merges"]],
        **{KEY + key: vocabulary.roles[role] for role, key in ROLES.items() if role in vocabulary.roles},
        KEY + "add_bos_token": bool(before),
        KEY + "add_eos_token": bool(after),
        **({"tokenizer.chat_template": vocabulary.chat_template} if vocabulary.chat_template else {}),
    }  # fmt: skip


def _list(metadata: Mapping[str, Any], name: str, kind: type, where: str) -> list[Any]:
    found = metadata.get(KEY + name)
    if not isinstance(found, list) or not found or not all(isinstance(item, kind) for item in found):
        raise UserError(f"{where}: {KEY}{name} must be a list of {kind.__name__}; the file is damaged")
    return found


def _vocab(tokens: list[str], types: list[int], where: str) -> dict[str, int]:
    """`model.vocab`: the tokens that merges make, and the others up to the last of these."""
    normal = [id for id, kind in enumerate(types) if kind == TokenType.NORMAL]
    for id in normal:
        if to_bytes(tokens[id]) is None:
            raise UserError(f"{where}: token {id}, {tokens[id]!r}, is not in the characters of byte-level BPE")
    return {tokens[id]: id for id in range(normal[-1] + 1 if normal else 0)}


def _merges(lines: list[str], vocab: Mapping[str, int], where: str) -> list[list[str]]:
    pairs = [line.split(" ", 1) for line in lines]
    for line, pair in zip(lines, pairs, strict=True):
        if len(pair) != 2 or "".join(pair) not in vocab or not all(part in vocab for part in pair):
            raise UserError(f"{where}: the merge {line!r} is not of two tokens that make a third; the file is damaged")
    return pairs


def _roles(metadata: Mapping[str, Any], count: int, where: str) -> dict[str, int]:
    found = {role: metadata[KEY + key] for role, key in ROLES.items() if KEY + key in metadata}
    for role, id in found.items():
        if not isinstance(id, int) or not 0 <= id < count:
            raise UserError(f"{where}: {KEY}{ROLES[role]} = {id!r}: must be the id of one of its {count} tokens")
    return found


def _added(id: int, content: str, special: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id, "content": content, **plain, "special": special}


def _frame(roles: Mapping[str, int], tokens: list[str]) -> dict[str, Any]:
    """A post-processor that puts bos before a text and end after it, where `roles` names them."""
    text = {"Sequence": {"id": "A", "type_id": 0}}
    if not roles:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    marks = {role: {"SpecialToken": {"id": tokens[id], "type_id": 0}} for role, id in roles.items()}
    second = {"Sequence": {"id": "B", "type_id": 1}}
    single = [*([marks["bos"]] if "bos" in marks else []), text, *([marks["end"]] if "end" in marks else [])]
    special = {tokens[id]: {"id": tokens[id], "ids": [id], "tokens": [tokens[id]]} for id in roles.values()}
    return {"type": "TemplateProcessing", "single": single, "pair": [*single, second], "special_tokens": special}
