"""Rank files are fetched whole or not at all; the server here is real, the hash is of what it gives."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tumbler.errors import Failure, UserError
from tumbler.tokens import rank_client

CONTENT = b"IQ== 0\nIg== 1\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "r50k_base.tiktoken").write_bytes(CONTENT)
    known = {"gpt2": ("r50k_base.tiktoken", hashlib.sha256(CONTENT).hexdigest())}
    monkeypatch.setattr(rank_client, "RANKS", known | {"o200k_base": ("none.tiktoken", "")})
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def test_the_file_is_written_under_its_encodings_name(tmp_path: Path, home: str) -> None:
    assert rank_client.fetch_ranks("gpt2", tmp_path / "out", home) == tmp_path / "out" / "gpt2.tiktoken"
    assert (tmp_path / "out" / "gpt2.tiktoken").read_bytes() == CONTENT


def test_another_file_is_refused_and_nothing_is_written(tmp_path: Path, home: str) -> None:
    (tmp_path / "served" / "r50k_base.tiktoken").write_bytes(CONTENT + b"Iw== 2\n")
    with pytest.raises(Failure, match="SHA-256 differs"):
        rank_client.fetch_ranks("gpt2", tmp_path / "out", home)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_what_is_not_there_and_what_is_not_known_are_told(tmp_path: Path, home: str) -> None:
    with pytest.raises(Failure, match="404"):
        rank_client.fetch_ranks("o200k_base", tmp_path, home)
    with pytest.raises(UserError, match="no 'gpt-2'; did you mean 'gpt2'"):
        rank_client.fetch_ranks("gpt-2", tmp_path, home)


def cut_short(listening: socket.socket) -> None:
    """Promises a thousand bytes, gives a few, and hangs up."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + CONTENT)


def test_a_connection_that_breaks_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=cut_short, args=(listening,), daemon=True).start()
        with pytest.raises(Failure, match="Connection broken"):
            rank_client.fetch_ranks("gpt2", tmp_path / "out", f"http://127.0.0.1:{listening.getsockname()[1]}")
    assert not (tmp_path / "out").exists()
