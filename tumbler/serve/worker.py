"""The engine's own thread: requests of many clients go in, each one's tokens come out to its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeVar

import torch

from tumbler.engine import Load, Request, Sampler, Token
from tumbler.errors import Failure, UserError

T = TypeVar("T")
STOPPED: Final = "the engine has stopped; restart the server"
Order = Literal["submit", "cancel", "call", "close"]


@dataclass(eq=False)
class _Job:
    """One request, or other work on the sampler, and the way back to whoever waits for it."""

    items: asyncio.Queue[Any]
    loop: asyncio.AbstractEventLoop
    request: Request | None = None
    number: int = 0
    work: Callable[[Sampler], Any] | None = None

    def deliver(self, item: Any) -> None:
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.items.put_nowait, item)


class Worker:
    """Owns the sampler: only its thread steps it, so that all clients share one batch."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._orders: queue.SimpleQueue[tuple[Order, _Job | None]] = queue.SimpleQueue()
        self._tickets: dict[_Job, int] = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.busy = 0
        """Requests that run or wait."""

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def load(self) -> Load:
        return self._sampler.load

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread; requests under way fail."""
        self._orders.put(("close", None))
        self._thread.join()

    def stream(self, requests: Sequence[Request]) -> Stream:
        """The tokens of requests that the sampler has checked."""
        return Stream(self, requests)

    async def call(self, work: Callable[[Sampler], T]) -> T:
        """What `work` makes of the sampler, between two of its steps; UserError and Failure come through."""
        job = _Job(asyncio.Queue(), asyncio.get_running_loop(), work=work)
        self.order("call", job)
        done: T = await self.item(job.items)
        return done

    def order(self, order: Order, job: _Job) -> None:
        self._orders.put((order, job))

    async def item(self, items: asyncio.Queue[Any]) -> Any:
        """The next thing that the thread delivers, after an order."""
        # Whoever comes too late for `_refuse_orders` sees this.
        if self._stopped and items.empty():
            raise Failure(STOPPED)
        item = await items.get()
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self) -> None:
        try:
            while self._obey():
                self._step()
        finally:
            self._stopped = True
            self._refuse_orders()
            self._fail(Failure(STOPPED))

    def _obey(self) -> bool:
        """Carry out all orders; wait for one when nothing runs. False: close."""
        while not self._tickets or not self._orders.empty():
            order, job = self._orders.get()
            if job is None:
                return False
            if job.work is not None:
                _call(job, job.work, self._sampler)
            elif order == "submit" and job.request is not None:
                self._tickets[job] = self._sampler.submit(job.request, job.deliver, job.number)
            elif (ticket := self._tickets.pop(job, None)) is not None:
                self._sampler.cancel(ticket)
        return True

    def _step(self) -> None:
        """A step that fails (memory, broken weights) fails the requests under way, not the server."""
        try:
            self._sampler.step()
        except (RuntimeError, MemoryError) as error:
            self._fail(_failure(error))

    def _fail(self, failure: Failure) -> None:
        failed = list(self._tickets.items())
        self._tickets.clear()
        for job, _ in failed:
            job.deliver(failure)
        for _, ticket in failed:
            self._sampler.cancel(ticket)

    def _refuse_orders(self) -> None:
        """Nobody waits for ever: requests that came while the thread ended fail too."""
        while not self._orders.empty():
            order, job = self._orders.get()
            if order in ("submit", "call") and job is not None:
                job.deliver(Failure(STOPPED))


class Stream:
    """Requests of one client, under way while the block lasts; leaving it frees their slots.

    `async with worker.stream(requests) as stream: async for token in stream: ...`
    """

    def __init__(self, worker: Worker, requests: Sequence[Request]) -> None:
        self._worker, self._items = worker, asyncio.Queue[Any]()
        loop = asyncio.get_running_loop()
        self._open = {n: _Job(self._items, loop, request, n) for n, request in enumerate(requests)}

    async def __aenter__(self) -> Self:
        self._worker.busy += len(self._open)
        for job in self._open.values():
            self._worker.order("submit", job)
        return self

    async def __aexit__(self, *error: object) -> None:
        for number in list(self._open):
            self.drop(number)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Token:
        while self._open:
            token: Token = await self._worker.item(self._items)
            if token.request in self._open:  # one that is dropped may have sent more
                if token.finish:
                    self.drop(token.request)
                return token
        raise StopAsyncIteration

    def drop(self, number: int) -> None:
        """No more tokens of this request."""
        if (job := self._open.pop(number, None)) is not None:
            self._worker.busy -= 1
            self._worker.order("cancel", job)


def _call(job: _Job, work: Callable[[Sampler], Any], sampler: Sampler) -> None:
    try:
        job.deliver(work(sampler))
    except UserError as error:
        job.deliver(error)
    except (RuntimeError, MemoryError) as error:
        job.deliver(_failure(error))


def _failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    # torch has a type for an accelerator's lack of memory, but none for the CPU's.
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return Failure("not enough memory for the requests under way; ask for less, or serve with fewer --slots")
    return Failure(f"the engine failed: {error}")
