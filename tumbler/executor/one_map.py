"""One map under way: which items are with the pool, which failed how often, what comes next."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from tumbler.executor import faults
from tumbler.executor.calls import Done, Lost, Pool, Raised, pack

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True)
class Rules:
    retries: int
    """How often an item is done again before its failure ends the map."""
    ahead: int | None
    """No item is begun more than `ahead * slots` after the oldest unfinished one; None: no bound."""
    say: Callable[[str], None]
    """Told why an item is done again."""


class OneMap(Generic[I, O]):
    def __init__(self, pool: Pool, function: Callable[[I], O], items: Iterable[I], rules: Rules) -> None:
        self.pool, self.rules = pool, rules
        self.function = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
        self.source = enumerate(items)
        self.begun = 0
        self.under_way: dict[int, I] = {}
        self.failures: Counter[int] = Counter()

    def fill(self) -> None:
        """Give the pool as many items as it has room for."""
        for index, item in islice(self.source, self._room()):
            self.begun = index + 1
            self.under_way[index] = item
            self.pool.submit(index, pack(self.function, item))

    def _room(self) -> int:
        room = self.pool.slots - len(self.under_way)
        if self.rules.ahead is not None and self.under_way:
            room = min(room, self.rules.ahead * self.pool.slots - (self.begun - min(self.under_way)))
        return max(0, room)

    def collect(self) -> list[tuple[int, O]]:
        """Wait for the next answers: (index, result) of those done; those failed are begun again, or raise."""
        finished: list[tuple[int, O]] = []
        for index, answer in self.pool.wait():
            if isinstance(answer, Done):
                del self.under_way[index]
                finished.append((index, answer.value))
            else:
                self._again(index, answer)
        return finished

    def _again(self, index: int, answer: Raised | Lost) -> None:
        item, retries = self.under_way[index], self.rules.retries
        self.failures[index] += 1
        times = self.failures[index]
        error = faults.refusal(answer, item, times, retries)
        if error is not None:
            raise error
        self.rules.say(f"{faults.named(item)}: {faults.reason(answer)}; doing it again ({times} of {retries})")
        suspect = isinstance(answer, Lost) and answer.suspect
        self.pool.submit(index, pack(self.function, item, faults.pause(answer, times), suspect))
