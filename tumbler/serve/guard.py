"""ASGI middleware: what a request may not exceed before anyone reads it."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tumbler.serve.errors import ApiError


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
