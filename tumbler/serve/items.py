"""The items that OpenAI's responses API takes and gives, and what messages they are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, JsonValue, TypeAdapter

from tumbler.serve.wire import SentBack, only


class Part(SentBack):
    type: Literal["input_text", "output_text", "text", "reasoning_text", "summary_text"]
    text: str
    annotations: JsonValue = None
    logprobs: JsonValue = None


def joined(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return "".join(part.text for part in TypeAdapter(list[Part]).validate_python(value, strict=True))


PartsText = Annotated[str, BeforeValidator(joined, json_schema_input_type=str | list[Part])]


class MessageItem(SentBack):
    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: PartsText
    id: str | None = None
    status: str | None = None


class CallItem(SentBack):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class ResultItem(SentBack):
    type: Literal["function_call_output"]
    call_id: str
    output: PartsText
    id: str | None = None
    status: str | None = None


class ReasoningItem(SentBack):
    type: Literal["reasoning"]
    content: PartsText | None = None
    summary: JsonValue = None
    encrypted_content: Annotated[JsonValue, only()] = None
    id: str | None = None
    status: str | None = None


Item = MessageItem | CallItem | ResultItem | ReasoningItem


def append(rows: list[dict[str, Any]], item: Item) -> None:
    """Thought, text and calls of one turn, which are items of their own here, are one message."""
    match item:
        case MessageItem(role="assistant"):
            _turn(rows)["content"] = _turn(rows)["content"] + item.content
        case MessageItem():
            rows.append({"role": "system" if item.role == "developer" else item.role, "content": item.content})
        case ReasoningItem():
            _turn(rows)["reasoning_content"] = item.content or ""
        case CallItem():
            function = {"name": item.name, "arguments": item.arguments}
            _turn(rows).setdefault("tool_calls", []).append(
                {"id": item.call_id, "type": "function", "function": function}
            )
        case ResultItem():
            rows.append({"role": "tool", "content": item.output, "tool_call_id": item.call_id})


def _turn(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows or rows[-1]["role"] != "assistant":
        rows.append({"role": "assistant", "content": ""})
    return rows[-1]
