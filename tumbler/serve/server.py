"""`tumbler serve`: a checkpoint folder on a port of this machine."""

from __future__ import annotations

import functools
import ipaddress
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn

from tumbler.chat.load import FP32, Fit, load_chat
from tumbler.errors import UserError
from tumbler.model import read_config
from tumbler.serve.app import create_app
from tumbler.serve.models import Load, Models
from tumbler.serve.remote import Remote
from tumbler.serve.service import Limits
from tumbler.serve.store import Store

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
SHORTEST_KEY: Final = 8
GRACE_SECONDS: Final = 5
"""How long Ctrl-C waits for answers under way."""


@dataclass(frozen=True)
class Serving:
    """How a server is run."""

    host: str = "127.0.0.1"
    port: int = 8000
    slots: int = 16
    """Requests that a model runs at a time; the others wait."""
    fit: Fit = FP32
    idle_seconds: float | None = None
    at_once: int | None = None
    limits: Limits = field(default_factory=Limits)
    keys: Sequence[str] = ()
    origins: Sequence[str] = ()
    remotes: Sequence[Remote] = ()
    chats: str | None = None
    """URL of the database of chats; none: chats are not kept."""


def serve(folders: Sequence[Path], how: Serving) -> None:
    """Serve models until Ctrl-C. A single one is loaded at once, several when they are asked for."""
    loads = {name: _load(folder, how) for name, folder in _named(folders).items()}
    listening = listen(how.host, how.port)
    store = None if how.chats is None else Store(how.chats)
    app = create_app(
        Models(loads, idle_seconds=how.idle_seconds, at_once=how.at_once),
        limits=how.limits,
        hosts=LOCAL_NAMES if is_local(how.host) else ("*",),
        keys=how.keys,
        origins=how.origins,
        remotes=how.remotes,
        store=store,
    )
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS, server_header=False)
    shown = f"[{how.host}]" if ":" in how.host else how.host
    at = f"http://{shown}:{listening.getsockname()[1]}"
    names = ", ".join(loads)
    print(f"{names}: served at {at} (chat page) and {at}/v1 (OpenAI's API); Ctrl-C ends", file=sys.stderr)
    if not is_local(how.host) and not how.keys:
        print("anyone who can reach this address may ask: give --api-keys FILE to ask for a key", file=sys.stderr)
    uvicorn.Server(config).run(sockets=[listening])


def _load(folder: Path, how: Serving) -> Load:
    return functools.partial(load_chat, folder, slots=how.slots, fit=how.fit)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by their names. UserError: one is no model's, or two have one name."""
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise UserError(f"two models are called {name!r} ({named[name]}, {folder}); rename a folder")
        read_config(folder)
        named[name] = folder
    return named


def read_keys(file: Path) -> tuple[str, ...]:
    """One key a line; blank lines and those that begin with # are none. UserError names the line, never the key."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as a file of API keys: {error}") from error
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#") and (len(line) < SHORTEST_KEY or not line.isascii() or " " in line):
            raise UserError(f"{file}:{number}: a key has at least {SHORTEST_KEY} ASCII characters and no space")
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise UserError(f"{file}: holds no key; write one on a line")
    return keys


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; UserError when the address cannot be had (before a model is loaded for nothing)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise UserError(f"cannot listen on {host}, port {port}: {error}; give another with --host or --port") from error
    return listening


def is_local(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
