"""POST /v1/responses: OpenAI's newer API over the same events."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, JsonValue

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.load import ChatModel
from tumbler.chat.respond import Asked, chat_request
from tumbler.chat.structures import JsonObject, JsonSchema, Structure
from tumbler.errors import UserError
from tumbler.serve.chat import named_tools
from tumbler.serve.errors import ApiError
from tumbler.serve.items import Item, MessageItem, append
from tumbler.serve.service import Made, Service, streamed, whole
from tumbler.serve.wire import Body, GenerationRequest, Wire, only
from tumbler.text.conversation import Conversation, Message, Tool, ToolCall, parse_messages, parse_tools, plain

KEPT: Final = 1024
"""Conversations that `previous_response_id` may go on with; the oldest is forgotten first."""


class FunctionTool(Wire):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class PlainText(Wire):
    type: Literal["text", "json_object"]


class SchemaText(Wire):
    type: Literal["json_schema"]
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, JsonValue], Field(alias="schema")]
    strict: bool | None = None


class NamedTool(Wire):
    type: Literal["function"]
    name: str


class TextOptions(Wire):
    format: Annotated[PlainText | SchemaText, Field(discriminator="type")] | None = None
    verbosity: Annotated[JsonValue, only("medium")] = None


class ResponseRequest(GenerationRequest):
    input: str | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    previous_response_id: str | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    truncation: Annotated[JsonValue, only("disabled")] = None
    background: Annotated[JsonValue, only(False)] = None
    include: Annotated[JsonValue, only([])] = None
    reasoning: JsonValue = None
    service_tier: Annotated[JsonValue, only("auto", "default")] = None

    @property
    def limit(self) -> int | None:
        return self.max_output_tokens or self.max_tokens

    def structure(self) -> Structure | None:
        wanted = None if self.text is None else self.text.format
        if isinstance(wanted, SchemaText):
            return JsonSchema(wanted.schema_)
        return JsonObject() if wanted is not None and wanted.type == "json_object" else super().structure()

    def asked(self, model: ChatModel, conversation: Conversation) -> Asked:
        must_call: Sequence[Tool] = ()
        if self.tool_choice == "required":
            must_call = named_tools(conversation.tools, None)
        elif isinstance(self.tool_choice, NamedTool):
            must_call = named_tools(conversation.tools, self.tool_choice.name)
        return chat_request(model, conversation, self.sampling(model), structure=self.structure(), must_call=must_call)


class Memory:
    """Conversations by the id of their last response, in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Message, ...]] = OrderedDict()

    def get(self, id: str) -> tuple[Message, ...]:
        if id not in self._kept:
            message = f"the response {id!r} is not known here (any more); send the whole conversation as input"
            raise ApiError(400, message, param="previous_response_id", code="previous_response_not_found")
        return self._kept[id]

    def keep(self, id: str, messages: tuple[Message, ...]) -> None:
        self._kept[id] = messages
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


async def answer(service: Service, memory: Memory, body: ResponseRequest, request: Request) -> Response:
    running = await service.model(body.model)
    before = memory.get(body.previous_response_id) if body.previous_response_id else ()
    conversation = _conversation(before, body)
    asked = await asyncio.to_thread(body.asked, running.model, conversation)
    service.check(running, [asked], "input")
    events = service.events(running, [asked], body.stop or ())
    told = Told(body, running.name)

    def ended() -> None:
        if body.store is not False:  # instructions are not carried over
            system = int(conversation.messages[0].role == "system")
            memory.keep(told.id, (*conversation.messages[system:], told.message()))

    if body.stream:
        return streamed(_named(told.stream(events, ended)), told.failed, last=None)
    return await whole(_drained(told, told.stream(events, ended)), request)


async def _named(bodies: AsyncGenerator[Body, None]) -> Made:
    async for body in bodies:
        yield body["type"], body


async def _drained(told: Told, bodies: AsyncGenerator[Body, None]) -> Body:
    async for _ in bodies:
        pass
    return told.response()


def _conversation(before: tuple[Message, ...], body: ResponseRequest) -> Conversation:
    items = [MessageItem(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    rows: list[dict[str, Any]] = [{"role": "system", "content": body.instructions}] if body.instructions else []
    for item in items:
        append(rows, item)
    try:
        if before:
            system, rest = (rows[:1], rows[1:]) if rows[0]["role"] == "system" else ([], rows)
            old = [plain(message) for message in before]
            messages = parse_messages([*system, *old, *rest], "input")
        else:
            messages = parse_messages(rows, "input")
    except UserError as error:
        raise ApiError(400, str(error), param="input") from error
    return Conversation(messages, "response", _tools(body))


def _tools(body: ResponseRequest) -> tuple[Any, ...]:
    if body.tool_choice == "none":
        return ()
    functions = [tool.model_dump(exclude={"type", "strict"}, exclude_none=True) for tool in body.tools or ()]
    return parse_tools([{"type": "function", "function": function} for function in functions], "tools")


@dataclass
class Output:
    """One item of the answer in the making."""

    kind: Literal["message", "reasoning", "function_call"]
    id: str
    texts: list[str] = field(default_factory=list)
    call: ToolCall | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def part(self) -> Body:
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}

    def body(self, status: str, *, empty: bool = False) -> Body:
        body: Body = {"id": self.id, "type": self.kind, "status": status}
        parts = [] if empty else [self.part()]
        match self.kind:
            case "message":
                return body | {"role": "assistant", "content": parts}
            case "reasoning":
                return body | {"summary": [], "content": parts}
            case _:
                assert self.call is not None
                arguments = "" if empty else self.call.arguments
                return body | {"call_id": self.call.id, "name": self.call.name, "arguments": arguments}


class Told:
    """The answer, and the events by which it is told."""

    def __init__(self, body: ResponseRequest, model: str) -> None:
        self.id, self._asked, self._model = f"resp_{uuid.uuid4().hex}", body, model
        self._created = time.time()
        self._outputs: list[Output] = []
        self._status: Literal["in_progress", "completed", "incomplete", "failed"] = "in_progress"
        self._error: Body | None = None
        self._done: Done | None = None
        self._number = 0

    async def stream(self, events: AsyncGenerator[tuple[int, Event], None], ended: Any) -> AsyncGenerator[Body, None]:
        yield self._event("response.created", response=self.response())
        yield self._event("response.in_progress", response=self.response())
        async for _, event in events:
            for body in self._tell(event):
                yield body
        assert self._done is not None
        self._status = "completed" if self._done.finish == "stop" else "incomplete"
        ended()
        yield self._event(f"response.{self._status}", response=self.response())

    def failed(self, error: ApiError) -> tuple[str, Body]:
        self._status, self._error = "failed", {"code": error.code or "server_error", "message": error.message}
        return "response.failed", self._event("response.failed", response=self.response())

    def message(self) -> Message:
        """The answer as a message of the conversation."""
        said = {kind: "".join(o.text for o in self._outputs if o.kind == kind) for kind in ("message", "reasoning")}
        calls = tuple(output.call for output in self._outputs if output.call)
        return Message("assistant", said["message"], said["reasoning"], calls)

    def response(self) -> Body:
        asked, done = self._asked, self._done
        ended = self._status != "in_progress"
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": self._status,
            "error": self._error,
            "incomplete_details": {"reason": "max_output_tokens"} if self._status == "incomplete" else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.limit,
            "model": self._model,
            "output": [output.body("completed") for output in self._outputs] if ended else [],
            "parallel_tool_calls": True,
            "previous_response_id": asked.previous_response_id,
            "reasoning": {"effort": None, "summary": None},
            "store": asked.store is not False,
            "temperature": asked.temperature,
            "text": {"format": self._format()},
            "tool_choice": asked.model_dump(include={"tool_choice"})["tool_choice"] or "auto",
            "tools": [tool.model_dump() for tool in asked.tools or ()],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": None if done is None else _usage(done),
            "user": asked.user,
            "metadata": asked.metadata or {},
        }

    def _format(self) -> Body:
        wanted = None if self._asked.text is None else self._asked.text.format
        return {"type": "text"} if wanted is None else wanted.model_dump(by_alias=True)

    def _tell(self, event: Event) -> Iterator[Body]:
        match event:
            case Text(text):
                yield from self._piece("message", text, "response.output_text")
            case Reasoning(text):
                yield from self._piece("reasoning", text, "response.reasoning_text")
            case ToolCall():
                yield from self._close()
                yield from self._open(Output("function_call", f"fc_{uuid.uuid4().hex}", call=event))
                place = self._place()
                yield self._event("response.function_call_arguments.delta", **place, delta=event.arguments)
                done = {"name": event.name, "arguments": event.arguments}
                yield self._event("response.function_call_arguments.done", **place, **done)
            case Done():
                self._done = event
                yield from self._close()

    def _piece(self, kind: Literal["message", "reasoning"], text: str, name: str) -> Iterator[Body]:
        if not self._outputs or self._outputs[-1].kind != kind or self._closed:
            yield from self._close()
            yield from self._open(Output(kind, f"{'msg' if kind == 'message' else 'rs'}_{uuid.uuid4().hex}"))
            yield self._event(
                "response.content_part.added", **self._place(), content_index=0, part=self._outputs[-1].part()
            )
        self._outputs[-1].texts.append(text)
        more: Body = {"logprobs": []} if kind == "message" else {}
        yield self._event(f"{name}.delta", **self._place(), content_index=0, delta=text, **more)

    _closed = True

    def _open(self, output: Output) -> Iterator[Body]:
        self._outputs.append(output)
        self._closed = False
        item = output.body("in_progress", empty=True)
        yield self._event("response.output_item.added", output_index=len(self._outputs) - 1, item=item)

    def _close(self) -> Iterator[Body]:
        if self._closed:
            return
        self._closed = True
        output, place = self._outputs[-1], self._place()
        if output.kind != "function_call":
            name = "response.output_text" if output.kind == "message" else "response.reasoning_text"
            more: Body = {"logprobs": []} if output.kind == "message" else {}
            yield self._event(f"{name}.done", **place, content_index=0, text=output.text, **more)
            yield self._event("response.content_part.done", **place, content_index=0, part=output.part())
        index = len(self._outputs) - 1
        yield self._event("response.output_item.done", output_index=index, item=output.body("completed"))

    def _place(self) -> Body:
        return {"item_id": self._outputs[-1].id, "output_index": len(self._outputs) - 1}

    def _event(self, kind: str, **body: Any) -> Body:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **body}


def _usage(done: Done) -> Body:
    return {
        "input_tokens": done.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": done.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": done.reasoning_tokens},
        "total_tokens": done.prompt_tokens + done.completion_tokens,
    }
