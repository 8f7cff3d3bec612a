"""The models of a server: listed, loaded when asked for, unloaded when idle."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tumbler.chat.load import ChatModel
from tumbler.errors import UserError
from tumbler.serve.errors import ApiError
from tumbler.serve.worker import Worker

LOOK_SECONDS: Final = 1.0
"""Between two looks for models that are idle."""

Load = Callable[[], ChatModel]


class Running:
    """A model that is loaded, with its thread."""

    def __init__(self, name: str, model: ChatModel) -> None:
        self.name, self.model, self.worker = name, model, Worker(model.sampler)
        self.users = 0
        self.used = time.monotonic()
        self.worker.start()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            self.used = time.monotonic()


@dataclass
class _Place:
    load: Load
    running: Running | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Models:
    """Models by name.

    idle_seconds: after so long without a request a model is unloaded; None: never.
    at_once: models that are loaded at a time; before one more is loaded, the one that was idle longest goes.
    """

    def __init__(
        self, loads: Mapping[str, Load], *, idle_seconds: float | None = None, at_once: int | None = None
    ) -> None:
        self._places = {name: _Place(load) for name, load in loads.items()}
        self._idle, self._at_once = idle_seconds, at_once
        self._created = int(time.time())

    @classmethod
    def of(cls, models: Mapping[str, ChatModel]) -> Models:
        """Of models that are in memory already."""
        return cls({name: lambda model=model: model for name, model in models.items()})  # type: ignore[misc]

    @property
    def names(self) -> list[str]:
        return list(self._places)

    def entries(self) -> list[dict[str, Any]]:
        """As /v1/models lists them."""
        return [
            {
                "id": name,
                "object": "model",
                "created": self._created,
                "owned_by": "tumbler",
                "loaded": place.running is not None,
            }
            for name, place in self._places.items()
        ]

    def running(self) -> list[Running]:
        return [place.running for place in self._places.values() if place.running is not None]

    def check(self, name: str) -> None:
        if name not in self._places:
            known = ", ".join(map(repr, self._places))
            raise ApiError(
                404,
                f"the model {name!r} does not exist; this server has {known}",
                param="model",
                code="model_not_found",
            )

    async def get(self, name: str) -> Running:
        """A model, loaded if it is not; requests that come meanwhile wait. ApiError when it cannot be loaded."""
        self.check(name)
        place = self._places[name]
        async with place.lock:
            if place.running is None:
                await self._make_room()
                place.running = Running(name, await self._loaded(name, place.load))
            place.running.used = time.monotonic()
            return place.running

    async def _loaded(self, name: str, load: Load) -> ChatModel:
        try:
            model = await asyncio.to_thread(load)
            free_memory()  # the weights as they were read, before they were laid out for the machine
            return model
        except (UserError, OSError, RuntimeError, MemoryError) as error:
            raise ApiError(
                503, f"the model {name!r} cannot be loaded: {error}", type="server_error", code="model_not_loaded"
            ) from error

    async def unload(self, name: str) -> None:
        """Take a model out of memory; requests under way on it fail."""
        place = self._places[name]
        async with place.lock:
            await _close(place)

    async def watch(self) -> None:
        """Unload what is idle, without end."""
        while self._idle is not None:
            await asyncio.sleep(min(LOOK_SECONDS, self._idle))
            for name in self._idle_names(self._idle):
                await self.unload(name)

    def _idle_names(self, seconds: float) -> list[str]:
        """Whoever holds a model itself while it is unloaded would keep its memory."""
        now = time.monotonic()
        loaded = ((name, place.running) for name, place in self._places.items())
        return [name for name, model in loaded if model and not model.users and now - model.used > seconds]

    async def close(self) -> None:
        for name in self._places:
            await self.unload(name)

    async def _make_room(self) -> None:
        while self._at_once is not None and len(self.running()) >= self._at_once:
            idle = [place for place in self._places.values() if place.running and not place.running.users]
            if not idle:
                raise ApiError(429, "all models that fit are busy; try again soon", type="rate_limit_error")
            await _close(min(idle, key=lambda place: place.running.used if place.running else 0))


async def _close(place: _Place) -> None:
    if place.running is None:
        return
    running, place.running = place.running, None
    await asyncio.to_thread(running.worker.close)
    del running
    free_memory()


def free_memory() -> None:
    """Give what is free back to the system: glibc keeps it otherwise."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
