"""Models of the Hugging Face Hub, by a server on this machine that answers as the Hub's API does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from support import WebAnswer, answering

COMMIT = "c" * 40
MakeFolder = Callable[..., Path]


def told(body: object) -> WebAnswer:
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def hub_of(folder: Path, asked: list[str]) -> Callable[[str], WebAnswer]:
    """The Hub, with the one model owner/name, whose files are those of `folder`."""

    def answer(address: str) -> WebAnswer:
        path = urlsplit(address).path
        asked.append(path)
        if path == "/api/models/owner/name/revision/main":
            return told({"id": "owner/name", "sha": COMMIT, "private": False, "tags": [], "siblings": []})
        if path == f"/api/models/owner/name/tree/{COMMIT}":
            files = sorted(folder.iterdir())
            return told([{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "a" * 40} for f in files])
        if path.startswith(f"/owner/name/resolve/{COMMIT}/"):
            content = (folder / path.rpartition("/")[2]).read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            return 200, {"ETag": tag, "X-Repo-Commit": COMMIT}, content
        if path.startswith("/api/models/owner/name/revision/"):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if path.startswith("/api/models/owner/gated/"):
            return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    return answer


def bring(name: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "tumbler", "import", "hf", name]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300)


def test_a_model_of_the_hub_comes_in_without_code_and_pickles_and_once(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, asked = make_folder("qwen3"), list[str]()
    for name in ("modeling.py", "pytorch_model.bin", "README.md"):
        (folder / name).write_text("import os")
    with answering(hub_of(folder, asked)) as endpoint:
        done = bring("owner/name", endpoint, tmp_path)
        assert done.returncode == 0, done.stderr
        got = {path.rpartition("/")[2] for path in asked if "/resolve/" in path}
        assert got == {file.name for file in folder.iterdir()} - {"modeling.py", "pytorch_model.bin"}
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            assert (tmp_path / "runs" / "name" / file).read_bytes() == (folder / file).read_bytes()


def test_what_the_hub_does_not_give_is_told_in_one_line(make_folder: MakeFolder, tmp_path: Path) -> None:
    with answering(hub_of(make_folder("qwen3"), [])) as endpoint:
        told = {
            "owner/gone": "no folder here, and no model of the Hub",
            "owner/gated": "its owner asks for consent",
            "owner/name@v9": "has no revision 'v9'",
        }
        for name, error in told.items():
            done = bring(name, endpoint, tmp_path)
            assert done.returncode == 2
            assert error in done.stderr
            assert done.stderr.count("\n") == 1
    away = bring("owner/name", "http://127.0.0.1:9", tmp_path)
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)
    assert "the same command goes on" in away.stderr
