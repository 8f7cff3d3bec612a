"""The executor: gives items to a pool, takes answers as they come, has failed items done again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

from pydantic import Field

from tumbler.errors import UserError
from tumbler.executor.calls import Pool
from tumbler.executor.one_map import OneMap, Rules
from tumbler.executor.processes import ProcessPool, available_cores
from tumbler.recipe import Settings

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
Say = Callable[[str], None]
AHEAD: Final = 16


class ExecutorSettings(Settings):
    """How the data stages' work is spread. Results do not depend on it."""

    workers: int | None = Field(default=None, ge=1)
    """Shards under way at once; None: one a core of this machine, or of the whole Ray cluster."""
    kind: Literal["processes", "ray"] = "processes"
    """Processes of this machine, or tasks of a Ray cluster whose nodes all see the run's folder."""
    address: str | None = None
    """Of the Ray cluster: "auto" for the one this machine belongs to, or host:port; None: one is started here."""
    retries: int = Field(default=3, ge=0)
    """How often a shard is done again whose worker was lost, or that met a passing error of network or disk."""


class Executor:
    """Spreads work over a pool that is started with the first item and kept for all maps until `close`."""

    def __init__(self, workers: int | None = None, retries: int = 3, start: Callable[[], Pool] | None = None) -> None:
        """`workers` processes (None: one a core), or the pool that `start` starts."""
        self.retries = retries
        self._local, self._workers = start is None, workers or available_cores()
        self._start = start or partial(ProcessPool, self._workers)
        self._pool: Pool | None = None
        self._mapping = False

    @classmethod
    def of(cls, settings: ExecutorSettings, shared: Path) -> Executor:
        """The executor of a recipe that runs into the folder `shared`."""
        if settings.kind == "processes":
            if settings.address is not None:
                raise UserError('executor: address is for kind = "ray"; add executor.kind="ray", or remove it')
            return cls(settings.workers, settings.retries)
        if find_spec("ray") is None:
            raise UserError('executor: kind = "ray" needs the package ray; pip install "tumbler[ray]"')

        def start() -> Pool:
            from tumbler.executor.ray_tasks import RayPool

            return RayPool(settings.workers, settings.address, shared)

        return cls(retries=settings.retries, start=start)

    def prepare(self, modules: Sequence[str]) -> None:
        """Have workers on this machine start, and load these modules while the caller does something else."""
        if self._local and self._pool is None:
            self._pool = pool = ProcessPool(self._workers)
            pool.prepare(modules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers; a later map starts new ones."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    def map(self, function: Callable[[I], O], items: Iterable[I], say: Say | None = None) -> Iterator[O]:
        """Yield `function(item)` for each item, in the items' order.

        Items are read as results are taken, so an endless `items` will do: at most 16 a worker are begun
        after the one whose result is due.
        """
        waiting: dict[int, O] = {}
        due = 0
        for index, result in self.completions(function, items, say, AHEAD):
            waiting[index] = result
            while due in waiting:
                yield waiting.pop(due)
                due += 1

    def completions(
        self, function: Callable[[I], O], items: Iterable[I], say: Say | None = None, ahead: int | None = None
    ) -> Iterator[tuple[int, O]]:
        """Yield (index of the item, `function(item)`) in the order in which they finish.

        A free worker gets the next item at once, however long another takes; with `ahead`, no item is begun
        more than `ahead * slots` after the oldest unfinished one. An item whose worker was lost, or that met a
        passing error, is done again, and `say` (standard error by default) told why; after `retries` times that
        ends the map, as any other error does at once: what the function raised is raised here.
        """
        assert not self._mapping, "a pool serves one map at a time"
        self._pool = pool = self._pool or self._start()
        one_map = OneMap(pool, function, items, Rules(self.retries, ahead, say or _to_stderr))
        finished: list[tuple[int, O]] = []
        self._mapping = True
        try:
            while True:
                one_map.fill()
                yield from finished  # while the workers are busy again
                if not one_map.under_way:
                    return
                finished = one_map.collect()
        finally:
            pool.drop()
            self._mapping = False


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
