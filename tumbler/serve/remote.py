"""Models of another OpenAI-compatible server, beside ours: requests for them are passed on as they are."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tumbler.serve.errors import ApiError

FRESH_SECONDS: Final = 60.0
"""The other server's list of models is taken as known for so long."""
KEPT: Final = ("content-type", "retry-after")
"""Headers of its answers that are passed on."""


@dataclass
class Remote:
    """A server at `url` (its /v1 included), asked with `key`. Clients' own keys are not shown to it."""

    url: str
    key: str | None = None
    seconds: float = 600.0
    _models: list[dict[str, Any]] = field(default_factory=list)
    _known: float = -FRESH_SECONDS

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.AsyncClient(
            headers=headers, timeout=httpx.Timeout(self.seconds, connect=10), follow_redirects=False
        )

    async def models(self) -> list[dict[str, Any]]:
        """Its list; the last known one while it cannot be reached."""
        if time.monotonic() - self._known > FRESH_SECONDS:
            try:
                async with self.client() as client:
                    body = (await client.get(f"{self.url}/models")).raise_for_status().json()
                self._models = [item for item in body["data"] if isinstance(item["id"], str)]
                self._known = time.monotonic()
            except (httpx.HTTPError, ValueError, LookupError, TypeError):
                pass
        return self._models


class RemoteModels:
    """ASGI middleware: POST requests under /v1 whose `model` is a remote one go there.

    ours: names of our own models, which come first.
    limit: bytes of a body.
    """

    def __init__(self, app: ASGIApp, remotes: list[Remote], ours: frozenset[str], limit: int) -> None:
        self.app, self._remotes, self._ours, self._limit = app, remotes, ours, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        messages, body = await _read(receive, self._limit)
        remote = await self._owner(_model(body))
        if remote is None:
            await self.app(scope, _again(messages, receive), send)
        else:
            await _pass_on(remote, scope["path"].removeprefix("/v1"), body)(scope, _again(messages, receive), send)

    async def _owner(self, model: str | None) -> Remote | None:
        if model is None or model in self._ours:
            return None
        for remote in self._remotes:
            if any(item["id"] == model for item in await remote.models()):
                return remote
        return None


def _pass_on(remote: Remote, path: str, body: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with remote.client() as client:
            request = client.build_request(
                "POST", remote.url + path, content=body, headers={"Content-Type": "application/json"}
            )
            try:
                answer = await client.send(request, stream=True)
            except httpx.HTTPError as error:
                failed = ApiError(
                    502, f"the server of this model cannot be reached ({type(error).__name__})", type="server_error"
                )
                await JSONResponse(failed.body(), failed.status)(scope, receive, send)
                return
            headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            try:
                await StreamingResponse(_bytes(answer), answer.status_code, headers)(scope, receive, send)
            finally:
                await answer.aclose()

    return app


async def _bytes(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for piece in answer.aiter_bytes():
        yield piece


def _model(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    model = found.get("model") if isinstance(found, dict) else None
    return model if isinstance(model, str) else None


async def _read(receive: Receive, limit: int) -> tuple[list[Message], bytes]:
    """The body's messages, up to one beyond the limit: whoever reads them again refuses it."""
    messages: list[Message] = []
    while sum(len(message.get("body", b"")) for message in messages) <= limit:
        messages.append(await receive())
        if messages[-1]["type"] != "http.request" or not messages[-1].get("more_body"):
            break
    return messages, b"".join(message.get("body", b"") for message in messages)


def _again(messages: list[Message], receive: Receive) -> Receive:
    """The messages that were read, then what comes after them."""
    left = list(messages)

    async def again() -> Message:
        return left.pop(0) if left else await receive()

    return again
