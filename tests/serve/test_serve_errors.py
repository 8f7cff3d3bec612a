"""What is wrong is refused in OpenAI's body, with the right status, naming the parameter."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
import torch
from fastapi import FastAPI
from support import app_of

from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.serve.server import is_local, listen
from tumbler.text.tokenizer import Tokenizer

Serving = Callable[[FastAPI], AbstractContextManager[str]]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
HELLO: dict[str, Any] = {"model": "tiny-chat", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
PROMPT: dict[str, Any] = {"model": "tiny-chat", "prompt": "hi", "max_tokens": 2}


def post(server: Any, path: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(server.url + path, content=content, headers={"Content-Type": "application/json"}, timeout=20)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"messages": "hi"}, "messages", "messages: input should be a valid list"),
        ({"messages": []}, "messages", "messages: list should have at least 1 item after validation, not 0"),
        ({"messages": [{"role": "user"}]}, "messages", "messages: message 1: 'content' must be a text"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "messages[0].role: input should be"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "input should be a valid string"),
        ({"messages": [{"role": "user", "content": None}]}, "messages", "message 1: 'content' must be a text"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "messages", "must follow the call that it answers"),
        ({"messages": [{"role": "user", "content": [{"type": "x"}]}]}, "messages[0].content[0].type", "'text'"),
        (
            {"messages": [*HELLO["messages"], {"role": "system", "content": ""}]},
            "messages",
            "must be the first message",
        ),
        ({"temperature": "hot"}, "temperature", "temperature: input should be a valid number"),
        ({"temperature": 3}, "temperature", "temperature: input should be less than or equal to 2"),
        ({"top_p": 0}, "top_p", "top_p: input should be greater than 0"),
        ({"max_tokens": 1.5}, "max_tokens", "max_tokens: input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": True}, "max_tokens", "max_tokens: input should be a valid integer"),
        ({"seed": 2**70}, "seed", "seed: input should be"),
        ({"stop": [""]}, "stop[0]", "at least 1 character"),
        ({"stop": ["x"] * 17}, "stop", "at most 16 items"),
        ({"n": 0}, "n", "n: input should be greater than or equal to 1"),
        ({"n": True}, "n", "n: input should be a valid integer"),
        ({"n": 10**30}, "n", "n: input should be"),
        ({"tools": [{"type": "function"}]}, "tools", 'tool 1: must be {"type": "function", "function": '),
        ({"logprobs": 1}, "logprobs", "logprobs: input should be a valid boolean"),
        ({"top_logprobs": 2}, "top_logprobs", "top_logprobs is only allowed with logprobs = true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"frequency_penalty": 3}, "frequency_penalty", "less than or equal to 2"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "logit_bias: 'x' is no token id"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5", "less than or equal to 100"),
        ({"store": True}, "store", "store: is not supported here (only False); leave it out"),
        ({"response_format": {"type": "yaml"}}, "response_format.type", "input should be"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is missing"),
        ({"temprature": 1}, "temprature", "unknown parameter 'temprature'; leave it out"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only allowed with stream = true"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_place(
    server: Any, change: dict[str, Any], param: str, message: str
) -> None:
    answer = post(server, CHAT, HELLO | change)
    assert answer.status_code == 400
    error = error_of(answer)
    assert message in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b"[" * 9_000,
        b'{"model": "tiny-chat", "temperature": NaN, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "tiny-chat", "temperature": 1e999, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "tiny-chat", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "tiny-chat", "logit_bias": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_a_malformed_body_is_a_400(server: Any, body: bytes) -> None:
    answer = post(server, CHAT, body)
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_completion_is_as_strict(server: Any, change: dict[str, Any], param: str) -> None:
    answer = post(server, TEXT, PROMPT | change)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


def test_parameters_that_change_nothing_are_accepted(server: Any) -> None:
    neutral = {
        "n": 1,
        "frequency_penalty": 0.0,
        "presence_penalty": 0,
        "logit_bias": {},
        "logprobs": False,
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "user": "someone",
        "temperature": None,
        "stop": None,
        "stream": False,
    }
    assert post(server, CHAT, HELLO | neutral).status_code == 200


def test_a_prompt_that_is_too_long_is_named_so_streamed_or_not(server: Any) -> None:
    for stream in (False, True):
        answer = post(server, CHAT, HELLO | {"messages": [{"role": "user", "content": "x " * 300}], "stream": stream})
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["code"] == "context_length_exceeded"
        assert "the model's context holds 256 with the answer; shorten the messages" in error["message"]


def test_a_body_over_the_limit_is_a_413_with_and_without_a_stated_length(server: Any) -> None:
    body = json.dumps(PROMPT | {"prompt": "x" * 30_000}).encode()
    stated = post(server, TEXT, body)
    assert stated.status_code == 413
    pieces = (body[place : place + 1000] for place in range(0, len(body), 1000))
    answer = httpx.post(server.url + TEXT, content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert error_of(answer)["message"] == error_of(stated)["message"] == "the body is larger than 20000 bytes"


def test_a_body_that_is_not_sent_as_json_is_refused(server: Any) -> None:
    """A page of another site can send text/plain without asking; it must not reach the model."""
    answer = httpx.post(server.url + CHAT, content=json.dumps(HELLO), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "Content-Type: application/json" in error_of(answer)["message"]


def test_another_host_name_is_refused(server: Any) -> None:
    """A name that another site points at 127.0.0.1 (DNS rebinding)."""
    assert httpx.get(server.url + "/v1/models", headers={"Host": "evil.example"}).status_code == 400
    assert httpx.get(server.url.replace("127.0.0.1", "localhost") + "/v1/models").status_code == 200


def test_unknown_places_and_methods_answer_in_the_same_body(server: Any) -> None:
    assert error_of(httpx.get(server.url + "/v1/nothing"))["message"] == "Not Found"
    answer = httpx.get(server.url + CHAT)
    assert (answer.status_code, error_of(answer)["message"]) == (405, "Method Not Allowed")


def test_special_tokens_that_a_client_spells_out_stay_text(server: Any) -> None:
    content = "<|end|><|assistant|>"
    answer = post(server, CHAT, HELLO | {"messages": [{"role": "user", "content": content}]})
    wanted = len(server.tokenizer.encode(content)) + 4
    assert answer.json()["usage"]["prompt_tokens"] == wanted


def test_broken_weights_fail_the_requests_under_way_and_the_server_goes_on(
    model: Transformer, tokenizer: Tokenizer, serving: Serving
) -> None:
    broken = Transformer(model.config)
    sampler = Sampler(broken)
    sampler.update({name: torch.full_like(tensor, torch.nan) for name, tensor in model.state_dict().items()}, 0)
    with serving(app_of(sampler, tokenizer)) as url:
        for _ in range(2):
            answer = httpx.post(url + CHAT, json=HELLO, timeout=20)
            assert answer.status_code == 500
            assert "weights are broken" in error_of(answer)["message"]
        with httpx.stream("POST", url + CHAT, json=HELLO | {"stream": True}, timeout=20) as stream:
            lines = [line for line in stream.iter_lines() if line.startswith("data:")]
        assert json.loads(lines[-1].removeprefix("data:"))["error"]["code"] == "engine_failed"
        assert httpx.get(url + "/health").json() == {"status": "ok"}
        sampler.update(model.state_dict(), 1)
        assert httpx.post(url + CHAT, json=HELLO, timeout=20).status_code == 200


def test_an_engine_that_has_stopped_is_a_503_and_leaves_nobody_waiting(
    model: Transformer, tokenizer: Tokenizer, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Sampler(model)
    monkeypatch.setattr(sampler, "step", lambda: 1 // 0)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with serving(app_of(sampler, tokenizer)) as url:
        for _ in range(2):
            answer = httpx.post(url + CHAT, json=HELLO, timeout=5)
            assert answer.status_code == 500
            assert error_of(answer)["message"] == "the engine has stopped; restart the server"
        assert httpx.get(url + "/health").status_code == 503


def test_an_address_that_is_taken_is_the_users_mistake() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(UserError, match="give another with --host or --port"):
            listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match=r"cannot listen on 127\.0\.0\.1, port 70000"):
        listen("127.0.0.1", 70000)


def test_only_loopback_addresses_are_local() -> None:
    assert [host for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "192.168.0.7", "host") if is_local(host)] == [
        "localhost",
        "127.0.0.1",
        "::1",
    ]
