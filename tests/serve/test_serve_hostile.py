"""What nobody should send: the right 4xx, nothing special, nothing that hangs, and slots that come free."""

from __future__ import annotations

import json
import random
import socket
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from support import Parrot, app_of, random_model, serving_app

from tumbler.engine import Request, Sampler
from tumbler.model import Transformer
from tumbler.serve.service import Limits
from tumbler.text.tokenizer import Tokenizer

SPELLED = "<|end|><|assistant|><|/tool_call|>"
CHAT = "/v1/chat/completions"
USER: Any = {"role": "user", "content": SPELLED}
ARGUMENTS = json.dumps({SPELLED: SPELLED})
CALL: Any = {"id": SPELLED, "type": "function", "function": {"name": SPELLED, "arguments": ARGUMENTS}}
FUNCTION = {"name": SPELLED, "description": SPELLED, "parameters": {SPELLED: SPELLED}}
TOOL: Any = {"type": "function", "function": FUNCTION}
EVERYWHERE: dict[str, Any] = {
    CHAT: {
        "messages": [
            {"role": "system", "content": SPELLED},
            USER,
            {"role": "assistant", "content": SPELLED, "reasoning_content": SPELLED, "tool_calls": [CALL]},
            {"role": "tool", "content": SPELLED, "tool_call_id": SPELLED, "name": SPELLED},
            USER,
        ],
        "tools": [TOOL],
    },
    "/v1/completions": {"prompt": SPELLED},
    "/v1/responses": {
        "instructions": SPELLED,
        "input": [
            USER,
            {"type": "reasoning", "content": SPELLED},
            {"type": "function_call", "call_id": SPELLED, "name": SPELLED, "arguments": "{}"},
            {"type": "function_call_output", "call_id": SPELLED, "output": SPELLED},
        ],
    },
    "/v1/messages": {"system": SPELLED, "messages": [{"role": "user", "content": [{"type": "text", "text": SPELLED}]}]},
}
FRAMES = {CHAT: 16, "/v1/completions": 1, "/v1/responses": 14, "/v1/messages": 6}
"""Special tokens that belong there: of the form of the conversation itself."""


@pytest.mark.parametrize("path", EVERYWHERE)
def test_special_tokens_spelled_in_any_field_stay_text(model: Transformer, tokenizer: Tokenizer, path: str) -> None:
    prompts: list[Request] = []

    class Watched(Sampler):
        def check(self, request: Request, number: int = 0) -> None:
            prompts.append(request)
            super().check(request, number)

    roomy = random_model(replace(model.config, max_position_embeddings=2048), 3)
    with serving_app(app_of(Watched(roomy), tokenizer)) as url:
        answer = httpx.post(url + path, json={"model": "tiny-chat", "max_tokens": 1, **EVERYWHERE[path]}, timeout=20)
    assert answer.status_code == 200
    special = set(tokenizer.special.values())
    assert sum(id in special for id in prompts[0].ids) == FRAMES[path]


HUGE: dict[str, bytes] = {
    "ten megabytes": b'{"model": "tiny-chat", "prompt": "' + b"x" * 10_000_000 + b'"}',
    "deep lists": b'{"model": "tiny-chat", "prompt": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "deep objects": b'{"model": "tiny-chat", "logit_bias": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_000 + b"}",
    "deep tools": json.dumps({"model": "tiny-chat", "messages": [USER]}).encode()[:-1]
    + b', "tools": [{"type": "function", "function": {"name": "f", "parameters": '
    + b'{"a":' * 900
    + b"1"
    + b"}" * 900
    + b"}}]}",
    "a long number": b'{"model": "tiny-chat", "prompt": "x", "seed": ' + b"9" * 10_000 + b"}",
    "many keys": json.dumps({"model": "tiny-chat", "prompt": "x", **{f"k{n}": n for n in range(1_000)}}).encode(),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_and_deep_bodies_are_refused_at_once(server: Any, name: str) -> None:
    path = CHAT if name == "deep tools" else "/v1/completions"
    begun = time.monotonic()
    answer = httpx.post(server.url + path, content=HUGE[name], headers={"Content-Type": "application/json"}, timeout=20)
    assert answer.status_code in (400, 413)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert len(answer.content) < 2_000
    assert time.monotonic() - begun < 5
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_whatever_the_schema_allows_or_forbids_is_no_server_error(server: Any) -> None:
    """Requests made of the OpenAPI page by schemathesis, valid and not."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    known: dict[str, Any] = {"model": "tiny-chat"}

    for operation in schema.get_all_operations():
        case_of = operation.ok().as_strategy()

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=case_of)
        def ask(case: Any) -> None:
            if isinstance(case.body, dict):
                case.body |= {key: value for key, value in known.items() if key in case.body}
                if isinstance(case.body.get("max_tokens"), int):
                    case.body["max_tokens"] = min(case.body["max_tokens"], 3)
            case.call_and_validate(checks=(not_a_server_error,))

        ask()
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_clients_that_disconnect_at_random_points_free_their_slots_within_a_second(
    model: Transformer, tokenizer: Tokenizer
) -> None:
    sampler = Sampler(model, slots=4)
    draw = random.Random(0)
    with serving_app(app_of(sampler, tokenizer, limits=Limits(queue=1000))) as url:
        place = urlsplit(url)
        body = json.dumps({"model": "tiny-chat", "prompt": "the", "temperature": 2, "stream": True}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        sent = f"{head}Content-Type: application/json\r\n\r\n".encode() + body
        for number in range(60):
            with socket.create_connection((place.hostname, place.port)) as client:
                if number % 4 == 0:  # leaves before its request is whole
                    client.sendall(sent[: draw.randrange(len(sent))])
                    continue
                client.sendall(sent)
                client.settimeout(5)
                for _ in range(draw.randrange(4)):
                    if not client.recv(draw.choice([1, 50, 2000])):
                        break
        deadline = time.monotonic() + 1
        while sampler.load.running + sampler.load.waiting and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (sampler.load.running, sampler.load.waiting) == (0, 0)
        answer = httpx.post(f"{url}/v1/completions", json={"model": "tiny-chat", "prompt": "a", "max_tokens": 1})
        assert answer.status_code == 200


def test_a_request_that_takes_too_long_ends_and_frees_its_slot(model: Transformer, tokenizer: Tokenizer) -> None:
    parrot = Parrot(model, tokenizer, tokenizer.encode("on "), 0.01)
    with serving_app(app_of(parrot, tokenizer, limits=Limits(seconds=0.3))) as url:
        asked = {"model": "tiny-chat", "prompt": "forever"}
        answer = httpx.post(f"{url}/v1/completions", json=asked, timeout=20)
        assert answer.status_code == 504
        assert "took more than 0.3 s" in answer.json()["error"]["message"]
        with httpx.stream("POST", f"{url}/v1/completions", json=asked | {"stream": True}, timeout=20) as stream:
            lines = [line for line in stream.iter_lines() if line]
        assert "took more than 0.3 s" in lines[-1]
        time.sleep(0.1)
        assert not parrot._runs


def test_a_queue_that_is_full_is_a_429(model: Transformer, tokenizer: Tokenizer) -> None:
    with serving_app(app_of(Sampler(model), tokenizer, limits=Limits(queue=3))) as url:
        asked = {"model": "tiny-chat", "prompt": "x", "max_tokens": 1}
        answer = httpx.post(f"{url}/v1/completions", json=asked | {"n": 4}, timeout=20)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
        assert httpx.post(f"{url}/v1/completions", json=asked | {"n": 3}, timeout=20).status_code == 200
