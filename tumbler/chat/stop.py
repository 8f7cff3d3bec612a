"""Stop strings in a text that arrives in pieces: a pure state machine."""

from __future__ import annotations

from collections.abc import Sequence

from tumbler.errors import UserError


class StopStrings:
    """Lets text through up to the first stop string, and holds back what may become one.

    The first is the one that is complete first, and of those the longest; so what comes out does not
    depend on where the pieces are cut.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if "" in stops:
            raise UserError("a stop string is empty; give at least one character")
        self._stops = tuple(stops)
        self._held = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """The text that is now known to stand before any stop string."""
        if self.found is not None:
            return ""
        text = self._held + text
        matches = [(start + len(stop), start, stop) for stop in self._stops if (start := text.find(stop)) >= 0]
        if matches:
            _, safe, self.found = min(matches)
        else:
            safe = len(text) - max((overlap(text, stop) for stop in self._stops), default=0)
        self._held = "" if self.found is not None else text[safe:]
        return text[:safe]

    def flush(self) -> str:
        """What is still held back, at the end of the text: it did not become a stop string."""
        text, self._held = self._held, ""
        return text


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
