"""The special tokens: dense ids, right after the vocabulary, reserved from the start.

A later stage (tools, thinking, images) finds its tokens here, so that no checkpoint ever needs its
embedding resized. Content of users never becomes one of them, see `tumbler.text.tokenizer`.
"""

from __future__ import annotations

from typing import Final

BOS: Final = "<|bos|>"
"""First token of a document and of a conversation."""
END: Final = "<|end|>"
"""Ends a document, and each turn of a conversation: what transformers calls eos."""
PAD: Final = "<|pad|>"
SYSTEM: Final = "<|system|>"
USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
CALL: Final = "<|tool_call|>"
CALL_END: Final = "<|/tool_call|>"
RESULT: Final = "<|tool_result|>"
RESULT_END: Final = "<|/tool_result|>"
THINK: Final = "<|think|>"
THINK_END: Final = "<|/think|>"
MASK: Final = "<|mask|>"
"""Stands for a token that a masked model is to name."""

SPECIAL: Final[tuple[str, ...]] = (
    BOS,
    END,
    PAD,
    SYSTEM,
    USER,
    ASSISTANT,
    CALL,
    CALL_END,
    RESULT,
    RESULT_END,
    THINK,
    THINK_END,
    MASK,
    "<|image|>",
    "<|/image|>",
    "<|audio|>",
    "<|/audio|>",
    *(f"<|reserved_{number}|>" for number in range(64)),
)
"""In the order of their ids."""
