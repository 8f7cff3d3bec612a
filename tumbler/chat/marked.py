"""Thoughts and calls in what a model writes: pieces of text and special tokens in, parts out. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from tumbler.chat.stop import overlap
from tumbler.text.chat_format import Marks
from tumbler.text.conversation import ToolCall

Kind = Literal["text", "think", "call"]
CALLS_AT_ONCE: Final = 64
"""Calls in one pair of marks, at most; more are told as text."""


@dataclass(frozen=True)
class Part:
    """Some text of one kind; of a call, all that stands between its marks."""

    kind: Kind
    text: str


class MarkedText:
    """What stands between marks is told apart; a mark may come as a special token, or spelled over several pieces.

    Spelled marks stand on lines of their own: line feeds beside them belong to nobody.
    """

    def __init__(self, marks: Marks, kind: Kind = "text") -> None:
        self._spelled = marks.spelled
        pairs = {"think": marks.think, "call": marks.call}
        self._begins: dict[str, Kind] = {pair[0]: kind for kind, pair in pairs.items() if pair}  # type: ignore[misc]
        self._ends = {kind: pair[1] for kind, pair in pairs.items() if pair}
        self.kind: Kind = kind
        self._held = ""
        self._fresh = kind != "text"
        self._call: list[str] = []

    @property
    def names(self) -> frozenset[str]:
        """Of the special tokens that are marks."""
        return frozenset((*self._begins, *self._ends.values()))

    def push(self, text: str) -> Iterator[Part]:
        if not self._spelled:
            yield from self._say(text)
            return
        text = self._held + text
        while found := self._first(text):
            place, mark = found
            yield from self._say(text[:place].rstrip("\n"))
            yield from self._pass(mark)
            text = text[place + len(mark) :]
        held = max((overlap(text, mark) for mark in self._wanted()), default=0)
        safe = len(text[: len(text) - held].rstrip("\n")) if self._wanted() else len(text)
        self._held = text[safe:]
        yield from self._say(text[:safe])

    def mark(self, name: str) -> Iterator[Part]:
        """A special token that is a mark; where it means nothing, it is passed over."""
        held, self._held = self._held.rstrip("\n"), ""
        yield from self._say(held)
        if name in self._wanted():
            yield from self._pass(name)

    def end(self, stopped: bool) -> Iterator[Part]:
        """What is held back. A call without an end is one if the model `stopped` there; else it is a text."""
        held, self._held = self._held, ""
        yield from self._say(held)
        if self.kind == "call" and self._call:
            yield Part("call" if stopped else "text", "".join(self._call))

    def _wanted(self) -> list[str]:
        return list(self._begins) if self.kind == "text" else [self._ends[self.kind]]

    def _first(self, text: str) -> tuple[int, str] | None:
        places = [(place, mark) for mark in self._wanted() if (place := text.find(mark)) >= 0]
        return min(places) if places else None

    def _pass(self, mark: str) -> Iterator[Part]:
        if self.kind == "call":
            yield Part("call", "".join(self._call))
        self._call.clear()
        self.kind = self._begins[mark] if self.kind == "text" else "text"
        self._fresh = True

    def _say(self, text: str) -> Iterator[Part]:
        if self._fresh and self._spelled:
            text = text.lstrip("\n")
        if not text:
            return
        self._fresh = False
        if self.kind == "call":
            self._call.append(text)
        else:
            yield Part(self.kind, text)


def parse_calls(text: str) -> list[ToolCall]:
    """What stands between the marks of a call: one as Hermes and Qwen write it, or a list; none if it is no such thing.

    Each gets an id.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return []
    calls = [_call(item) for item in (body if isinstance(body, list) else [body])]
    return [call for call in calls if call] if all(calls) and len(calls) <= CALLS_AT_ONCE else []


def _call(item: Any) -> ToolCall | None:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
        return None
    arguments = item.get("arguments", item.get("parameters", {}))  # Llama's name for them
    if not isinstance(arguments, dict):
        return None
    return ToolCall(item["name"], json.dumps(arguments, ensure_ascii=False), f"call_{uuid.uuid4().hex[:24]}")
