"""Hostile records through crawl and corpus: whatever the bytes, each is a document or has a reason, in bounded time."""

from __future__ import annotations

import gzip
import io
import random
import resource
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from encodings.aliases import aliases
from pathlib import Path

import pytest

from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.stage import CorpusSettings
from tumbler.corpus.verdict import PageRules, References, judge, refine
from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.warc_reader import read_warc

LIMIT = 1 << 20
COMMON = """
    the of and that have with this from they which their would there been when more other some time people about could
    first after water these two where most through years work such also great because every house country between never
    another while last might since against always during without place river mountain old
"""
SECONDS = 10.0
"""For one record; the slowest took 0.2 s where this was written."""


def record(body: bytes, url: str = "http://a.org/x", headers: bytes = b"Content-Type: text/html\r\n") -> bytes:
    block = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n" + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
    head += "Content-Type: application/http\r\n"
    return head.encode("utf-8", "replace") + f"Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def prose(draw: random.Random, sentences: int = 12) -> str:
    return " ".join(" ".join(draw.choices(COMMON.split(), k=12)).capitalize() + "." for _ in range(sentences))


def html(inner: str) -> str:
    return f"<html><head><title>t</title></head><body><article><p>{inner}</p></article></body></html>"


def bases(draw: random.Random) -> list[bytes]:
    """Sound records, each of another kind."""
    text = html("</p><p>".join(prose(draw) for _ in range(6)))
    body = text.encode()
    gz, deflated = gzip.compress(body), zlib.compress(body)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    typed = b"Content-Type: text/html\r\n"
    codec = draw.choice(sorted(set(aliases.values())))
    try:
        legacy = html("Grüße, привет, こんにちは " * 40).encode(codec, "replace")
    except (LookupError, TypeError, UnicodeError, ValueError, AssertionError):  # codecs that encode no text
        legacy = b"\xff\xfe" + html(prose(draw)).encode("utf-16-le")
    return [
        record(body),
        record(gz, headers=typed + b"Content-Encoding: gzip\r\n"),
        record(deflated, headers=typed + b"Content-Encoding: deflate\r\n"),
        record(chunked, headers=typed + b"Transfer-Encoding: chunked\r\n"),
        record(legacy, headers=b"Content-Type: text/html; charset=" + codec.encode() + b"\r\n"),
        record(body, url="http://a.org/" + "x" * 100_000),
        record(html("<div " + "a='b' " * 5000 + ">" + "<b>" * 2000 + prose(draw)).encode()),
        record(html("&#xD800;&#0;&#99999999;\0\0" + prose(draw) + "\u202e\ufeff").encode()),
        record(html("<table>" + "<tr><td>1" * 2000 + "</table>" + "a" * 50_000).encode()),
        record(html(prose(draw)).encode().replace(b" ", b"\xc2\xa0").replace(b"people", b"\xff\xfe\xf0")),
    ]


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Some bytes flipped, lost, put in, doubled, or the end cut off; then maybe compressed, maybe damaged again."""
    changed = bytearray(data)
    for _ in range(draw.randint(0, 4)):
        at = draw.randrange(len(changed) + 1)
        size = draw.choice((1, 2, 20, 500))
        match draw.randrange(5):
            case 0:
                changed[at : at + size] = draw.randbytes(min(size, len(changed) - at))
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = draw.choice((b"\0", b"\r\n\r\n", b"WARC/1.0\r\n", b"<", b"\x1f\x8b\x08")) * size
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                del changed[max(at, 1) :]
    if draw.random() < 0.5:
        packed = bytearray(gzip.compress(bytes(changed), 1))
        if draw.random() < 0.4:
            packed[draw.randrange(len(packed))] ^= 1 << draw.randrange(8)
        changed = packed
    return bytes(changed)


def files(count: int, seed: int) -> Iterator[bytes]:
    """`count` mutated records, five a file with a sound one at the end of each."""
    draw = random.Random(seed)
    sound = record(html(prose(draw)).encode(), url="http://a.org/sound")
    for _ in range(count // 5):
        packed = draw.random() < 0.5
        parts = [mutated(draw.choice(bases(draw)), draw) for _ in range(5)]
        yield b"".join([*parts, gzip.compress(sound) if packed else sound])


def survive(count: int, seed: int) -> tuple[Counter[str], float]:
    """What became of the records, and the longest that one took."""
    settings = CorpusSettings()
    rules = PageRules(**{name: getattr(settings, name) for name in PageRules.__dataclass_fields__})
    references = References(Blocklist(), {}, None)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for data in files(count, seed):
        for item in read_warc(io.BytesIO(data), "a.warc.gz" if data[:2] == b"\x1f\x8b" else "a.warc", LIMIT):
            begun = time.perf_counter()
            if isinstance(item, Dropped):
                outcomes[f"crawl: {item.reason}"] += 1
                continue
            assert isinstance(item, Page)
            verdict = judge(rules, references, item.url, item.body, item.form)
            refined = refine(rules, references, item.id, verdict) if verdict.reason is None else None
            for text in (item.body, item.url, verdict.text, refined.text if refined else ""):
                text.encode()
            outcomes[verdict.reason or (refined.reason if refined else None) or "kept"] += 1
            slowest = max(slowest, time.perf_counter() - begun)
    return outcomes, slowest


def test_mutated_records_have_an_outcome_in_bounded_time() -> None:
    outcomes, slowest = survive(500, seed=1)
    assert outcomes["crawl: damaged"] and outcomes["kept"] and outcomes.total() > 500
    assert slowest < SECONDS


@pytest.mark.slow
def test_20000_mutated_records_have_an_outcome_in_bounded_time_and_memory() -> None:
    survive(500, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes, slowest = survive(20_000, seed=3)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\n{outcomes.total():,} outcomes, slowest {slowest:.2f} s, {grown:.0f} MB more\n{outcomes.most_common()}")
    assert slowest < SECONDS and grown < 300


@pytest.mark.slow
def test_a_member_that_inflates_to_10_gb_of_zeros_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.warc.gz"
    size = 10 << 30
    head = record(b"")[:-4].replace(b"Content-Length: 44", b"Content-Length: %d" % (size + 44))
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(packer.compress(head))
        for _ in range(size >> 20):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush() + gzip.compress(record(html(prose(random.Random(0))).encode())))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with path.open("rb") as file:
        found = list(read_warc(file, "bomb.warc.gz", LIMIT))
    assert [item.reason for item in found if isinstance(item, Dropped)] == ["too large"]
    assert sum(isinstance(item, Page) for item in found) == 1, "the record behind it is read"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100
