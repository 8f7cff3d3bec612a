"""The engine's own thread: requests of many clients go in, each one's tokens come out to its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final, Literal

from tumbler.engine import Item, Request, Sampler, Token
from tumbler.errors import Failure

STOPPED: Final = "the engine has stopped; restart the server"
Order = Literal["submit", "cancel", "close"]


@dataclass(eq=False)
class _Job:
    """One request, and the way back to whoever waits for it."""

    request: Request
    loop: asyncio.AbstractEventLoop
    tokens: asyncio.Queue[Item] = field(default_factory=asyncio.Queue)

    def deliver(self, item: Item) -> None:
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.tokens.put_nowait, item)


class Worker:
    """Owns the sampler: only its thread steps it, so that all clients share one batch."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._orders: queue.SimpleQueue[tuple[Order, _Job | None]] = queue.SimpleQueue()
        self._tickets: dict[_Job, int] = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def busy(self) -> int:
        """Requests that run or wait."""
        return len(self._tickets) + self._orders.qsize()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread; requests under way fail."""
        self._orders.put(("close", None))
        self._thread.join()

    async def tokens(self, request: Request) -> AsyncGenerator[Token, None]:
        """The tokens of a request that the sampler has checked. Leaving early frees its slot."""
        job = _Job(request, asyncio.get_running_loop())
        self._orders.put(("submit", job))
        try:
            # After the put: whoever comes too late for `_refuse_orders` sees this.
            if self._stopped:
                raise Failure(STOPPED)
            while True:
                item = await job.tokens.get()
                if isinstance(item, Failure):
                    raise item
                yield item
                if item.finish:
                    return
        finally:
            self._orders.put(("cancel", job))

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
            if order == "submit":
                self._tickets[job] = self._sampler.submit(job.request, job.deliver)
            elif (ticket := self._tickets.pop(job, None)) is not None:
                self._sampler.cancel(ticket)
        return True

    def _step(self) -> None:
        """A step that fails (memory, broken weights) fails the requests under way, not the server."""
        try:
            self._sampler.step()
        except (RuntimeError, MemoryError) as error:
            self._fail(error if isinstance(error, Failure) else Failure(f"the engine failed: {error}"))

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
            if order == "submit" and job is not None:
                job.deliver(Failure(STOPPED))
