"""What datatrove's filters decide, for parity tests. (Its `filter` method, not the step's call: that gives a
generator, which is true whatever it would decide.)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from datatrove.data import Document


@dataclass(frozen=True)
class Decision:
    """`reason` is None for a document to keep."""

    reason: str | None
    text: str
    metadata: dict[str, Any]


def decide(step: Any, text: str, **metadata: object) -> Decision:
    document = Document(text=text, id="", metadata=dict(metadata))
    answer = step.filter(document)
    kept, reason = answer if isinstance(answer, tuple) else (answer, "dropped")
    return Decision(None if kept else reason, document.text, document.metadata)


def words(count: int, start: int = 0) -> list[str]:
    """Different words of seven letters, no two alike in their first four."""
    return [
        "".join(chr(97 + number // base % 26) for base in (676, 26, 1)) + "boom"
        for number in range(start, start + count)
    ]


def stretched(text: str, length: int) -> str:
    """The text and different words behind it, so that it has exactly this length; five more characters at least."""
    missing = length - len(text) - 1
    filler = " ".join(words(missing // 8 + 1, 5000))[:missing].rstrip()
    return f"{text} {filler}{'z' * (missing - len(filler))}"


def around(text: str, length: int) -> Iterator[str]:
    """The text stretched to one character less than `length`, to it, and to one more."""
    return (stretched(text, length + step) for step in (-1, 0, 1))
