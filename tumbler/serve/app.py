"""The HTTP application: OpenAI's endpoints over one model, and the chat page."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from importlib import resources
from typing import Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tumbler import __version__
from tumbler.chat.events import Done, Event, Text
from tumbler.chat.reply import Reply
from tumbler.chat.respond import chat_request, text_request
from tumbler.engine import Request as EngineRequest
from tumbler.engine import Sampler, Sampling
from tumbler.errors import Failure, UserError
from tumbler.serve import errors
from tumbler.serve.answers import Answer
from tumbler.serve.errors import ApiError
from tumbler.serve.guard import BodyLimit
from tumbler.serve.wire import ChatRequest, CompletionRequest, GenerationRequest
from tumbler.serve.worker import Worker
from tumbler.text.conversation import Conversation, parse_messages
from tumbler.text.tokenizer import Tokenizer

BODY_LIMIT: Final = 4 * 2**20
"""Bytes of one request; a context of 100,000 tokens is about half a megabyte."""
QUEUE_LIMIT: Final = 512
"""Requests that run or wait; one more is told to come back."""


def create_app(
    sampler: Sampler,
    tokenizer: Tokenizer,
    name: str,
    *,
    temperature: float = 1.0,
    hosts: Sequence[str] = ("*",),
    body_limit: int = BODY_LIMIT,
) -> FastAPI:
    """Serve one model under `name`.

    temperature: for requests that name none.
    hosts: names under which it may be called (against DNS rebinding).
    """
    worker = Worker(sampler)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.close()

    app = FastAPI(title="tumbler", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    errors.install(app)
    app.add_middleware(BodyLimit, limit=body_limit)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    service = Service(sampler, tokenizer, worker, name, temperature)

    app.get("/", include_in_schema=False)(page)
    app.get("/health")(service.health)
    app.get("/v1/models")(service.models)
    app.get("/v1/models/{model}")(service.model)

    # A response model would make FastAPI copy and check what is already in its final shape.
    @app.post("/v1/chat/completions", response_model=None)
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        return await service.answer("chat", body, service.prompt_of_chat(body), request)

    @app.post("/v1/completions", response_model=None)
    async def completions(body: CompletionRequest, request: Request) -> Response:
        return await service.answer("text", body, service.prompt_of_text(body), request)

    return app


class Service:
    """The endpoints' work, on one model."""

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer, worker: Worker, name: str, temperature: float) -> None:
        self._sampler, self._tokenizer, self._worker, self._name = sampler, tokenizer, worker, name
        self._temperature = temperature
        self._entry = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "tumbler"}

    async def health(self) -> dict[str, str]:
        if not self._worker.alive:
            raise ApiError(503, "the engine has stopped; restart the server", type="server_error")
        return {"status": "ok"}

    async def models(self) -> dict[str, Any]:
        return {"object": "list", "data": [self._entry]}

    async def model(self, model: str) -> dict[str, Any]:
        self._check_model(model)
        return self._entry

    def prompt_of_chat(self, body: ChatRequest) -> EngineRequest:
        self._check_model(body.model)
        roles = {"developer": "system"}
        messages = [{"role": roles.get(item.role, item.role), "content": item.content} for item in body.messages]
        try:
            conversation = Conversation(parse_messages(messages, "messages"), "request")
        except UserError as error:
            raise ApiError(400, str(error), param="messages") from error
        return chat_request(self._tokenizer, conversation, self._sampling(body))

    def prompt_of_text(self, body: CompletionRequest) -> EngineRequest:
        self._check_model(body.model)
        return text_request(self._tokenizer, body.prompt, self._sampling(body))

    def _sampling(self, body: GenerationRequest) -> Sampling:
        return body.sampling(self._sampler.context, self._temperature)

    async def answer(
        self, kind: Literal["chat", "text"], body: GenerationRequest, prompt: EngineRequest, request: Request
    ) -> Response:
        """Everything that can be refused is refused here, before the first byte of a stream."""
        if body.stream_options is not None and not body.stream:
            raise ApiError(400, "stream_options is only allowed with stream = true", param="stream_options")
        if len(prompt.ids) >= self._sampler.context:
            raise self._too_long(prompt, "messages" if kind == "chat" else "prompt")
        self._sampler.check(prompt)
        if self._worker.busy >= QUEUE_LIMIT:
            raise ApiError(429, "too many requests are waiting; try again soon", type="rate_limit_error")
        answer = Answer(kind, self._name, body.wants_usage)
        events = self._events(prompt, body.stop or ())
        if body.stream:
            return EventSourceResponse(_stream(answer, events), sep="\n")
        return await _whole(answer, events, request)

    async def _events(self, prompt: EngineRequest, stop: Sequence[str]) -> AsyncGenerator[Event, None]:
        reply = Reply(self._tokenizer, len(prompt.ids), stop)
        async with contextlib.aclosing(self._worker.tokens(prompt)) as tokens:
            async for token in tokens:
                for event in reply.push(token):
                    yield event
                    if isinstance(event, Done):
                        return

    def _check_model(self, model: str) -> None:
        if model != self._name:
            message = f"the model {model!r} does not exist; this server has {self._name!r}"
            raise ApiError(404, message, param="model", code="model_not_found")

    def _too_long(self, prompt: EngineRequest, param: str) -> ApiError:
        message = (
            f"the prompt has {len(prompt.ids)} tokens, but the model's context holds {self._sampler.context} "
            f"with the answer; shorten the {param}"
        )
        return ApiError(400, message, param=param, code="context_length_exceeded")


async def _whole(answer: Answer, events: AsyncGenerator[Event, None], request: Request) -> Response:
    """The answer in one body; a client that has gone frees its slot with the next token."""
    texts: list[str] = []
    async with contextlib.aclosing(events) as open_events:
        async for event in open_events:
            if isinstance(event, Text):
                texts.append(event.text)
            else:
                return JSONResponse(answer.whole("".join(texts), event))
            if await request.is_disconnected():
                break
    return Response(status_code=499)


async def _stream(answer: Answer, events: AsyncGenerator[Event, None]) -> AsyncIterator[ServerSentEvent]:
    """Chunks, then [DONE]; an engine that fails on the way ends the stream with an error chunk."""
    async with contextlib.aclosing(events) as open_events:
        try:
            for body in answer.opening():
                yield _sent(body)
            async for event in open_events:
                for body in answer.chunks(event):
                    yield _sent(body)
        except Failure as error:
            yield _sent(errors.describe(error).body())
            return
    yield ServerSentEvent("[DONE]")


def _sent(body: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(body, ensure_ascii=False))


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
