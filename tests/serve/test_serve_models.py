"""Several models: loaded when asked for, unloaded when idle or to make room, and one that cannot be loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import Parrot, app_of, serving_app

from tumbler.chat import ChatModel
from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.serve.app import create_app
from tumbler.serve.models import Models
from tumbler.serve.remote import Remote
from tumbler.serve.server import Serving, serve
from tumbler.text.tokenizer import Tokenizer

Loading = Callable[[str], Callable[[], ChatModel]]


@pytest.fixture
def loaded() -> list[str]:
    """Names of models, in the order in which they were loaded."""
    return []


@pytest.fixture
def loading(model: Transformer, tokenizer: Tokenizer, loaded: list[str]) -> Loading:
    def of(name: str) -> Callable[[], ChatModel]:
        def load() -> ChatModel:
            loaded.append(name)
            if name == "broken":
                raise UserError("broken/config.json: no such file")
            return ChatModel.of(Sampler(model, slots=2), tokenizer)

        return load

    return of


def ask(url: str, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "prompt": "the", "max_tokens": 2, **more}
    return httpx.post(f"{url}/v1/completions", json=body, timeout=20)


def in_memory(url: str) -> list[str]:
    return [entry["id"] for entry in httpx.get(f"{url}/v1/models").json()["data"] if entry["loaded"]]


def test_a_model_is_loaded_once_when_it_is_first_asked(loading: Loading, loaded: list[str]) -> None:
    with serving_app(create_app(Models({"a": loading("a"), "b": loading("b")}))) as url:
        assert in_memory(url) == loaded == []
        assert [ask(url, "b").status_code for _ in range(2)] == [200, 200]
        assert in_memory(url) == loaded == ["b"]


def test_an_idle_model_goes_and_comes_back(loading: Loading, loaded: list[str]) -> None:
    with serving_app(create_app(Models({"a": loading("a")}, idle_seconds=0.2))) as url:
        assert ask(url, "a").status_code == 200
        deadline = time.monotonic() + 5
        while in_memory(url) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert in_memory(url) == []
        assert ask(url, "a").status_code == 200
        assert loaded == ["a", "a"]


def test_the_model_that_was_idle_longest_makes_room(loading: Loading) -> None:
    names = ("a", "b", "c")
    with serving_app(create_app(Models({name: loading(name) for name in names}, at_once=2))) as url:
        for name in ("a", "b", "a", "c"):
            assert ask(url, name).status_code == 200
        assert sorted(in_memory(url)) == ["a", "c"]


def test_a_model_that_answers_is_not_unloaded_to_make_room(
    loading: Loading, model: Transformer, tokenizer: Tokenizer
) -> None:
    endless = Parrot(model, tokenizer, tokenizer.encode("on and on "), 0.01)
    models = Models({"a": lambda: ChatModel.of(endless, tokenizer), "b": loading("b")}, at_once=1)
    with serving_app(create_app(models)) as url:
        asked = {"model": "a", "prompt": "forever", "stream": True}
        with httpx.stream("POST", f"{url}/v1/completions", json=asked) as busy:
            lines = busy.iter_lines()  # closing it would end the request
            next(lines)
            refused = ask(url, "b")
        assert refused.status_code == 429
        assert "busy" in refused.json()["error"]["message"]


def test_a_model_that_cannot_be_loaded_is_a_503_and_the_others_answer(loading: Loading) -> None:
    with serving_app(create_app(Models({name: loading(name) for name in ("a", "broken")}))) as url:
        for _ in range(2):
            answer = ask(url, "broken")
            assert answer.status_code == 503
            assert "cannot be loaded: broken/config.json: no such file" in answer.json()["error"]["message"]
        assert ask(url, "a").status_code == 200
        assert httpx.get(f"{url}/health").status_code == 200


def test_folders_of_one_name_and_folders_of_no_model_are_refused_before_a_server_starts(tmp_path: Path) -> None:
    for place in ("one", "other"):
        (tmp_path / place / "m").mkdir(parents=True)
    with pytest.raises(UserError, match=r"config\.json"):
        serve([tmp_path / "one" / "m"], Serving(port=0))


def test_a_remote_model_stands_beside_ours_and_is_asked_there(model: Transformer, tokenizer: Tokenizer) -> None:
    def sampler() -> Sampler:
        return Sampler(model, slots=2)

    far_app = app_of(sampler(), tokenizer, "far", keys=["far-key"])
    with serving_app(far_app) as far:
        remote = Remote(f"{far}/v1", "far-key")
        near_app = app_of(sampler(), tokenizer, "near", remotes=[remote], keys=["near-key"])
        with serving_app(near_app) as near, httpx.Client(headers={"Authorization": "Bearer near-key"}) as client:
            names = [entry["id"] for entry in client.get(f"{near}/v1/models").json()["data"]]
            assert names == ["near", "far"]
            body = {"model": "far", "prompt": "the", "max_tokens": 8, "seed": 1}
            answer = client.post(f"{near}/v1/completions", json=body)
            assert answer.json()["model"] == "far"
            ours = client.post(f"{near}/v1/completions", json=body | {"model": "near"})
            assert ours.json()["choices"] == answer.json()["choices"]
            with client.stream("POST", f"{near}/v1/completions", json=body | {"stream": True}) as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                lines = [line for line in stream.iter_lines() if line]
            assert lines[-1] == "data: [DONE]"
            wrong = client.post(f"{near}/v1/completions", json=body | {"temperature": 9})
            assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "temperature")
            assert client.post(f"{near}/v1/completions", json=body | {"model": "no"}).status_code == 404
            assert httpx.post(f"{near}/v1/completions", json=body).status_code == 401


def test_a_remote_server_that_is_away_is_a_502_or_unknown(model: Transformer, tokenizer: Tokenizer) -> None:
    with serving_app(app_of(Sampler(model), tokenizer, "far")) as far:
        remote = Remote(f"{far}/v1")
        app = app_of(Sampler(model), tokenizer, "near", remotes=[remote, Remote("http://127.0.0.1:9/v1")])
    with serving_app(app) as near:
        assert [entry["id"] for entry in httpx.get(f"{near}/v1/models").json()["data"]] == ["near"]
        assert ask(near, "far").status_code == 404
        remote._models, remote._known = [{"id": "far"}], time.monotonic()
        assert ask(near, "far").status_code == 502
        assert ask(near, "near").status_code == 200
