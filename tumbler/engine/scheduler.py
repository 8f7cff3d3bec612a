"""Who runs in which slot, and what the next step does: pure policy, without torch.

Slots are dense: n requests that run hold slots 0..n-1, so that a decode step works on whole rows and
no dead ones. When a request ends, the one in the last slot moves into the gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 8
"""Decode steps that a request waits at most for others to share its prefill, once a slot is free."""


@dataclass(frozen=True)
class Prefill:
    """Read the prompts of these requests into the slots `first`, `first + 1`, ..."""

    requests: tuple[int, ...]
    first: int


@dataclass(frozen=True)
class Decode:
    """One more id for each request that runs; slot i holds `requests[i]`."""

    requests: tuple[int, ...]


@dataclass(frozen=True)
class Move:
    """Copy what slot `source` holds to slot `target`."""

    source: int
    target: int


class Scheduler:
    """First come, first served, over `slots` slots; a prefill holds at most `prefill_tokens` padded ids."""

    def __init__(self, slots: int, prefill_tokens: int) -> None:
        self.slots = slots
        self.prefill_tokens = prefill_tokens
        self.running: list[int] = []
        self.waiting: deque[tuple[int, int]] = deque()
        self._waited = 0

    def add(self, request: int, prompt_tokens: int) -> None:
        self.waiting.append((request, prompt_tokens))

    def next(self) -> Prefill | Decode | None:
        """What to do now; None when there is nothing to do. A prefill's requests run from here on."""
        if self._prefill_pays():
            requests, first = self._take_waiting(), len(self.running)
            self.running += requests
            self._waited = 0
            return Prefill(tuple(requests), first)
        if not self.running:
            return None
        self._waited += bool(self.waiting and len(self.running) < self.slots)
        return Decode(tuple(self.running))

    def end(self, request: int) -> Move | None:
        """Free what `request` holds (done or cancelled); the move, if any, must be made before the next step."""
        if request not in self.running:
            self.waiting = deque(item for item in self.waiting if item[0] != request)
            return None
        gap, last = self.running.index(request), len(self.running) - 1
        tail = self.running.pop()
        if gap == last:
            return None
        self.running[gap] = tail
        return Move(last, gap)

    def _prefill_pays(self) -> bool:
        """A prefill stops all decoding, so a few free slots wait for more, up to PATIENCE steps."""
        free = self.slots - len(self.running)
        if not self.waiting or not free:
            return False
        return free >= min(len(self.waiting), self.slots // 8) or self._waited >= PATIENCE

    def _take_waiting(self) -> list[int]:
        """As many as fit in the slots and in `prefill_tokens` (padded to the longest); always at least one."""
        taken: list[int] = []
        longest = 0
        while self.waiting and len(self.running) + len(taken) < self.slots:
            request, tokens = self.waiting[0]
            longest = max(longest, tokens)
            if taken and longest * (len(taken) + 1) > self.prefill_tokens:
                break
            taken.append(request)
            self.waiting.popleft()
        return taken
