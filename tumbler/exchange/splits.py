"""How llama.cpp's named pre-tokenizers split a text before the merges begin.

A GGUF file holds a tokenizer's tokens and merges but only the name of its split. The names, and which of them
share a split, are those of llama.cpp's src/llama-vocab.cpp; the patterns are those of the tokenizer.json that each
name stands for (llama.cpp's own differ from some of them in spelling, since its regex engine knows no `(?i:`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tumbler.errors import UserError
from tumbler.text.byte_pairs import SPLIT

DIGIT: Final = r"\p{N}"
GPT2: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""openai/gpt-2, src/encoder.py; what the tokenizers library does with `use_regex`."""
QWEN2: Final = SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
"""Qwen/Qwen2, tokenizer.json."""
QWEN35: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen/Qwen3.5, tokenizer.json."""
TEKKEN: Final = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""mistralai's tekken.json."""


@dataclass(frozen=True)
class Split:
    patterns: tuple[str, ...]
    """Applied one after the other, each to the pieces that the last one left."""
    ignore_merges: bool = False
    """Whether a piece that is a token is taken as it is, whatever its merges."""
    adds_bos: bool = False
    """Whether llama.cpp puts bos before a text when the file does not say."""


_LLAMA3, _PLAIN_LLAMA3 = Split((SPLIT,), ignore_merges=True, adds_bos=True), Split((SPLIT,))
_GPT2, _DIGITS, _QWEN2 = Split((GPT2,)), Split((DIGIT, GPT2)), Split((QWEN2,))
SPLITS: Final[Mapping[str, Split]] = {
    **dict.fromkeys(
        ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"), _LLAMA3
    ),
    **dict.fromkeys(("smaug-bpe", "dbrx"), _PLAIN_LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2", "stablelm2", "grok-2"), _QWEN2),
    "qwen35": Split((QWEN35,)),
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "mellum", "a.x-4.0"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _DIGITS),
    "tekken": Split((TEKKEN,), ignore_merges=True, adds_bos=True),
}
"""By name; of several names for one split, the first is the one that export writes."""


def split_named(name: Any, where: str) -> Split:
    """The split of a `tokenizer.ggml.pre`."""
    if not isinstance(name, str) or name not in SPLITS:
        raise UserError(
            f"{where}: tokenizer.ggml.pre = {name!r}: how this tokenizer splits text is not known here "
            f"(known: {', '.join(SPLITS)}); import the model's Hugging Face folder instead"
        )
    return SPLITS[name]


def name_of(patterns: tuple[str, ...], ignore_merges: bool, where: str) -> str:
    """llama.cpp's name of a split; UserError when it has none."""
    for name, split in SPLITS.items():
        if split.patterns == patterns and split.ignore_merges == ignore_merges:
            return name
    told = " then ".join(patterns) + (" with ignore_merges" if ignore_merges else "")
    raise UserError(f"{where}: llama.cpp has no name for this tokenizer's split ({told}), so GGUF cannot hold it")


def pre_tokenizer(split: Split) -> dict[str, Any]:
    """The `pre_tokenizer` of a tokenizer.json, in the spelling of the models that the split comes from."""
    gpt2 = split.patterns[-1] == GPT2
    steps = [_step(pattern) for pattern in split.patterns if pattern != GPT2]
    steps.append({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": gpt2})
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}


def _step(pattern: str) -> dict[str, Any]:
    if pattern == DIGIT:
        return {"type": "Digits", "individual_digits": True}
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def patterns_of(pre_tokenizer: Any, where: str) -> tuple[str, ...]:
    """The patterns of a tokenizer.json's `pre_tokenizer`, whichever way it spells them."""
    match pre_tokenizer:
        case {"type": "Sequence", "pretokenizers": [*steps]}:
            return tuple(pattern for step in steps for pattern in patterns_of(step, where))
        case {"type": "ByteLevel", "add_prefix_space": False}:
            return (GPT2,) if pre_tokenizer.get("use_regex", True) else ()
        case {"type": "Digits", "individual_digits": True}:
            return (DIGIT,)
        case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False}:
            return (pattern,)
        case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Removed", "invert": True}:
            return (pattern,)  # the same, of a pattern that leaves nothing between its matches
    raise UserError(f"{where}: pre_tokenizer {pre_tokenizer!r} is none that GGUF can name")
