"""POST /v1/messages: Anthropic's API, a thin adapter over the same events."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.load import ChatModel
from tumbler.chat.respond import Asked, chat_request
from tumbler.errors import UserError
from tumbler.serve.chat import Message, gathered, named_tools
from tumbler.serve.errors import ApiError
from tumbler.serve.service import Made, Service, streamed, whole
from tumbler.serve.wire import Body, GenerationRequest, SentBack, StopStrings, Wire, only
from tumbler.text.conversation import Conversation, Tool, ToolCall, parse_messages, parse_tools


class TextBlock(SentBack):
    type: Literal["text"]
    text: str
    cache_control: JsonValue = None
    citations: JsonValue = None


def joined(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return "".join(block.text for block in TypeAdapter(list[TextBlock]).validate_python(value, strict=True))


Joined = Annotated[str, BeforeValidator(joined, json_schema_input_type=str | list[TextBlock])]


class ThinkingBlock(SentBack):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class UseBlock(SentBack):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, JsonValue]
    cache_control: JsonValue = None


class ResultBlock(SentBack):
    type: Literal["tool_result"]
    tool_use_id: str
    content: Joined = ""
    is_error: bool | None = None
    cache_control: JsonValue = None


Block = Annotated[TextBlock | ThinkingBlock | UseBlock | ResultBlock, Field(discriminator="type")]


class TurnRequest(Wire):
    role: Literal["user", "assistant"]
    content: str | list[Block]


class ToolRequest(Wire):
    name: str
    description: str | None = None
    input_schema: dict[str, JsonValue]
    type: Literal["custom"] | None = None
    cache_control: JsonValue = None


class ToolChoice(Wire):
    type: Literal["auto", "none", "any", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesRequest(GenerationRequest):
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[TurnRequest], Field(min_length=1)]
    system: Joined | None = None
    stop_sequences: StopStrings = None
    tools: Annotated[list[ToolRequest], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    metadata: JsonValue = None
    thinking: JsonValue = None
    service_tier: Annotated[JsonValue, only("auto", "standard_only")] = None


STOPS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


async def answer(service: Service, body: MessagesRequest, request: Request) -> Response:
    running = await service.model(body.model)
    asked = await asyncio.to_thread(_asked, running.model, body)
    service.check(running, [asked], "messages")
    events = service.events(running, [asked], body.stop_sequences or ())
    told = Told(running.name)
    if body.stream:
        return streamed(told.stream(events, len(asked.request.ids)), failed, last=None)
    return await whole(told.whole(events), request)


def _asked(model: ChatModel, body: MessagesRequest) -> Asked:
    conversation, choice = _conversation(body), body.tool_choice
    must_call: Sequence[Tool] = ()
    if choice is not None and choice.type in ("any", "tool"):
        must_call = named_tools(conversation.tools, choice.name)
    structure = body.structure()
    return chat_request(model, conversation, body.sampling(model), structure=structure, must_call=must_call)


def failed(error: ApiError) -> tuple[str, Body]:
    return "error", {"type": "error", "error": {"type": error.type, "message": error.message}}


def _conversation(body: MessagesRequest) -> Conversation:
    rows: list[dict[str, Any]] = [{"role": "system", "content": body.system}] if body.system else []
    for turn in body.messages:
        rows += [{"role": turn.role, "content": turn.content}] if isinstance(turn.content, str) else _rows(turn)
    wanted = body.tool_choice is None or body.tool_choice.type != "none"
    functions = [
        {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema}
        for tool in (body.tools or () if wanted else ())
    ]
    try:
        messages = parse_messages(rows, "messages")
        return Conversation(messages, "request", parse_tools([_function(one) for one in functions], "tools"))
    except UserError as error:
        raise ApiError(400, str(error), param="messages") from error


def _function(function: Body) -> Body:
    return {"type": "function", "function": function}


def _rows(turn: TurnRequest) -> Iterator[dict[str, Any]]:
    """A turn's blocks as messages: results of tools are messages of their own, before what the user says."""
    row: dict[str, Any] = {"role": turn.role, "content": ""}
    for block in turn.content:
        match block:
            case ResultBlock():
                yield {"role": "tool", "content": block.content, "tool_call_id": block.tool_use_id}
            case TextBlock():
                row["content"] += block.text
            case ThinkingBlock():
                row["reasoning_content"] = row.get("reasoning_content", "") + block.thinking
            case UseBlock():
                function = {"name": block.name, "arguments": json.dumps(block.input, ensure_ascii=False)}
                row.setdefault("tool_calls", []).append({"id": block.id, "type": "function", "function": function})
    if turn.role == "assistant" or row["content"]:
        yield row


class Told:
    def __init__(self, model: str) -> None:
        self._shared: Body = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "stop_sequence": None,
        }
        self._kinds: list[str] = []
        """Of the blocks so far."""
        self._open = False

    async def whole(self, events: AsyncGenerator[tuple[int, Event], None]) -> Body:
        (message,) = await gathered(events, 1)
        blocks: list[Body] = []
        if message.thoughts:
            blocks.append({"type": "thinking", "thinking": "".join(message.thoughts), "signature": ""})
        if message.texts or not message.calls:
            blocks.append({"type": "text", "text": "".join(message.texts)})
        blocks += [_use(call) | {"input": json.loads(call.arguments)} for call in message.calls]
        assert message.done is not None
        return self._shared | {"content": blocks, **_end(message), "usage": _usage(message.done)}

    async def stream(self, events: AsyncGenerator[tuple[int, Event], None], prompt: int) -> Made:
        begun = self._shared | {"content": [], "stop_reason": None}
        begun["usage"] = {"input_tokens": prompt, "output_tokens": 0}
        yield "message_start", {"type": "message_start", "message": begun}
        made = Message()
        async for _, event in events:
            made.add(event)
            for body in self._tell(event):
                yield body["type"], body
        assert made.done is not None
        end = {"delta": _end(made), "usage": {"output_tokens": made.done.completion_tokens}}
        yield "message_delta", {"type": "message_delta", **end}
        yield "message_stop", {"type": "message_stop"}

    def _tell(self, event: Event) -> Iterator[Body]:
        match event:
            case Text(text):
                yield from self._piece("text", {"type": "text", "text": ""}, {"type": "text_delta", "text": text})
            case Reasoning(text):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                yield from self._piece("thinking", block, {"type": "thinking_delta", "thinking": text})
            case ToolCall():
                delta = {"type": "input_json_delta", "partial_json": event.arguments}
                yield from self._piece("tool_use", _use(event) | {"input": {}}, delta)
            case Done():
                yield from self._close()

    def _piece(self, kind: str, block: Body, delta: Body) -> Iterator[Body]:
        if not self._open or self._kinds[-1] != kind or kind == "tool_use":
            yield from self._close()
            self._kinds.append(kind)
            self._open = True
            yield {"type": "content_block_start", "index": len(self._kinds) - 1, "content_block": block}
        yield {"type": "content_block_delta", "index": len(self._kinds) - 1, "delta": delta}

    def _close(self) -> Iterator[Body]:
        if self._open:
            self._open = False
            yield {"type": "content_block_stop", "index": len(self._kinds) - 1}


def _use(call: ToolCall) -> Body:
    return {"type": "tool_use", "id": call.id, "name": call.name}


def _end(message: Message) -> Body:
    assert message.done is not None
    if message.done.stop is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": message.done.stop}
    return {"stop_reason": STOPS[message.finish], "stop_sequence": None}


def _usage(done: Done) -> Body:
    return {"input_tokens": done.prompt_tokens, "output_tokens": done.completion_tokens}
