"""Clients that people use: simonw's `llm`, and litellm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_llm_talks_to_it_as_to_any_openai_model(server: Any, tmp_path: Path) -> None:
    pytest.importorskip("llm")
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: ours\n  model_name: tiny-chat\n  api_base: {server.url}/v1\n  api_key_name: ours\n"
    )
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OURS_API_KEY": "none"}

    def llm(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "llm", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    asked = server.client.chat.completions.create(
        model="tiny-chat", messages=[{"role": "user", "content": "hello"}], max_tokens=12, temperature=0
    )
    options = ("-o", "max_tokens", "12", "-o", "temperature", "0", "--key", "none")
    for more in ((), ("--no-stream",)):
        done = llm("-m", "ours", *options, *more, "hello")
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip("\n") == asked.choices[0].message.content.rstrip("\n")


@pytest.mark.slow
def test_litellm_talks_to_it_as_to_any_openai_model(server: Any) -> None:
    litellm = pytest.importorskip("litellm")
    asked: Any = {
        "model": "openai/tiny-chat",
        "messages": [{"role": "user", "content": "hello"}],
        "api_base": f"{server.url}/v1",
        "api_key": "none",
        "max_tokens": 12,
        "temperature": 0,
    }
    whole = litellm.completion(**asked).choices[0].message.content
    plain = server.client.chat.completions.create(
        model="tiny-chat", messages=asked["messages"], max_tokens=12, temperature=0
    )
    assert whole == plain.choices[0].message.content
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**asked, stream=True))
    assert streamed == whole
    embedded = litellm.embedding(
        model="openai/tiny-chat", input=["the cat"], api_base=f"{server.url}/v1", api_key="none"
    )
    assert len(embedded.data[0]["embedding"]) == server.model.config.hidden_size
