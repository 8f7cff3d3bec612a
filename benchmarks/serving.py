"""Many clients at once: what a server answers, how long they wait, and whether its memory grows.

    python benchmarks/serving.py runs/smollm2 --clients 200 --minutes 3 --precision bf16
    python benchmarks/serving.py runs/smollm2 --leave 500

The server runs in a process of its own. Each client asks for a streamed completion of --tokens after a
prompt of as many, again and again; arrivals are spread evenly. --leave: clients that disconnect at random points, then
how long until all slots are free.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

WARM_SECONDS = 20.0


@dataclass
class Seen:
    """What clients saw, in seconds from a request's begin."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def main() -> None:
    options = _options()
    async with _server(options) as (url, process):
        vocabulary = (await _get(url, f"/tokenizer_info?model={options.model.resolve().name}"))["vocab_size"]
        if options.leave:
            await _leave(options, url, vocabulary)
        else:
            await _load(options, url, process, vocabulary)


@asynccontextmanager
async def _server(options: argparse.Namespace) -> AsyncIterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tumbler", "serve", str(options.model), "--port", str(port)]
    command += ["--slots", str(options.slots), "--precision", options.precision]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None, "the server ended; start it by hand to see why"
            try:
                await _get(url, "/health")
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


async def _get(url: str, path: str) -> dict[str, object]:
    async with httpx.AsyncClient(timeout=300) as client:
        found: dict[str, object] = (await client.get(url + path)).raise_for_status().json()
        return found


def _body(options: argparse.Namespace, vocabulary: int, draw: random.Random) -> dict[str, object]:
    ids = [draw.randrange(100, vocabulary - 100) for _ in range(options.tokens)]
    asked = {"model": options.model.resolve().name, "prompt": ids, "max_tokens": options.tokens, "stream": True}
    return asked | {"temperature": 0.8, "seed": draw.randrange(2**31)}


async def _load(options: argparse.Namespace, url: str, process: psutil.Process, vocabulary: int) -> None:
    seen, begun = Seen(), time.perf_counter()
    end = begun + WARM_SECONDS + 60 * options.minutes
    memory: list[tuple[float, float]] = []
    limits = httpx.Limits(max_connections=options.clients)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        work = [_client(n, options, client, url, vocabulary, seen, begun, end) for n in range(options.clients)]
        rate, *_ = await asyncio.gather(_watch(url, process, memory, begun, end), *work)
    _tell(options, seen, rate)
    warm = [size for at, size in memory if at > WARM_SECONDS]
    third = len(warm) // 3
    print(f"memory after warm-up: {statistics.mean(warm[:third]):.0f} MB in the first third of the time, "
          f"{statistics.mean(warm[-third:]):.0f} MB in the last, {max(warm):.0f} MB at most")  # fmt: skip


async def _client(
    number: int,
    options: argparse.Namespace,
    client: httpx.AsyncClient,
    url: str,
    vocabulary: int,
    seen: Seen,
    begun: float,
    end: float,
) -> None:
    draw = random.Random(number)
    await asyncio.sleep(WARM_SECONDS / 2 * number / options.clients)
    while time.perf_counter() < end:
        at, first = time.perf_counter(), 0.0
        try:
            async with client.stream("POST", f"{url}/v1/completions", json=_body(options, vocabulary, draw)) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        first = first or time.perf_counter()
                        if "error" in line[:12]:
                            seen.errors.append(line)
            if answer.status_code != 200:
                seen.errors.append(str(answer.status_code))
        except httpx.HTTPError as error:
            seen.errors.append(repr(error))
        if at > begun + WARM_SECONDS:
            seen.first.append(first - at)
            seen.whole.append(time.perf_counter() - at)


async def _watch(
    url: str, process: psutil.Process, memory: list[tuple[float, float]], begun: float, end: float
) -> float:
    """Tokens made a second after the warm-up."""
    made: list[tuple[float, float]] = []
    while (now := time.perf_counter()) < end:
        memory.append((now - begun, process.memory_info().rss / 2**20))
        if not made and now > begun + WARM_SECONDS:
            made.append((now, await _figure(url, r"tumbler_generation_tokens_total")))
        await asyncio.sleep(1)
    made.append((time.perf_counter(), await _figure(url, r"tumbler_generation_tokens_total")))
    (first, before), (last, after) = made
    return (after - before) / (last - first)


def _tell(options: argparse.Namespace, seen: Seen, rate: float) -> None:
    print(f"{options.clients} clients, {len(seen.whole)} answers of {options.tokens} tokens after {options.tokens}, "
          f"{len(seen.errors)} errors {seen.errors[:1] or ''}")  # fmt: skip
    print(f"{rate:.0f} tokens made a second, after as many read")
    for name, times in (("first token", seen.first), ("whole answer", seen.whole)):
        ordered = sorted(times)
        median, p99 = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
        print(f"{name}: median {median:.2f} s, p99 {p99:.2f} s ({p99 / median:.2f} times), longest {ordered[-1]:.2f} s")


async def _leave(options: argparse.Namespace, url: str, vocabulary: int) -> None:
    draw, place = random.Random(0), httpx.URL(url)

    async def visit() -> None:
        body = json.dumps(_body(options, vocabulary, draw)).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        sent = f"{head}Content-Type: application/json\r\n\r\n".encode() + body
        await asyncio.sleep(draw.uniform(0, 5))
        _, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(sent[: draw.randrange(len(sent))] if draw.random() < 0.2 else sent)
        await writer.drain()
        await asyncio.sleep(draw.expovariate(1))
        if draw.random() < 0.5:
            writer.transport.abort()
        writer.close()

    await asyncio.gather(*(visit() for _ in range(options.leave)))
    begun = time.perf_counter()
    while await _figure(url, r"tumbler_requests_(?:running|waiting)"):
        await asyncio.sleep(0.01)
    print(f"{options.leave} clients left at random points; all slots free {time.perf_counter() - begun:.2f} s later")


async def _figure(url: str, name: str) -> float:
    """Of the metrics' page: the sum over all labels."""
    async with httpx.AsyncClient(timeout=30) as client:
        page = (await client.get(f"{url}/metrics")).text
    return sum(map(float, re.findall(rf"^{name}\{{.*\}} (\S+)", page, re.MULTILINE)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--leave", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
