"""What a tokenizer puts before and after a text: bos, [CLS], end, or nothing."""

from __future__ import annotations

from itertools import takewhile
from typing import Any


def framing(post_processor: Any) -> tuple[list[str], list[str]] | None:
    """The tokens that a tokenizer.json's `post_processor` puts before and after a text; None for an unknown kind."""
    match post_processor:
        case None | {"type": "ByteLevel"}:
            return [], []
        case {"type": "Sequence", "processors": [*steps]}:
            framings = [framing(step) for step in steps]
            known = [one for one in framings if one is not None]
            if len(known) < len(framings):
                return None
            return [t for before, _ in reversed(known) for t in before], [t for _, after in known for t in after]
        case {"type": "TemplateProcessing", "single": [*items]}:
            names = [str(item["SpecialToken"]["id"]) if "SpecialToken" in item else "" for item in items]
            before = list(takewhile(bool, names))
            return before, names[len(before) + 1 :]
        case {"type": "BertProcessing" | "RobertaProcessing", "cls": [str(cls), _], "sep": [str(sep), _]}:
            return [cls], [sep]
    return None
