"""A real HTTP server on a port of its own, which keeps to the rules until a test tells it not to."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", bytes], None]
"""What happens instead of a good answer; gets the bytes of the file that was asked for."""


@dataclass(frozen=True)
class Asked:
    time: float
    path: str
    headers: Mapping[str, str]


@dataclass
class Site:
    """Files by path, and what goes wrong: the first behaviours of a path are used up one by one."""

    files: dict[str, bytes] = field(default_factory=dict)
    trouble: dict[str, list[Behaviour]] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    """Requests under way at the same time, at most."""
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> list[str]:
        return [item.path for item in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        with site.lock:
            site.asked.append(Asked(time.monotonic(), self.path, dict(self.headers)))
            site.busy += 1
            site.busiest = max(site.busiest, site.busy)
            waiting = site.trouble.get(self.path)
            behaviour = waiting.pop(0) if waiting else self.usual()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                behaviour(self, site.files.get(self.path, b""))
        finally:
            with site.lock:
                site.busy -= 1

    def usual(self) -> Behaviour:
        """What answers the path when no trouble waits for it."""
        return serve

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(handler: Handler, body: bytes) -> None:
    """As RFC 9110 wants it: ranges, entity tags, If-Range."""
    site, path = handler.site, handler.path
    if path not in site.files:
        handler.head(404, Content_Length=0)
        return
    tag = site.etags.get(path, f'"{hash(body)}"')
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    first = int(wanted[1]) if wanted and handler.headers.get("If-Range", tag) == tag else None
    if first is None:
        handler.head(200, Content_Length=len(body), ETag=tag, **site.headers)
        handler.wfile.write(body)
    elif first >= len(body):
        handler.head(416, Content_Length=0, Content_Range=f"bytes */{len(body)}")
    else:
        part = f"bytes {first}-{len(body) - 1}/{len(body)}"
        handler.head(206, Content_Length=len(body) - first, Content_Range=part, ETag=tag)
        handler.wfile.write(body[first:])


def answer(status: int, body: bytes = b"", **headers: object) -> Behaviour:
    def behave(handler: Handler, _: bytes) -> None:
        handler.head(status, **{"Content_Length": len(body), **headers})
        handler.wfile.write(body)

    return behave


def cut(size: int) -> Behaviour:
    """Promise all that was asked for, send `size` bytes of it and hang up."""

    def behave(handler: Handler, body: bytes) -> None:
        handler.wfile = Cut(handler.wfile, size)  # type: ignore[assignment]
        serve(handler, body)
        handler.hang_up()

    return behave


class Cut:
    """A file that takes the head and the first bytes of a body."""

    def __init__(self, file: Any, size: int) -> None:
        self.file, self.left, self.in_body = file, size, False

    def write(self, data: bytes) -> int:
        if data.startswith(b"HTTP/"):
            return int(self.file.write(data))
        part, self.left = data[: self.left], max(0, self.left - len(data))
        return int(self.file.write(part))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def ignore_range(handler: Handler, body: bytes) -> None:
    handler.head(200, Content_Length=len(body))
    handler.wfile.write(body)


def wrong_range(handler: Handler, body: bytes) -> None:
    """206, but from the beginning."""
    handler.head(206, Content_Length=len(body), Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
    handler.wfile.write(body)


def lying_range(handler: Handler, body: bytes) -> None:
    """206 that names the range that was asked for, with other bytes in it."""
    first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    size = len(body) - first
    handler.head(206, Content_Length=size, Content_Range=f"bytes {first}-{len(body) - 1}/{len(body)}")
    handler.wfile.write(b"?" * size)


def newer_range(handler: Handler, body: bytes) -> None:
    """206 of a file that is another one from some place on, with its tag, whatever If-Range says."""
    first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    part = body[first : first + 2000].ljust(len(body) - first, b"?")
    span = f"bytes {first}-{len(body) - 1}/{len(body)}"
    handler.head(206, Content_Length=len(part), Content_Range=span, ETag='"newer"')
    handler.wfile.write(part)


def short_range(handler: Handler, body: bytes) -> None:
    """206 of less than was asked for, and no lie in it."""
    first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    handler.head(206, Content_Length=2000, Content_Range=f"bytes {first}-{first + 1999}/{len(body)}")
    handler.wfile.write(body[first : first + 2000])


def long_range(handler: Handler, body: bytes) -> None:
    """206 of what was asked for, and something more."""
    first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    span = f"bytes {first}-{len(body) - 1}/{len(body)}"
    handler.head(206, Transfer_Encoding="chunked", Content_Range=span)
    part = body[first:] + b"more"
    handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(part), part))


def endless(handler: Handler, _: bytes, status: int = 200, **headers: object) -> None:
    handler.head(status, Transfer_Encoding="chunked", **headers)
    while True:
        handler.wfile.write(b"4000\r\n" + b"0" * 0x4000 + b"\r\n")


def chunked(handler: Handler, body: bytes) -> None:
    handler.head(200, Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


def cut_chunk(handler: Handler, body: bytes) -> None:
    handler.head(200, Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%s" % (len(body), body[: len(body) // 2]))
    handler.hang_up()


def untold_length(handler: Handler, body: bytes) -> None:
    """The end of the line would be the end of the file, but half of it is missing."""
    handler.head(200, Connection="close")
    handler.wfile.write(body[: len(body) // 2])
    handler.hang_up()


def drip(handler: Handler, body: bytes) -> None:
    handler.head(200, Content_Length=len(body))
    for byte in body:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


def silence(handler: Handler, _: bytes) -> None:
    time.sleep(1.0)
    handler.hang_up()


def hang_up(handler: Handler, _: bytes) -> None:
    handler.hang_up()


def garbage(handler: Handler, _: bytes) -> None:
    handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
    handler.hang_up()


ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 301 Moved\r\nLocation: /mad/\xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/html; charset=idna\r\n\r\n\x1f\x8b\x08hello",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Nothing\r\n\r\n",
)
PIECES = (
    b"\r\n",
    b"\r\n\r\n",
    b": ",
    b"Content-Length: 999999999999\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"\x9c" * 70_000,
)


def damaged(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(ANSWERS))
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data))
        data[place : place + chance.randint(0, 5)] = chance.choice((b"", chance.randbytes(1), chance.choice(PIECES)))
        data = data or bytearray(b"x")
    return bytes(data)


def say(data: bytes, handler: Handler, _: bytes) -> None:
    handler.wfile.write(data)
    handler.hang_up()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


@contextmanager
def serving(site: Site, handler: type[Handler] = Handler) -> Iterator[Site]:
    """The site on a free port of this machine, each request in a thread of its own."""
    bound = type("Bound", (handler,), {"site": site})
    server = Server(("127.0.0.1", 0), bound)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
