"""The reader of conversations is strict, and its errors name file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, Message, ToolCall, read_conversations

GOOD = {"messages": [{"role": "user", "content": "  Hi\n"}, {"role": "assistant", "content": ""}]}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "chat.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_content_is_kept_as_it_is_and_rows_get_ids(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, "", {**GOOD, "id": 7, "source": "notes of the owner"})
    messages = (Message("user", "  Hi\n"), Message("assistant", ""))
    assert list(read_conversations(path)) == [Conversation(messages, "chat.jsonl:1"), Conversation(messages, "7")]


def test_a_line_separator_inside_a_text_ends_no_row(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "user", "content": "a\u2028b\x85c"}]}, ensure_ascii=False)
    assert next(read_conversations(write(tmp_path, row))).messages[0].content == "a\u2028b\x85c"


def one(**message: object) -> dict[str, object]:
    return {"messages": [message]}


def call(arguments: object, **function: object) -> dict[str, object]:
    return {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments, **function}}


def tool(**function: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": "f", **function}}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("{", "chat.jsonl:2: not valid JSON: "),
        ("[" * 100_000, "chat.jsonl:2: not valid JSON: "),
        ([], "chat.jsonl:2: a row must be an object with 'messages'"),
        ({}, "chat.jsonl:2: 'messages' must be a list of at least one message"),
        ({"messages": []}, "chat.jsonl:2: 'messages' must be a list of at least one message"),
        ({"messages": ["x"]}, "chat.jsonl:2: message 1: must be an object with 'role' and 'content'"),
        (one(role="robot", content="x"), "message 1: role 'robot' is not one of system, user, assistant, tool"),
        (one(role="tool", content="x"), "message 1: a tool's message must follow the call that it answers"),
        (
            {"messages": [*GOOD["messages"], {"role": "tool", "content": "x"}]},
            "message 3: a tool's message must follow",
        ),
        (one(role=["user"], content="x"), r"message 1: role \['user'\] is not one of"),
        (one(role="user"), "message 1: 'content' must be a text"),
        (one(role="user", content=None), "message 1: 'content' must be a text"),
        (one(role="user", content="x", name="Eve"), "message 1: unknown key 'name'"),
        (one(role="user", content="\ud800"), "message 1: 'content' has a lone surrogate at character 0"),
        ({**GOOD, "id": 1.5}, "'id' must be a text or a whole number"),
        (one(role="user", content="x", tool_calls=[]), "message 1: unknown key 'tool_calls'; such a message has role"),
        (one(role="assistant", tool_calls=[]), "message 1: 'content' must be a text"),
        (one(role="assistant", tool_calls={}), "message 1: 'tool_calls' must be a list"),
        (one(role="assistant", tool_calls=[{"name": "f"}]), 'message 1: call 1: must be {"id", "type": "function", '),
        (one(role="assistant", tool_calls=[call("[]")]), "call 1: 'arguments' must be a JSON object, or its text"),
        (one(role="assistant", tool_calls=[call("{")]), "call 1: 'arguments' must be a JSON object, or its text"),
        (one(role="assistant", tool_calls=[call({}, name=None)]), "call 1: 'name' must be a text"),
        ({**GOOD, "tools": {}}, "chat.jsonl:2: 'tools' must be a list"),
        ({**GOOD, "tools": [{}]}, 'chat.jsonl:2: tool 1: must be {"type": "function", "function": '),
        (
            {**GOOD, "tools": [tool(parameters=[])]},
            "tool 1: 'description' must be a text and 'parameters' a JSON schema",
        ),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]},
            "chat.jsonl:2: message 2: a system message must be the first message",
        ),
    ],
)
def test_a_wrong_row_is_an_error_that_names_it(tmp_path: Path, row: object, error: str) -> None:
    rows = read_conversations(write(tmp_path, GOOD, row))
    next(rows)
    with pytest.raises(UserError, match=error):
        next(rows)


def test_null_keys_of_public_sets_are_as_if_absent(tmp_path: Path) -> None:
    row = one(role="user", content="x", tool_calls=None)
    assert next(read_conversations(write(tmp_path, row))).messages == (Message("user", "x"),)


def test_calls_answers_thoughts_and_tools_are_read_as_public_sets_have_them(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "2 + 2?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "sum",
            "tool_calls": [call({"x": "é"}), call("{}")],
        },
        {"role": "tool", "content": "4", "tool_call_id": "c1", "name": "f"},
        {"role": "tool", "content": "5"},
    ]
    read = next(read_conversations(write(tmp_path, {"messages": messages, "tools": [tool(description="adds")]})))
    assert read.messages[1:] == (
        Message("assistant", "", "sum", (ToolCall("f", '{"x": "é"}', "c1"), ToolCall("f", "{}", "c1"))),
        Message("tool", "4", call_id="c1", name="f"),
        Message("tool", "5"),
    )
    assert read.tools == (tool(description="adds"),)


def test_a_file_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b'{"messages": [{"role": "user", "content": "\xff"}]}\n')
    with pytest.raises(UserError, match=r"chat\.jsonl: not UTF-8"):
        list(read_conversations(path))
