"""Who holds which slot, what of its prompt is there already, and what the next step reads: pure policy, without torch.

Requests that decode hold the slots 0..n-1, so that a step works on whole rows and no dead ones; those whose prompt is
still being read stand behind them; what ended requests left in the other slots may begin a later request. A step reads
one id of each request that decodes and up to `prompt_ids` ids of prompts, so that a long prompt holds up nobody
(chunked prefill, Sarathi-Serve: arXiv 2403.02310).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

WORTHWHILE: Final = 16
"""Ids of a common beginning from which on it is taken over and not read again."""
BYTES: Final = 4


@dataclass(frozen=True)
class Move:
    """Before the step: the first `length` ids of slot `source` are copied to slot `target`, or both are exchanged."""

    source: int
    target: int
    length: int
    exchange: bool


@dataclass(frozen=True)
class Piece:
    """Ids `start` to `end` of a request's prompt, read into `slot`."""

    request: int
    slot: int
    start: int
    end: int
    last: bool
    """The request's first id comes of this step's logits, and it decodes from the next step on."""


@dataclass(frozen=True)
class Step:
    moves: tuple[Move, ...]
    decode: tuple[int, ...]
    """Slot i holds the i-th of these requests."""
    pieces: tuple[Piece, ...]


@dataclass
class _Slot:
    ids: bytearray = field(default_factory=bytearray)
    """What its keys and values are of."""
    request: int | None = None
    freed: int = 0
    """The step at which a request last left it."""

    def __len__(self) -> int:
        return len(self.ids) // BYTES


class Scheduler:
    """First come, first served. A step reads at most `prompt_ids` ids of prompts."""

    def __init__(self, slots: int, prompt_ids: int) -> None:
        self.prompt_ids = prompt_ids
        self.running: list[int] = []
        self.reused = 0
        """Ids of prompts that were taken over and not read."""
        self._slots = [_Slot() for _ in range(slots)]
        self._prompts: dict[int, bytes] = {}
        """Of the requests that wait or are being read, in the order in which they came."""
        self._whole: set[int] = set()
        self._places: dict[int, int] = {}
        """request -> slot, of those whose prompt is being read"""
        self._made: dict[int, int] = {}
        self._moves: list[Move] = []
        self._steps = 0

    @property
    def waiting(self) -> int:
        """Requests that hold no slot yet."""
        return len(self._prompts) - len(self._places)

    def add(self, request: int, prompt: Sequence[int], reuse: bool = True) -> None:
        """`reuse` False: the whole prompt is read, whatever is there already (its own logits are wanted)."""
        self._prompts[request] = _bytes(prompt)
        if not reuse:
            self._whole.add(request)

    def made(self, request: int, id: int) -> None:
        """A request that decodes has made an id; the next step reads it."""
        self._made[request] = id

    def next(self) -> Step | None:
        """What to do now; None when there is nothing to do."""
        self._steps += 1
        decode, pieces = tuple(self.running), tuple(self._pieces())
        moves, self._moves = tuple(self._moves), []
        # Only now: what this step reads cannot be copied before it.
        for slot, request in zip(self._slots, decode, strict=False):
            slot.ids += _bytes([self._made.pop(request)])
        for piece in pieces:
            self._slots[piece.slot].ids += self._prompts[piece.request][piece.start * BYTES : piece.end * BYTES]
        for piece in pieces:
            if piece.last:
                self._promote(piece.request)
        return Step(moves, decode, pieces) if decode or pieces else None

    def end(self, request: int) -> None:
        """Free what `request` holds (done or cancelled); what it has read stays for others until the slot is needed."""
        self._made.pop(request, None)
        self._whole.discard(request)
        if request in self.running:
            place, last = self.running.index(request), len(self.running) - 1
            self._exchange(place, last)
            self.running[place] = self.running[last]
            self.running.pop()
            self._free(last)
        elif self._prompts.pop(request, None) is not None and request in self._places:
            self._free(self._places.pop(request))

    def forget(self) -> None:
        """What free slots hold is not to be taken over any more: other weights made it."""
        for slot in self._slots:
            if slot.request is None:
                slot.ids.clear()

    def _pieces(self) -> Iterator[Piece]:
        budget = self.prompt_ids
        for request, prompt in list(self._prompts.items()):
            if budget and (request in self._places or self._admit(request, prompt)):
                place = self._places[request]
                start, length = len(self._slots[place]), len(prompt) // BYTES
                end = min(length, start + budget)
                budget -= end - start
                yield Piece(request, place, start, end, end == length)

    def _admit(self, request: int, prompt: bytes) -> bool:
        """Give a request a slot, if one is free and nobody is just reading what it begins with."""
        free = [place for place, slot in enumerate(self._slots) if slot.request is None]
        if not free:
            return False
        oldest = min(free, key=lambda place: (self._slots[place].freed, place))
        shared, best = self._best(prompt) if request not in self._whole else (0, oldest)
        if request not in self._whole and self._coming(prompt) >= shared + WORTHWHILE:
            return False
        if shared < WORTHWHILE:
            shared, target = 0, oldest
        elif best in free and (best == oldest or 2 * shared >= len(self._slots[best])):
            target = best
        else:
            target = oldest
            self._moves.append(Move(best, target, shared, exchange=False))
        self.reused += shared
        self._slots[target] = _Slot(bytearray(prompt[: shared * BYTES]), request)
        self._places[request] = target
        return True

    def _best(self, prompt: bytes) -> tuple[int, int]:
        """(ids, slot) of the longest beginning that some slot holds; the prompt's last id is always read."""
        lengths = [_common(prompt[:-BYTES], slot.ids) for slot in self._slots]
        shared = max(lengths)
        places = [place for place, length in enumerate(lengths) if length == shared]
        return shared, next((place for place in places if self._slots[place].request is None), places[0])

    def _coming(self, prompt: bytes) -> int:
        """Ids of the longest beginning that will be there when the prompts that are being read are whole."""
        return max((_common(prompt[:-BYTES], self._prompts[other]) for other in self._places), default=0)

    def _promote(self, request: int) -> None:
        """Its prompt is read: it takes the slot behind those that decode."""
        del self._prompts[request]
        self._whole.discard(request)
        self._exchange(self._places.pop(request), len(self.running))
        self.running.append(request)

    def _exchange(self, one: int, other: int) -> None:
        if one == other:
            return
        slots = self._slots
        self._moves.append(Move(one, other, max(len(slots[one]), len(slots[other])), exchange=True))
        slots[one], slots[other] = slots[other], slots[one]
        for place in (one, other):
            if (request := slots[place].request) in self._places:
                assert request is not None
                self._places[request] = place

    def _free(self, place: int) -> None:
        self._slots[place].request, self._slots[place].freed = None, self._steps


def _bytes(ids: Sequence[int]) -> bytes:
    """Four bytes an id: beginnings are compared as fast as memory is read."""
    return array("i", ids).tobytes()


def _common(one: bytes, other: bytes | bytearray) -> int:
    """Ids that both begin with."""
    low, high = 0, min(len(one), len(other)) // BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * BYTES : middle * BYTES] == other[low * BYTES : middle * BYTES]:
            low = middle
        else:
            high = middle - 1
    return low
