"""Calls and answers: what travels, as bytes, between the driver and a worker of whatever pool."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from tumbler.imports import spare_pandas


@dataclass(frozen=True)
class Done:
    value: Any


@dataclass(frozen=True)
class Raised:
    """The function raised; the worker lives."""

    error: Exception
    traceback: str


@dataclass(frozen=True)
class Lost:
    """The worker ended before it answered."""

    reason: str
    suspect: bool = True
    """Whether the item itself may have brought it down."""


Answer = Done | Raised | Lost


class Pool(Protocol):
    """Where calls are performed. A ticket is the caller's number for a call; it comes back with the answer."""

    @property
    def slots(self) -> int:
        """How many calls are worth having under way at once."""

    def submit(self, ticket: int, call: bytes) -> None:
        """Begin a call; the caller keeps to `slots`."""

    def wait(self) -> list[tuple[int, Answer]]:
        """Block until at least one call ends; all that have ended."""

    def drop(self) -> None:
        """Stop all calls under way; no answers to them will come."""

    def close(self) -> None:
        """Stop all workers."""


_suspect = False


def suspected() -> bool:
    """In the function: whether this run's last try at the item cost a worker, so that the item may be why."""
    return _suspect


def pack(function: bytes, item: object, pause: float = 0.0, suspect: bool = False) -> bytes:
    """A call of a pickled function, which the worker begins after `pause` seconds."""
    return pickle.dumps((function, item, pause, suspect), pickle.HIGHEST_PROTOCOL)


def perform(call: bytes) -> bytes:
    """In the worker: do the call, and return the pickled answer."""
    global _suspect
    try:
        function, item, pause, _suspect = pickle.loads(call)
        time.sleep(pause)
        return pickle.dumps(Done(_loaded(function)(item)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever a function raises is the driver's to judge
        return pickle.dumps(Raised(_portable(error), traceback.format_exc()))


@lru_cache(maxsize=1)
def _loaded(function: bytes) -> Callable[[Any], Any]:
    """Kept from one item of a map to the next, with all that the function's values have cached."""
    loaded: Callable[[Any], Any] = pickle.loads(function)
    spare_pandas()
    return loaded


def _portable(error: Exception) -> Exception:
    """The error itself if it survives pickling, else a plain one that tells the same."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # an exception class may do anything when it is rebuilt
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}")
