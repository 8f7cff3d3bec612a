"""POST /v1/chat/completions"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.respond import Asked, chat_request
from tumbler.engine import Token
from tumbler.errors import UserError
from tumbler.serve.errors import ApiError
from tumbler.serve.models import Running
from tumbler.serve.service import Made, Service, streamed, whole
from tumbler.serve.told import chat_logprob, usage
from tumbler.serve.wire import TOP, Body, GenerationRequest, SentBack, Wire, only
from tumbler.text.conversation import Conversation, Tool, ToolCall, parse_messages, parse_tools


class TextPart(SentBack):
    type: Literal["text"]
    text: str


def joined(value: Any) -> Any:
    """Content given as parts of type text is their text, put together."""
    if not isinstance(value, list):
        return value
    return "".join(part.text for part in TypeAdapter(list[TextPart]).validate_python(value, strict=True))


class WireFunction(SentBack):
    name: str
    arguments: str


class WireCall(SentBack):
    id: str
    type: Literal["function"] = "function"
    function: WireFunction
    index: int | None = None


class WireMessage(SentBack):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | None, BeforeValidator(joined, json_schema_input_type=str | list[TextPart] | None)] = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    name: str | None = None
    # What clients add when they send an earlier answer back.
    refusal: Annotated[JsonValue, only()] = None
    annotations: Annotated[JsonValue, only([])] = None
    audio: Annotated[JsonValue, only()] = None
    function_call: Annotated[JsonValue, only()] = None

    def plain(self) -> Body:
        """As conversations are read. A user's name is not told to the model."""
        body = self.model_dump(exclude_none=True, include={"content", "tool_call_id", "reasoning_content"})
        if self.role == "tool" and self.name:
            body["name"] = self.name
        if self.tool_calls:
            body["tool_calls"] = [call.model_dump(exclude={"index"}) for call in self.tool_calls]
        return {"role": "system" if self.role == "developer" else self.role, "content": None, **body}


class NamedFunction(Wire):
    name: str


class NamedTool(Wire):
    type: Literal["function"]
    function: NamedFunction


class ChatRequest(GenerationRequest):
    messages: Annotated[list[WireMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=TOP)] | None = None
    tools: Annotated[list[dict[str, JsonValue]], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: Annotated[dict[str, bool | int | float | str | None], Field(max_length=32)] | None = None
    metadata: dict[str, str] | None = None
    store: Annotated[JsonValue, only(False)] = None
    service_tier: Annotated[JsonValue, only("auto", "default")] = None
    functions: Annotated[JsonValue, only([])] = None
    modalities: Annotated[JsonValue, only(["text"])] = None

    @property
    def limit(self) -> int | None:
        """`max_completion_tokens` is the newer name of `max_tokens`."""
        return self.max_completion_tokens or self.max_tokens

    def conversation(self) -> Conversation:
        """Raises ApiError naming messages or tools."""
        try:
            messages = parse_messages([message.plain() for message in self.messages], "messages")
        except UserError as error:
            raise ApiError(400, str(error), param="messages") from error
        try:
            tools = parse_tools(self.tools, "tools") if self.tool_choice != "none" else ()
        except UserError as error:
            raise ApiError(400, str(error), param="tools") from error
        return Conversation(messages, "request", tools)

    def must_call(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """The tools of which one must be called."""
        if not isinstance(self.tool_choice, NamedTool):
            return named_tools(tools, None) if self.tool_choice == "required" else ()
        return named_tools(tools, self.tool_choice.function.name)


def named_tools(tools: Sequence[Tool], name: str | None) -> Sequence[Tool]:
    """Those of a name, or all; ApiError when there is none."""
    found = [tool for tool in tools if name in (None, tool["function"]["name"])]
    if not found:
        wanted = "requires a call" if name is None else f"names {name!r}"
        raise ApiError(400, f"tool_choice {wanted}, but tools has none such", param="tool_choice", code="invalid_value")
    return found


async def answer(service: Service, body: ChatRequest, request: Request) -> Response:
    running = await service.model(body.model)
    if body.top_logprobs and not body.logprobs:
        raise ApiError(400, "top_logprobs is only allowed with logprobs = true", param="top_logprobs")
    if body.stream_options is not None and not body.stream:
        raise ApiError(400, "stream_options is only allowed with stream = true", param="stream_options")
    asked = await asyncio.to_thread(choices, running, body)
    service.check(running, asked, "messages")
    events = service.events(running, asked, body.stop or (), tokens=bool(body.logprobs))
    told = Told(running, body.wants_usage)
    if body.stream:
        return streamed(told.chunks(events, len(asked)), lambda error: (None, error.body()))
    return await whole(told.whole(events, len(asked)), request)


def choices(running: Running, body: ChatRequest) -> list[Asked]:
    """The same request n times; each draws by a seed of its own."""
    conversation = body.conversation()
    asked = chat_request(
        running.model,
        conversation,
        body.sampling(running.model, body.top_logprobs or 0),
        options=body.chat_template_kwargs or {},
        structure=body.structure(),
        must_call=body.must_call(conversation.tools),
    )
    return asked.times(body.n or 1)


@dataclass
class Message:
    """An answer that is complete."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    done: Done | None = None

    def add(self, event: Event) -> None:
        match event:
            case Text(text):
                self.texts.append(text)
            case Reasoning(text):
                self.thoughts.append(text)
            case ToolCall():
                self.calls.append(event)
            case Token():
                self.tokens.append(event)
            case Done():
                self.done = event

    @property
    def finish(self) -> str:
        assert self.done is not None
        return "tool_calls" if self.calls and self.done.finish == "stop" else self.done.finish


async def gathered(events: AsyncGenerator[tuple[int, Event], None], count: int) -> list[Message]:
    """All answers, when the last is complete."""
    messages = [Message() for _ in range(count)]
    async for number, event in events:
        messages[number].add(event)
    return messages


class Told:
    """How one answer, or several, are told: in one body, or in chunks."""

    def __init__(self, running: Running, with_usage: bool) -> None:
        self._running, self._with_usage = running, with_usage
        self._shared = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": running.name}

    async def whole(self, events: AsyncGenerator[tuple[int, Event], None], count: int) -> Body:
        made = await gathered(events, count)
        told = [self._choice(number, message) for number, message in enumerate(made)]
        body = self._shared | {"object": "chat.completion", "choices": told}
        return body | {"usage": usage(message.done for message in made if message.done)}

    async def chunks(self, events: AsyncGenerator[tuple[int, Event], None], count: int) -> Made:
        for number in range(count):
            yield None, self._chunk(number, {"role": "assistant", "content": ""})
        made, waiting = [Message() for _ in range(count)], list[list[Token]]([] for _ in range(count))
        async for number, event in events:
            message = made[number]
            if isinstance(event, Token):
                waiting[number].append(event)
                continue
            message.add(event)
            chunk = self._chunk(number, _delta(event, message), message.finish if message.done else None)
            if waiting[number]:
                chunk["choices"][0]["logprobs"] = self._logprobs(waiting[number])
                waiting[number].clear()
            yield None, chunk
        if self._with_usage:
            ends = usage(message.done for message in made if message.done)
            yield None, self._shared | {"object": "chat.completion.chunk", "choices": [], "usage": ends}

    def _chunk(self, number: int, delta: Body, finish: str | None = None) -> Body:
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = self._shared | {"object": "chat.completion.chunk", "choices": [choice]}
        return body | {"usage": None} if self._with_usage else body

    def _choice(self, number: int, message: Message) -> Body:
        text = "".join(message.texts)
        said: Body = {"role": "assistant", "content": text or None if message.calls else text, "refusal": None}
        if message.thoughts:
            said["reasoning_content"] = "".join(message.thoughts)
        if message.calls:
            said["tool_calls"] = [wire_call(call) for call in message.calls]
        logprobs = self._logprobs(message.tokens) if message.tokens else None
        return {"index": number, "message": said, "logprobs": logprobs, "finish_reason": message.finish}

    def _logprobs(self, tokens: Sequence[Token]) -> Body:
        tokenizer = self._running.model.tokenizer
        return {"content": [chat_logprob(tokenizer, token) for token in tokens], "refusal": None}


def _delta(event: Event, message: Message) -> Body:
    match event:
        case Text(text):
            return {"content": text}
        case Reasoning(text):
            return {"reasoning_content": text}
        case ToolCall():
            return {"tool_calls": [{"index": len(message.calls) - 1} | wire_call(event)]}
        case _:
            return {}


def wire_call(call: ToolCall) -> Body:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
