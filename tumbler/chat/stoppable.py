"""Ctrl-C stops an answer between two steps of the sampler, never in the midst of one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tumbler.chat.load import ChatModel, Fit, load_chat
from tumbler.chat.pace import Pace
from tumbler.engine import Sampler

T = TypeVar("T")


class StoppableSampler(Sampler):
    """Raises KeyboardInterrupt at its next step when `stop_asked` is set."""

    stop_asked = False

    def step(self) -> bool:
        if self.stop_asked:
            raise KeyboardInterrupt
        return super().step()


def load_stoppable(folder: Path, fit: Fit) -> tuple[ChatModel, StoppableSampler]:
    """A model for one answer at a time, and its sampler."""
    model = load_chat(folder, slots=1, fit=fit, kind=StoppableSampler)
    assert isinstance(model.sampler, StoppableSampler)
    return model, model.sampler


@contextmanager
def stoppable(sampler: StoppableSampler) -> Iterator[None]:
    """While this holds, Ctrl-C asks `sampler` to stop. In the main thread only."""

    def ask(number: int, frame: object) -> None:
        sampler.stop_asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sampler.stop_asked = False


class Answering:
    """Passes the pieces of one answer on as they come, up to its end or Ctrl-C, and looks at the clock."""

    def __init__(self, sampler: StoppableSampler) -> None:
        self._sampler = sampler
        self.stopped = False

    def pieces(self, pieces: Iterator[T]) -> Iterator[T]:
        begun, first = time.monotonic(), None
        with stoppable(self._sampler):
            try:
                for piece in pieces:
                    first = first or time.monotonic()
                    yield piece
            except KeyboardInterrupt:
                self.stopped = True
        ended = time.monotonic()
        self.pace = Pace(begun, first or ended, ended)
