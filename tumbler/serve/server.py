"""`tumbler serve`: a checkpoint folder on a port of this machine."""

from __future__ import annotations

import ipaddress
import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn

from tumbler.chat.load import load_chat
from tumbler.errors import UserError
from tumbler.model import recommended_temperature
from tumbler.serve.app import create_app

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
GRACE_SECONDS: Final = 5
"""How long Ctrl-C waits for answers under way."""


def serve(folder: Path, host: str = "127.0.0.1", port: int = 8000, *, slots: int = 16) -> None:
    """Serve until Ctrl-C. `slots` requests run at a time, the others wait."""
    listening = listen(host, port)
    sampler, tokenizer = load_chat(folder, slots=slots)
    name = folder.resolve().name
    app = create_app(
        sampler,
        tokenizer,
        name,
        temperature=recommended_temperature(folder),
        hosts=LOCAL_NAMES if is_local(host) else ("*",),
    )
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS, server_header=False)
    shown = f"[{host}]" if ":" in host else host
    at = f"http://{shown}:{listening.getsockname()[1]}"
    print(f"{name} is served at {at} (chat page) and {at}/v1 (OpenAI's API); Ctrl-C ends", file=sys.stderr)
    uvicorn.Server(config).run(sockets=[listening])


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
