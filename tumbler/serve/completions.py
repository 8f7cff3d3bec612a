"""POST /v1/completions"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, JsonValue

from tumbler.chat.events import Done, Event, Text
from tumbler.chat.respond import Asked, text_request
from tumbler.engine import PromptId, Token
from tumbler.serve.errors import ApiError
from tumbler.serve.models import Running
from tumbler.serve.service import Made, Service, streamed, whole
from tumbler.serve.told import text_logprobs, usage
from tumbler.serve.wire import TOP, Body, GenerationRequest, Id, only

T = TypeVar("T")
Ids = Annotated[list[Id], Field(min_length=1)]
Several = Annotated[list[T], Field(min_length=1, max_length=2048)]


class CompletionRequest(GenerationRequest):
    """A prompt is a text, or token ids; several are answered at once."""

    prompt: str | Ids | Several[str] | Several[Ids]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=TOP)] | None = None
    best_of: Annotated[JsonValue, only(1)] = None
    suffix: Annotated[JsonValue, only()] = None

    @property
    def limit(self) -> int | None:
        """Even to read a prompt, one id is made; `Choice` leaves it out."""
        return None if self.max_tokens is None else max(1, self.max_tokens)

    @property
    def prompts(self) -> Sequence[str | Sequence[int]]:
        if isinstance(self.prompt, str) or isinstance(self.prompt[0], int):
            return [self.prompt]
        return self.prompt


async def answer(service: Service, body: CompletionRequest, request: Request) -> Response:
    running = await service.model(body.model)
    if body.stream_options is not None and not body.stream:
        raise ApiError(400, "stream_options is only allowed with stream = true", param="stream_options")
    if body.max_tokens == 0 and not body.echo:
        raise ApiError(400, "max_tokens = 0 is only allowed with echo = true", param="max_tokens")
    asked = await asyncio.to_thread(choices, running, body)
    service.check(running, asked, "prompt")
    events = service.events(running, asked, body.stop or (), tokens=body.logprobs is not None)
    told = Told(running, body, asked)
    if body.stream:
        return streamed(told.chunks(events), lambda error: (None, error.body()))
    return await whole(told.whole(events), request)


def choices(running: Running, body: CompletionRequest) -> list[Asked]:
    """Of each prompt n answers, one after the other."""
    sampling, structure, each = body.sampling(running.model, body.logprobs or 0), body.structure(), body.n or 1
    prompts = [text_request(running.model, text, sampling, structure) for text in body.prompts]
    asked = [one for prompt in prompts for one in prompt.times(each)]
    if not body.echo or body.logprobs is None:
        return asked
    scored = [dataclasses.replace(one.request, prompt_top=body.logprobs) for one in asked]
    return [dataclasses.replace(one, request=request) for one, request in zip(asked, scored, strict=True)]


@dataclass
class Choice:
    """One answer, as far as it is known."""

    prompt: Sequence[int]
    """Empty unless it is to be repeated."""
    before: str
    """The prompt's text, if it is to be repeated."""
    texts: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    scores: Sequence[PromptId] = ()
    offset: int = 0
    """Characters that are told already."""
    done: Done | None = None


class Told:
    """How answers are told: in one body, or in chunks."""

    def __init__(self, running: Running, body: CompletionRequest, asked: Sequence[Asked]) -> None:
        self._tokenizer, self._body, self._asked = running.model.tokenizer, body, asked
        self._shared = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": running.name,
        }
        each = body.n or 1
        texts = [body.prompts[number // each] for number in range(len(asked))]
        self._choices = [
            Choice(one.request.ids, text if isinstance(text, str) else self._tokenizer.decode(text))
            if body.echo
            else Choice((), "")
            for one, text in zip(asked, texts, strict=True)
        ]

    async def whole(self, events: AsyncGenerator[tuple[int, Event], None]) -> Body:
        async for number, event in events:
            self._add(number, event)
        told = [self._told(number, "".join(choice.texts)) for number, choice in enumerate(self._choices)]
        return self._shared | {"choices": told, "usage": self._usage()}

    async def chunks(self, events: AsyncGenerator[tuple[int, Event], None]) -> Made:
        async for number, event in events:
            self._add(number, event)
            if isinstance(event, Token):
                continue
            choice = self._choices[number]
            yield None, self._chunk([self._told(number, "".join(choice.texts))])
            choice.offset += len(choice.before) + sum(map(len, choice.texts))
            # What is told once is not told again.
            choice.prompt, choice.before, choice.scores = (), "", ()
            choice.texts.clear()
            choice.tokens.clear()
        if self._body.wants_usage:
            yield None, self._shared | {"choices": [], "usage": self._usage()}

    def _add(self, number: int, event: Event) -> None:
        choice = self._choices[number]
        match event:
            case Token():
                choice.scores = event.prompt or choice.scores
                if self._body.max_tokens != 0:
                    choice.tokens.append(event)
            case Text(text):
                if self._body.max_tokens != 0:
                    choice.texts.append(text)
            case Done():
                choice.done = event

    def _told(self, number: int, text: str) -> Body:
        choice, logprobs = self._choices[number], None
        if self._body.logprobs is not None:
            logprobs = text_logprobs(self._tokenizer, choice.prompt, choice.scores, choice.tokens, choice.offset)
        finish = None if choice.done is None else choice.done.finish
        return {"index": number, "text": choice.before + text, "logprobs": logprobs, "finish_reason": finish}

    def _chunk(self, choices: list[Body]) -> Body:
        body = self._shared | {"choices": choices}
        return body | {"usage": None} if self._body.wants_usage else body

    def _usage(self) -> Body:
        each = self._body.n or 1
        prompts = [len(one.request.ids) for one in self._asked[::each]]
        return usage((choice.done for choice in self._choices if choice.done), prompts)
