"""HTTP client: one URL -> one whole file, however often the line drops, and politely over all workers of a run.

Built on `requests`, which is installed already (tldextract needs it) and well kept: it honours the
usual variables for proxies and certificates and hands out the bytes as they come, not decoded.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import requests
import urllib3
from filelock import FileLock

from tumbler import __version__
from tumbler.crawl.gate_client import Gate
from tumbler.crawl.http import HTTP
from tumbler.crawl.partial_writer import Changed, Partial, Version
from tumbler.errors import Failure, UserError

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that a later try may not meet. 416 is handled by itself."""
SLOW_DOWN: Final = frozenset({429, 503})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS: Final = 5
LONGEST_BACKOFF: Final = 60.0
"""Seconds."""
PROGRESS: Final = 1 << 20
"""New bytes that make a broken try no failure: large files over bad lines end, a server that drips does not win."""
SLOWEST: Final = 1000
"""Bytes a second."""
BLOCK: Final = 1 << 16


class NotThere(UserError):
    """The server knows no such file (404, 410)."""


class Broken(Exception):
    """A try that failed, and may succeed when made again; `wait`: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None, everyone: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.everyone = everyone


@dataclass(frozen=True)
class Client:
    """Pickles; all workers that share `folder` share its politeness."""

    http: HTTP
    folder: Path

    def download(self, url: str, path: Path, max_bytes: int) -> None:
        """Fetch `url` into `path` unless it is there; go on from the bytes that an earlier run left beside it.

        Raises NotThere, UserError for another refusal, Failure when the tries are used up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{path.name}.lock"):  # a worker that was given up for lost may still be at it
            self._download(url, Partial(path), max_bytes)

    def _download(self, url: str, partial: Partial, max_bytes: int) -> None:
        best, failures = partial.size, 0
        while not partial.path.exists():
            try:
                self._try(url, partial, max_bytes)
            except Broken as broken:
                failures = 1 if partial.size >= best + PROGRESS else failures + 1
                best = max(best, partial.size)
                if failures >= self.http.tries:
                    raise Failure(
                        f"{url}: given up after {failures} tries ({broken}); "
                        f"the same command goes on from the {partial.size:,} bytes on disk"
                    ) from broken
                self._wait(url, broken, failures)

    def _try(self, url: str, partial: Partial, max_bytes: int) -> None:
        known = partial.version()
        if known is None or partial.size != known.total:
            with (
                self._gate.connection(),
                _broken_by_network(),
                _Session() as session,
                self._answer(session, url, partial, known) as answer,
            ):
                _check_status(answer, url, partial)
                _Arrival(url, answer, partial, max_bytes, self.http.timeout).receive(known)
        partial.finish()

    @property
    def _gate(self) -> Gate:
        return Gate(self.folder, self.http.connections, self.http.delay)

    def _answer(
        self, session: requests.Session, url: str, partial: Partial, known: Version | None
    ) -> requests.Response:
        """The answer behind all redirects."""
        headers = {"User-Agent": f"tumbler/{__version__}", "Accept-Encoding": "identity", **_range(partial, known)}
        for _ in range(1 + MAX_REDIRECTS):
            self._gate.turn()
            answer = session.get(url, headers=headers, stream=True, timeout=self.http.timeout)
            if answer.status_code not in REDIRECTS or "Location" not in answer.headers:
                return answer
            answer.close()
            url = _joined(url, answer.headers["Location"])
        raise Broken(f"more than {MAX_REDIRECTS} redirects")

    def _wait(self, url: str, broken: Broken, failures: int) -> None:
        """Before the next try: what the server asks for, else exponential backoff with jitter."""
        if (broken.wait or 0) > self.http.patience:
            raise Failure(f"{url}: {broken}, asks to come back in {broken.wait:,.0f} s; run the same command then")
        seconds = min(LONGEST_BACKOFF, self.http.backoff * 2 ** (failures - 1)) * random.uniform(2 / 3, 4 / 3)
        if broken.everyone:
            self._gate.pause(broken.wait if broken.wait is not None else seconds)
        else:
            time.sleep(broken.wait if broken.wait is not None else seconds)


def phrase(status: int) -> str:
    """What a status means, in the standard's words; a server's own are not to be trusted on a terminal."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "of no standard"


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Broken("redirect to no address") from error


def _range(partial: Partial, known: Version | None) -> dict[str, str]:
    if known is None:
        return {}
    wanted = {"Range": f"bytes={partial.resume_at}-"}
    return {**wanted, "If-Range": known.validator} if known.validator else wanted


class _Session(requests.Session):
    """Sees no redirect by itself: to follow one, or only to look at it, requests reads a body that might never end."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


@dataclass(frozen=True)
class _Arrival:
    """An answer on its way into a partial file."""

    url: str
    answer: requests.Response
    partial: Partial
    max_bytes: int
    timeout: float

    def receive(self, known: Version | None) -> None:
        """Take the body behind the bytes on disk (of `known`) or in their place. Returns when the file is whole."""
        start = self.partial.resume_at if self.answer.status_code == 206 else 0
        version = self._version(known, start)
        if version.total is None and not self.answer.raw.chunked:
            raise Broken("the server tells no length, so a cut file would look whole")
        self._append(start, self.max_bytes if version.total is None else version.total)
        if version.total is not None and self.partial.size < version.total:
            raise Broken(f"cut short: {self.partial.size:,} of {version.total:,} bytes")

    def _version(self, known: Version | None, start: int) -> Version:
        """Which file comes, from its beginning (200) or from `start` on (206); UserError when it is too long."""
        if self.answer.status_code == 206:
            if known is None or not _goes_on(self.answer, start, known):
                self.partial.discard()
                raise Broken("not the range that was asked for, or of another file")
            return known
        version = Version(_validator(self.answer), _length(self.answer))
        self.partial.begin(version)
        if (version.total or 0) > self.max_bytes:
            raise self._too_long()
        return version

    def _append(self, start: int, limit: int) -> None:
        try:
            self.partial.append(_blocks(self.answer, self.timeout), start, limit)
        except Changed as error:
            self.partial.discard()
            raise Broken("the file on the server is another one now") from error
        except OverflowError as error:
            self.partial.discard()
            if limit < self.max_bytes:
                raise Broken("more bytes than the file has") from error
            raise self._too_long() from error

    def _too_long(self) -> UserError:
        return UserError(f"{self.url}: longer than {self.max_bytes:,} bytes, so not the file that it should be")


def _check_status(answer: requests.Response, url: str, partial: Partial) -> None:
    status = f"{answer.status_code} {phrase(answer.status_code)}"
    if answer.status_code in (200, 206):
        return
    if answer.status_code == 416:
        partial.discard()
        raise Broken(status)
    if answer.status_code in AGAIN:
        raise Broken(status, retry_after(answer.headers.get("Retry-After")), answer.status_code in SLOW_DOWN)
    if answer.status_code in (404, 410):
        raise NotThere(f"{url}: the server knows no such file ({status}); mend the address")
    raise UserError(f"{url}: refused ({status}), so not asked again; mend the address, or ask more slowly later")


def _goes_on(answer: requests.Response, start: int, known: Version) -> bool:
    """Whether a 206 holds the rest, from `start`, of the file that is known."""
    found = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+)", answer.headers.get("Content-Range", "").strip())
    same = known.validator is None or _validator(answer) in (None, known.validator)
    return found is not None and same and found.groups() == (str(start), str(known.total))


def _validator(answer: requests.Response) -> str | None:
    tag: str | None = answer.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) and not answer.raw.chunked else None


def _blocks(answer: requests.Response, timeout: float) -> Iterator[bytes]:
    """The bytes as they come; Broken when they only drip."""
    begun, size = time.monotonic(), 0
    while block := answer.raw.read1(BLOCK, decode_content=False):
        size += len(block)
        if (seconds := time.monotonic() - begun) > timeout:
            if size < SLOWEST * seconds:
                raise Broken(f"slower than {SLOWEST:,} bytes a second")
            begun, size = time.monotonic(), 0
        yield block


@contextmanager
def _broken_by_network() -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Broken(f"{type(error).__name__}: {str(error)[:200]}") from error


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date (RFC 9110, section 10.2.3); None when it is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
