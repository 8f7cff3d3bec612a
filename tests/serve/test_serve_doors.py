"""Who may ask: keys, other sites' pages, and chats that are kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from support import app_of, serving_app

from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.serve.server import read_keys
from tumbler.serve.store import Store
from tumbler.text.tokenizer import Tokenizer

KEY, OTHER = "sk-one-of-two", "sk-the-other"


@pytest.fixture(scope="module")
def guarded(model: Transformer, tokenizer: Tokenizer) -> Iterator[str]:
    app = app_of(Sampler(model, slots=2), tokenizer, keys=[KEY, OTHER], origins=["https://lab.example"])
    with serving_app(app) as url:
        yield url


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_either_key_opens_as_either_header(guarded: str, key: str) -> None:
    assert openai.OpenAI(base_url=f"{guarded}/v1", api_key=key).models.list().data[0].id == "tiny-chat"
    assert httpx.get(f"{guarded}/v1/models", headers={"x-api-key": key}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/tokenize", "/v1/nothing", "/openapi.json"])
def test_without_a_key_nothing_is_told(guarded: str, path: str) -> None:
    wrong = (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"x-api-key": ""},
    )
    for headers in wrong:
        answer = httpx.get(guarded + path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"


def test_health_and_the_page_need_no_key(guarded: str) -> None:
    assert [httpx.get(guarded + path).status_code for path in ("/health", "/")] == [200, 200]


def test_a_client_with_a_wrong_key_gets_openais_error(guarded: str) -> None:
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{guarded}/v1", api_key="sk-wrong", max_retries=0).models.list()


def test_keys_are_never_logged(guarded: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    httpx.post(f"{guarded}/v1/completions", content=b"{", headers=headers)
    httpx.get(f"{guarded}/v1/models", headers={"Authorization": "Bearer sk-secret-but-wrong"})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(key in line for line in ours for key in (KEY, "sk-secret"))


def test_other_sites_may_ask_only_where_they_are_named(guarded: str, server: object) -> None:
    def asked(url: str, origin: str) -> httpx.Headers:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        return httpx.options(f"{url}/v1/chat/completions", headers=headers).headers

    assert asked(guarded, "https://lab.example")["access-control-allow-origin"] == "https://lab.example"
    assert "access-control-allow-origin" not in asked(guarded, "https://evil.example")
    assert "access-control-allow-origin" not in asked(server.url, "https://lab.example")  # type: ignore[attr-defined]


@pytest.fixture
def chats(model: Transformer, tokenizer: Tokenizer, tmp_path: Path) -> Iterator[str]:
    store = Store(f"sqlite:///{tmp_path}/deep/chats.sqlite")
    with serving_app(app_of(Sampler(model), tokenizer, store=store)) as url:
        yield f"{url}/api"
    store.close()


def test_a_chat_is_kept_rated_and_deleted(chats: str) -> None:
    with httpx.Client(base_url=chats) as client:
        chat = client.post("/chats", json={"model": "tiny-chat", "title": "Sums <b>"}).json()
        messages = [
            {"role": "user", "content": "1 + 2?"},
            {"role": "assistant", "content": "3", "reasoning_content": "so"},
        ]
        added = client.post(f"/chats/{chat['id']}/messages", json={"messages": messages}).json()["data"]
        assert [one["message"] for one in added] == messages
        liked = client.put(f"/messages/{added[1]['id']}/feedback", json={"rating": 1, "comment": "right"})
        assert liked.status_code == 200
        found = client.get(f"/chats/{chat['id']}").json()
        assert [(one["rating"], one["comment"]) for one in found["messages"]] == [(None, None), (1, "right")]
        assert found["title"] == "Sums <b>"
        assert [one["id"] for one in client.get("/chats").json()["data"]] == [chat["id"]]
        assert client.delete(f"/chats/{chat['id']}").json()["deleted"]
        assert client.get("/chats").json()["data"] == []
        gone = [
            client.get(f"/chats/{chat['id']}"),
            client.put(f"/messages/{added[0]['id']}/feedback", json={"rating": -1}),
        ]
        assert [answer.status_code for answer in gone] == [404, 404]


def test_chats_survive_the_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chats.sqlite"
    first = Store(url)
    chat = first.begin("x", "m")
    first.append(chat["id"], [{"role": "user", "content": "hi"}])
    first.append(chat["id"], [{"role": "assistant", "content": "ho"}])
    first.close()
    found = Store(url).chat(chat["id"])
    assert found is not None
    assert [one["message"]["content"] for one in found["messages"]] == ["hi", "ho"]


def test_a_rating_is_one_or_minus_one(chats: str) -> None:
    answer = httpx.put(f"{chats}/messages/x/feedback", json={"rating": 5})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "rating")


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/nothing/x.sqlite", "postgresql+nodriver://x"])
def test_a_database_that_cannot_be_opened_is_the_users_mistake(url: str) -> None:
    with pytest.raises(UserError, match=r"cannot be opened: .*; give another URL with --chats"):
        Store(url)


def test_keys_are_read_from_a_file_and_never_told(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{KEY}\n\n  {OTHER}  \n")
    assert read_keys(file) == (KEY, OTHER)
    for text, error in (("", "holds no key"), ("sk-fine-key\nshort\n", "keys:2: a key has at least 8")):
        file.write_text(text)
        with pytest.raises(UserError, match=error) as caught:
            read_keys(file)
        assert "short" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read as a file of API keys"):
        read_keys(tmp_path / "none")
