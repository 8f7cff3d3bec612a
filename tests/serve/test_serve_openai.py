"""The API under the real `openai` client."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from support import app_of

from tumbler.chat import ChatModel, Done, Text, complete, respond
from tumbler.engine import Sampler, Sampling
from tumbler.model import Generation, Transformer
from tumbler.text.conversation import Conversation, Message
from tumbler.text.tokenizer import Tokenizer

ASKED: Any = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
CONVERSATION = Conversation((Message("system", "be kind"), Message("user", "hello")), "test")


def said_by_the_model(server: Any, sampling: Sampling, stop: tuple[str, ...] = ()) -> tuple[str, Done]:
    """What the chat room makes of ASKED, without a server."""
    model = ChatModel.of(Sampler(server.model), server.tokenizer)
    *texts, done = respond(model, CONVERSATION, sampling, stop)
    assert isinstance(done, Done)
    return "".join(event.text for event in texts if isinstance(event, Text)), done


def test_a_chat_answer_is_the_models_with_its_usage(server: Any) -> None:
    text, done = said_by_the_model(server, Sampling(20, temperature=0))
    answer = server.client.chat.completions.create(model="tiny-chat", messages=ASKED, max_tokens=20, temperature=0)
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == done.finish
    assert answer.object == "chat.completion"
    assert answer.usage.prompt_tokens == done.prompt_tokens
    assert answer.usage.completion_tokens == done.completion_tokens
    assert answer.usage.total_tokens == done.prompt_tokens + done.completion_tokens


def test_a_streamed_chat_answer_is_the_same_text(server: Any) -> None:
    text, done = said_by_the_model(server, Sampling(20, temperature=0))
    chunks = list(
        server.client.chat.completions.create(
            model="tiny-chat",
            messages=ASKED,
            max_completion_tokens=20,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == text
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + [done.finish]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == done.completion_tokens
    assert len(chunks) > 4
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_completion_whole_and_streamed(server: Any) -> None:
    model = ChatModel.of(Sampler(server.model), server.tokenizer)
    events = list(complete(model, "the cat", Sampling(20, seed=5)))
    text = "".join(event.text for event in events if isinstance(event, Text))
    asked = {"model": "tiny-chat", "prompt": "the cat", "max_tokens": 20, "seed": 5}
    whole = server.client.completions.create(**asked)
    assert whole.choices[0].text == text
    streamed = list(server.client.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == text
    assert streamed[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_seeds_repeat_and_differ(server: Any) -> None:
    def ask(seed: int | None) -> str:
        answer = server.client.chat.completions.create(
            model="tiny-chat", messages=ASKED, seed=seed, max_tokens=20, top_p=0.95
        )
        return str(answer.choices[0].message.content)

    assert ask(1) == ask(1)
    assert ask(-1) == ask(-1)
    assert len({ask(seed) for seed in range(4)}) == 4


def test_a_stop_string_ends_the_answer_before_it(server: Any) -> None:
    text, _ = said_by_the_model(server, Sampling(60, seed=3))
    stop = text[len(text) // 2 :][:2]
    for stops in (stop, [stop, "never said"]):
        answer = server.client.chat.completions.create(
            model="tiny-chat", messages=ASKED, max_tokens=60, seed=3, stop=stops
        )
        assert answer.choices[0].message.content == text.split(stop)[0]
        assert answer.choices[0].finish_reason == "stop"


def test_without_max_tokens_the_context_is_the_limit(server: Any) -> None:
    answer = server.client.completions.create(model="tiny-chat", prompt="a", temperature=2, seed=8)
    assert answer.choices[0].finish_reason == "stop" or answer.usage.total_tokens == server.sampler.context


def test_text_parts_and_an_answer_sent_back_are_accepted(server: Any) -> None:
    plain = server.client.chat.completions.create(model="tiny-chat", messages=ASKED, max_tokens=9, temperature=0)
    parts: Any = [
        {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "kind"}]},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    ]
    same = server.client.chat.completions.create(model="tiny-chat", messages=parts, max_tokens=9, temperature=0)
    assert same.choices[0].message.content == plain.choices[0].message.content
    history = [*ASKED, plain.choices[0].message.model_dump(), {"role": "user", "content": "go on"}]
    server.client.chat.completions.create(model="tiny-chat", messages=history, max_tokens=2)


def test_models_are_listed_and_found_by_name(server: Any) -> None:
    assert [model.id for model in server.client.models.list()] == ["tiny-chat"]
    assert server.client.models.retrieve("tiny-chat").owned_by == "tumbler"
    with pytest.raises(openai.NotFoundError) as caught:
        server.client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="this server has 'tiny-chat'"):
        server.client.chat.completions.create(model="gpt-5", messages=ASKED)


def test_many_clients_share_the_engine_and_get_their_own_answers(server: Any) -> None:
    def ask(seed: int) -> str:
        answer = server.client.completions.create(model="tiny-chat", prompt="the", max_tokens=30, seed=seed)
        return str(answer.choices[0].text)

    alone = [ask(seed) for seed in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(12))) == alone


def idle(server: Any) -> bool:
    return httpx.get(f"{server.url}/health").status_code == 200 and not server.sampler._runs


def test_a_client_that_leaves_frees_its_slot(server: Any) -> None:
    for _ in range(8):
        stream = server.client.completions.create(model="tiny-chat", prompt="a", temperature=2, stream=True)
        next(iter(stream))
        stream.close()
    deadline = time.monotonic() + 1
    while not idle(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert idle(server)


def test_without_a_temperature_the_models_own_is_taken(
    model: Transformer, tokenizer: Tokenizer, serving: Callable[[FastAPI], AbstractContextManager[str]]
) -> None:
    app = app_of(Sampler(model, slots=2), tokenizer, "cool", Generation(temperature=0.0))
    with serving(app) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

        def text(**options: float) -> str:
            return client.completions.create(model="cool", prompt="the", max_tokens=8, **options).choices[0].text  # type: ignore[call-overload, no-any-return]

        assert len({text() for _ in range(3)} | {text(temperature=0)}) == 1
        assert len({text(temperature=2.0) for _ in range(6)}) > 1
