"""/api/chats, /api/messages: the chats that the pages keep, and what people think of answers."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from tumbler.serve.chat import WireMessage
from tumbler.serve.errors import ApiError
from tumbler.serve.store import Store
from tumbler.serve.wire import Body, Wire


class NewChat(Wire):
    title: Annotated[str, Field(max_length=200)] = ""
    model: Annotated[str, Field(max_length=200)]


class NewMessages(Wire):
    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=100)]


class Feedback(Wire):
    rating: Literal[-1, 1] | None
    """1: good, -1: bad, null: taken back."""
    comment: Annotated[str, Field(max_length=10_000)] | None = None


def routes(store: Store) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/chats", response_model=None)
    async def chats() -> Body:
        return {"data": await asyncio.to_thread(store.chats)}

    @router.post("/chats", response_model=None)
    async def begin(body: NewChat) -> Body:
        return await asyncio.to_thread(store.begin, body.title, body.model)

    @router.get("/chats/{chat}", response_model=None)
    async def chat(chat: str) -> Body:
        found: Body = _found(await asyncio.to_thread(store.chat, chat), "chat", chat)
        return found

    @router.delete("/chats/{chat}", response_model=None)
    async def delete(chat: str) -> Body:
        _found(await asyncio.to_thread(store.delete, chat), "chat", chat)
        return {"id": chat, "deleted": True}

    @router.post("/chats/{chat}/messages", response_model=None)
    async def append(chat: str, body: NewMessages) -> Body:
        added = await asyncio.to_thread(store.append, chat, [message.plain() for message in body.messages])
        return {"data": _found(added, "chat", chat)}

    @router.put("/messages/{message}/feedback", response_model=None)
    async def rate(message: str, body: Feedback) -> Body:
        _found(await asyncio.to_thread(store.rate, message, body.rating, body.comment), "message", message)
        return {"id": message, "rating": body.rating, "comment": body.comment}

    return router


def _found(value: Any, kind: str, id: str) -> Any:
    if value is None or value is False:
        raise ApiError(404, f"there is no {kind} {id!r}", param="id", code="not_found")
    return value
