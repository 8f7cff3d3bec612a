"""Which of a foreign tokenizer's special tokens begins a text, ends it, pads it: from the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tumbler.errors import UserError
from tumbler.text.special import ASSISTANT, BOS, END, PAD, SPECIAL, SYSTEM, USER

TUMBLER: Final[Mapping[str, str]] = {
    "bos": BOS,
    "end": END,
    "pad": PAD,
    "system": SYSTEM,
    "user": USER,
    "assistant": ASSISTANT,
}
"""Role -> token, of the tokenizers that tumbler trains."""
KEYS: Final[Mapping[str, str]] = {"bos": "bos_token", "end": "eos_token", "pad": "pad_token"}
SOURCES: Final = ("tokenizer_config.json", "special_tokens_map.json")
COMMON: Final[Mapping[str, tuple[str, ...]]] = {
    "bos": ("<|begin_of_text|>", "<s>", "<bos>"),
    "end": ("<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "<|im_end|>"),
    "pad": ("<pad>", "<|pad|>", "[PAD]"),
}
"""Names by which a role is known where no file tells."""


def roles_of(special: Mapping[str, int], files: Mapping[str, bytes], where: str) -> dict[str, str]:
    """Role -> token. tumbler's own are known by their names; for others, what the files say, then COMMON."""
    if tuple(special) == SPECIAL:
        return dict(TUMBLER)
    told: dict[str, Any] = {}
    for name in reversed(SOURCES):
        told.update({key: value for key, value in _read(files, name, where).items() if value is not None})
    if not any(key in told for key in KEYS.values()):
        known = {role: next((name for name in names if name in special), None) for role, names in COMMON.items()}
        return {role: name for role, name in known.items() if name is not None}
    found = {role: _content(told.get(key)) for role, key in KEYS.items()}
    return {role: name for role, name in found.items() if name in special}


def _read(files: Mapping[str, bytes], name: str, where: str) -> dict[str, Any]:
    try:
        body = json.loads(files.get(name, b"{}"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {name} beside it is not valid JSON ({error})") from error
    if not isinstance(body, dict):
        raise UserError(f"{where}: {name} beside it is not a JSON object")
    return body


def _content(value: Any) -> str:
    """A token's name, which may stand as an object with its flags."""
    name = value.get("content") if isinstance(value, dict) else value
    return name if isinstance(name, str) else ""
