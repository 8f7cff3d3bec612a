"""The HTTP application: OpenAI's endpoints and their neighbours over the server's models, and the chat page."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tumbler import __version__
from tumbler.serve import chat, chats, completions, errors, messages, responses, tokens
from tumbler.serve.errors import ApiError, ErrorBody
from tumbler.serve.guard import ApiKeys, BodyLimit, Counted
from tumbler.serve.metrics import Metrics
from tumbler.serve.models import Models
from tumbler.serve.remote import Remote, RemoteModels
from tumbler.serve.service import Limits, Service
from tumbler.serve.store import Store

REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": ErrorBody, "description": "The request cannot be met"},
    "5XX": {"model": ErrorBody, "description": "The server failed"},
}

LIMITS: Final = Limits()


def create_app(
    models: Models,
    *,
    limits: Limits = LIMITS,
    hosts: Sequence[str] = ("*",),
    keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    remotes: Sequence[Remote] = (),
    store: Store | None = None,
) -> FastAPI:
    """Serve models.

    hosts: names under which the server may be called (against DNS rebinding).
    keys: API keys, one of which a request must show; none: anyone may ask.
    origins: of other sites whose pages may ask (CORS).
    """
    service = Service(models, limits, Metrics())

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(models.watch())
        yield
        watch.cancel()
        await models.close()

    app = FastAPI(
        title="tumbler", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, responses=REFUSED
    )
    errors.install(app)
    app.get("/", include_in_schema=False)(page)
    app.include_router(_about(service, remotes))
    app.include_router(_models(service))
    if store is not None:
        app.include_router(chats.routes(store))
    # The last one added is the first to see a request.
    if remotes:
        app.add_middleware(RemoteModels, remotes=list(remotes), ours=frozenset(models.names), limit=limits.body)
    app.add_middleware(BodyLimit, limit=limits.body)
    app.add_middleware(ApiKeys, keys=keys)
    app.add_middleware(Counted, metrics=service.metrics, paths=["/", *app.openapi()["paths"]])
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return app


def _about(service: Service, remotes: Sequence[Remote]) -> APIRouter:
    """What the server is and has."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, str]:
        if not all(running.worker.alive for running in service.models.running()):
            raise ApiError(503, "an engine has stopped; restart the server", type="server_error")
        return {"status": "ok"}

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(service.measured(), media_type="text/plain; version=0.0.4")

    @router.get("/v1/models", response_model=None)
    async def models() -> dict[str, Any]:
        theirs = [entry for remote in remotes for entry in await remote.models()]
        return {"object": "list", "data": [*service.models.entries(), *theirs]}

    @router.get("/v1/models/{model}", response_model=None)
    async def model(model: str) -> dict[str, Any]:
        service.models.check(model)
        return next(entry for entry in service.models.entries() if entry["id"] == model)

    @router.get("/tokenizer_info", response_model=None)
    async def tokenizer_info(model: str) -> dict[str, Any]:
        return await tokens.tokenizer_info(service, model)

    return router


def _models(service: Service) -> APIRouter:
    """What is asked of a model. A response model would make FastAPI check and copy what is in its final shape."""
    router, memory = APIRouter(), responses.Memory()

    @router.post("/v1/chat/completions", response_model=None)
    async def chat_completions(body: chat.ChatRequest, request: Request) -> Response:
        return await chat.answer(service, body, request)

    @router.post("/v1/completions", response_model=None)
    async def text_completions(body: completions.CompletionRequest, request: Request) -> Response:
        return await completions.answer(service, body, request)

    @router.post("/v1/responses", response_model=None)
    async def create_response(body: responses.ResponseRequest, request: Request) -> Response:
        return await responses.answer(service, memory, body, request)

    @router.post("/v1/messages", response_model=None)
    async def create_message(body: messages.MessagesRequest, request: Request) -> Response:
        return await messages.answer(service, body, request)

    @router.post("/v1/embeddings", response_model=None)
    async def embeddings(body: tokens.EmbeddingRequest, request: Request) -> Response:
        return await tokens.embeddings(service, body, request)

    @router.post("/tokenize", response_model=None)
    async def tokenize(body: tokens.TokenizeRequest) -> dict[str, Any]:
        return await tokens.tokenize(service, body)

    @router.post("/detokenize", response_model=None)
    async def detokenize(body: tokens.DetokenizeRequest) -> dict[str, Any]:
        return await tokens.detokenize(service, body)

    return router


async def page() -> HTMLResponse:
    """The chat page: one file, whose own script and style are all that the browser may run or load."""
    html = resources.files("tumbler.serve").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash('script', html)}; style-src {_hash('style', html)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(
        html,
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        },
    )


def _hash(tag: str, html: str) -> str:
    """The CSP source of the page's one inline `tag`."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert found, f"the page has no <{tag}>"
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"
