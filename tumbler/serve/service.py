"""What every endpoint does with a model: find it, ask it, read its events as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from tumbler.chat.events import Done, Event
from tumbler.chat.respond import Asked
from tumbler.errors import Failure, UserError
from tumbler.serve import errors
from tumbler.serve.errors import ApiError
from tumbler.serve.metrics import Clock, Metrics
from tumbler.serve.models import Models, Running
from tumbler.serve.wire import Body, to_json

GONE: Final = 499
"""The client has left (nginx's number); nobody reads it."""


@dataclass(frozen=True)
class Limits:
    """What clients may take of the server."""

    body: int = 4 * 2**20
    """Bytes of one request; a context of 100,000 tokens is about half a megabyte."""
    queue: int = 512
    """Requests that run or wait on one model; one more is told to come back."""
    seconds: float = 600.0
    """From a request's begin to its end."""


@dataclass(frozen=True)
class Service:
    models: Models
    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)

    async def model(self, name: str) -> Running:
        """A model under its name, loaded if it is not; ApiError 404 when there is none."""
        return await self.models.get(name)

    def measured(self) -> bytes:
        """The metrics' page, with what is under way now."""
        for running in self.models.running():
            load, metrics = running.worker.load, self.metrics
            figures = ((metrics.running, load.running), (metrics.waiting, load.waiting), (metrics.reused, load.reused))
            for gauge, value in figures:
                gauge.labels(running.name).set(value)
        return self.metrics.page()

    def check(self, running: Running, asked: Sequence[Asked], param: str) -> None:
        """Everything that can be refused is refused here, before the first byte of a stream."""
        sampler = running.model.sampler
        for one in asked:
            if len(one.request.ids) >= sampler.context:
                raise ApiError(
                    400,
                    f"the prompt has {len(one.request.ids)} tokens, but the model's context holds {sampler.context} "
                    f"with the answer; shorten the {param}",
                    param=param,
                    code="context_length_exceeded",
                )
            sampler.check(one.request)
        if running.worker.busy + len(asked) > self.limits.queue:
            raise ApiError(429, "too many requests are waiting; try again soon", type="rate_limit_error")

    async def events(
        self, running: Running, asked: Sequence[Asked], stop: Sequence[str] = (), tokens: bool = False
    ) -> AsyncGenerator[tuple[int, Event], None]:
        """(number of what was asked, event) of all answers, as they are made."""
        replies = [one.reply(stop, tokens) for one in asked]
        clocks = [Clock(self.metrics, running.name) for _ in asked]
        try:
            with running.in_use():
                async with (
                    asyncio.timeout(self.limits.seconds),
                    running.worker.stream([one.request for one in asked]) as stream,
                ):
                    async for token in stream:
                        clocks[token.request].token()
                        for event in replies[token.request].push(token):
                            if isinstance(event, Done):
                                stream.drop(token.request)
                                clocks[token.request].done(event)
                            yield token.request, event
        except TimeoutError:
            raise ApiError(
                504, f"the answer took more than {self.limits.seconds:g} s; ask for less", type="server_error"
            ) from None


Made = AsyncGenerator[tuple[str | None, Body], None]
"""(event's name or None, body): what a stream sends, one at a time."""


async def whole(making: Awaitable[Body], request: Request) -> Response:
    """An answer in one body; a client that leaves ends its making."""
    task = asyncio.ensure_future(making)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return JSONResponse(task.result())
        return Response(status_code=GONE)
    finally:
        for one in (task, gone):
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError, ApiError, UserError, Failure):
            await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def streamed(
    made: Made, failed: Callable[[ApiError], tuple[str | None, Body]], last: str | None = "[DONE]"
) -> EventSourceResponse:
    """Server-sent events; what fails on the way ends the stream with an event that says so."""

    async def send() -> AsyncGenerator[ServerSentEvent, None]:
        async with contextlib.aclosing(made) as bodies:
            try:
                async for name, body in bodies:
                    yield ServerSentEvent(to_json(body), event=name)
            except (ApiError, UserError, Failure) as error:
                name, body = failed(errors.describe(error))
                yield ServerSentEvent(to_json(body), event=name)
                return
        if last is not None:
            yield ServerSentEvent(last)

    return EventSourceResponse(send(), sep="\n")
