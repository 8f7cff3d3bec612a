"""ASGI middleware: what a request must show, and may not exceed, before anyone reads it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tumbler.serve.errors import ApiError
from tumbler.serve.metrics import Metrics


class BodyLimit:
    """Refuses a body of more than `limit` bytes with 413, by its stated length or as soon as it is passed.

    Starlette has one too, but it answers in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > self.limit:
            error = ApiError(413, self._rule)
            await JSONResponse(error.body(), error.status)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                # FastAPI lets this kind through from its reading of the body; any other would become a 400.
                raise HTTPException(413, self._rule)
            return message

        await self.app(scope, counted, send)

    @property
    def _rule(self) -> str:
        return f"the body is larger than {self.limit} bytes"


OPEN: Final = ("/", "/health")
"""Paths that need no key: they tell nothing of the models."""


class ApiKeys:
    """Lets requests through that show one of the keys, as `Authorization: Bearer KEY` or `x-api-key: KEY`; else 401."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        # Hashes are of one length: comparing them tells nothing of a key's.
        self._keys = [_digest(key.encode()) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._keys or scope["path"] in OPEN or self._known(scope):
            await self.app(scope, receive, send)
            return
        message = "no API key, or a wrong one; send a key of this server as 'Authorization: Bearer KEY'"
        error = ApiError(401, message, code="invalid_api_key")
        await JSONResponse(error.body(), error.status, {"WWW-Authenticate": "Bearer"})(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        given = shown.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        found = [hmac.compare_digest(_digest(given), key) for key in self._keys]
        return any(found)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Counted:
    """Counts answers by path and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Sequence[str]) -> None:
        self.app, self._metrics, self._paths = app, metrics, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Other paths are the client's to choose: each would be a figure of its own.
        path = scope["path"] if scope["path"] in self._paths else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(path, message["status"]).inc()
            await send(message)

        await self.app(scope, receive, counted)
