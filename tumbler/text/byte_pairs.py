"""Byte-level BPE as a tokenizer.json: written from tokens in the order of their ranks, and read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from tumbler.errors import UserError
from tumbler.text.byte_level import to_bytes, to_characters

SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Llama 3's (meta-llama/llama3, llama/tokenizer.py, `pat_str`); llama.cpp knows it as `llama-bpe`."""
GPT2: Final = None
"""In place of a pattern: GPT-2's split, which `tokenizers` has built in."""
LARGEST_ID: Final = 2**24
NOT_BYTE_LEVEL: Final = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
"""Settings of BPE that none such has in force."""


def write_json(ranks: Mapping[bytes, int], special: Mapping[str, int], split: str | None, bos: str | None) -> str:
    """The content of a tokenizer.json; `ranks`: token -> rank, which is its id; `special`: ids after those.

    Ids that neither has are filled by tokens named <|unused_ID|>, since tokenizer.json knows no gaps.
    """
    vocabulary = {to_characters(token): rank for token, rank in ranks.items()}
    backend = Backend(models.BPE(vocab=vocabulary, merges=_merges(ranks), ignore_merges=True))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is GPT2)
    if split is GPT2:
        backend.pre_tokenizer = byte_level
    else:
        backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), byte_level])
    names = {id: name for name, id in special.items()}
    added = [names.get(id, f"<|unused_{id}|>") for id in range(len(ranks), max(names) + 1)]
    backend.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in added])
    backend.decoder = decoders.ByteLevel()
    if bos is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, special[bos])]
        )
    return str(backend.to_str(pretty=True))


def parse_json(serialized: str, where: str) -> dict[str, Any]:
    """The body of a byte-level BPE's tokenizer.json; UserError for any other."""
    try:
        body = json.loads(serialized)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON ({error})") from error
    model = body.get("model") if isinstance(body, dict) else None
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or "added_tokens" not in body:
        raise UserError(f"{where}: not a byte-level BPE tokenizer.json")
    ids = model.get("vocab")
    if not isinstance(ids, dict) or not ids or not all(_is_id(id) for id in ids.values()):
        raise UserError(f"{where}: 'vocab' must map each token to an id from 0 to {LARGEST_ID - 1:,}")
    if not isinstance(model.get("merges"), list) or not all(map(_is_merge, model["merges"])):
        raise UserError(f"{where}: 'merges' must be a list of pairs of tokens")
    if not isinstance(body["added_tokens"], list) or not all(map(_is_added, body["added_tokens"])):
        raise UserError(f"{where}: 'added_tokens' must be a list of objects with 'content' and 'id'")
    other = [key for key in NOT_BYTE_LEVEL if model.get(key)]
    if other or not any(step["type"] == "ByteLevel" for step in steps(body.get("pre_tokenizer"), where)):
        raise UserError(f"{where}: {other[0] if other else 'its pre_tokenizer'} makes it no byte-level BPE")
    found: dict[str, Any] = body
    return found


def steps(pre_tokenizer: Any, where: str) -> list[dict[str, Any]]:
    """The pre-tokenizer's steps in their order."""
    found = pre_tokenizer.get("pretokenizers", [pre_tokenizer]) if isinstance(pre_tokenizer, dict) else []
    if not isinstance(found, list) or not all(isinstance(step, dict) and "type" in step for step in found):
        raise UserError(f"{where}: 'pre_tokenizer' is not one")
    return found


def added_ids(body: Mapping[str, Any]) -> dict[str, int]:
    """Added tokens by name, in the order of their ids."""
    return {item["content"]: item["id"] for item in sorted(body["added_tokens"], key=lambda item: item["id"])}


def token_bytes(body: Mapping[str, Any], where: str) -> list[bytes]:
    """The bytes of each id; of an added token, its name; of an id that nothing has, none."""
    vocabulary, added = body["model"]["vocab"], added_ids(body)
    pieces = [b""] * (1 + max([*vocabulary.values(), *added.values()]))
    for token, id in vocabulary.items():
        data = token.encode("utf-8", "replace") if token in added else to_bytes(token)
        if data is None:
            raise UserError(f"{where}: token {token[:40]!r} is not written in byte-level BPE's characters")
        pieces[id] = data
    for name, id in added.items():
        pieces[id] = name.encode("utf-8", "replace")
    return pieces


def without_added(body: Mapping[str, Any]) -> str:
    """The tokenizer.json of an encoder from which no added token can come, whatever a text says.

    It has no added tokens; where the vocabulary itself holds one, its entry is renamed to what no byte-level text
    contains (a blank), and merges that make or use it are gone.
    """
    model, added = body["model"], added_ids(body)
    inside = added.keys() & model["vocab"].keys()
    vocabulary = {(f" {id}" if token in inside else token): id for token, id in model["vocab"].items()}
    merges = [merge for merge in map(_pair, model["merges"]) if not inside & {*merge, "".join(merge)}]
    changed: dict[str, Any] = {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    return json.dumps({**body, **changed, "model": {**model, "vocab": vocabulary, "merges": merges}})


def _pair(merge: str | Sequence[str]) -> Sequence[str]:
    return merge.split(" ") if isinstance(merge, str) else merge


def _merges(ranks: Mapping[bytes, int]) -> list[tuple[str, str]]:
    """The merge that makes each token: of the two parts that BPE by the lower ranks leaves of its bytes.

    A token that they do not leave in two parts is only reached as a whole pre-token (`ignore_merges`).
    """
    in_order = sorted(ranks.items(), key=lambda item: item[1])
    pairs = (_two_parts(token, rank, ranks) for token, rank in in_order if len(token) > 1)
    return [(to_characters(pair[0]), to_characters(pair[1])) for pair in pairs if len(pair) == 2]


def _two_parts(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> list[bytes]:
    """The token's bytes after all merges of a rank below its own: of pairs of equal rank, the leftmost first."""
    parts = [token[at : at + 1] for at in range(len(token))]
    while len(parts) > 2:
        found = [ranks.get(parts[at] + parts[at + 1], rank) for at in range(len(parts) - 1)]
        lowest = min(found)
        if lowest == rank:
            break
        at = found.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST_ID


def _is_merge(value: Any) -> bool:
    pair = value.split(" ") if isinstance(value, str) else value
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _is_added(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("content"), str) and _is_id(value.get("id"))
