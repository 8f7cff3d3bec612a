"""map(function, shards): the one place where work is spread over processes.

`workers` processes on this machine now; a Ray executor with the same `map` comes with the scale-out.
The function and its items must pickle: a module-level function, or a `functools.partial` of one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait
from typing import TypeVar

from tumbler.errors import Failure
from tumbler.recipe import Settings

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


class ExecutorSettings(Settings):
    """How many processes share the data stages. Results do not depend on it."""

    workers: int | None = None
    """Worker processes; None: one a core."""


class Executor:
    """Processes on this machine, started by `spawn` (safe beside threads, the same on every system)."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()

    def map(self, function: Callable[[I], O], items: Iterable[I]) -> Iterator[O]:
        """Yield `function(item)` for each item, in the items' order.

        At most `2 * workers` items are under way, so an endless `items` is read lazily. An exception
        in `function` is raised here; a worker that dies (killed, out of memory) raises Failure.
        """
        if self.workers == 1:
            yield from map(function, items)
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_die_with_parent)
        source = iter(items)
        try:
            pending: list[Future[O]] = [pool.submit(function, item) for item in islice(source, 2 * self.workers)]
            while pending:
                yield pending.pop(0).result()
                pending.extend(pool.submit(function, item) for item in islice(source, 1))
        except BrokenProcessPool as error:
            raise Failure(
                f"{getattr(function, '__name__', 'a worker')}: a worker process died (out of memory, or killed); "
                "run the same command again to go on, with a smaller executor.workers if it was memory"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """The cores this process may use (its affinity mask, where the system has one)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _die_with_parent() -> None:
    """A worker whose parent was killed must not live on and write into a folder that a rerun owns."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
