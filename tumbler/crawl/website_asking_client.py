"""One request at a time to each host's taste: in its turn, and with its answer in the archive whatever it is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    StopDownload,
)
from scrapy.http import Headers, Response
from scrapy.http.request import NO_CALLBACK
from twisted.internet.error import ConnectError, ConnectionClosed

from tumbler.crawl.html import HTML_TYPES, UNTOLD_TYPES
from tumbler.crawl.http_client import AGAIN, LONGEST_BACKOFF, SLOW_DOWN, retry_after
from tumbler.crawl.website import Website, host_of
from tumbler.crawl.website_links import redirected, text
from tumbler.crawl.website_robots import ROBOTS_HOPS
from tumbler.crawl.website_warc_writer import Exchange

Role = Literal["page", "sitemap", "robots"]
Download = Callable[[Request], Awaitable[Response]]
LONGEST_PAUSE: Final = 900.0
"""Seconds; a page whose server asks for more (Retry-After) is left out."""
PAYLOADS: Final[dict[Role, str | None]] = {"page": None, "robots": "text/plain", "sitemap": "application/xml"}
NETWORK: Final = (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    ConnectError,
    ConnectionClosed,
)


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer to go by, and whether a later try may bring one."""

    reason: str
    again: bool
    wait: float | None = None
    """Seconds that the server asks for."""
    everyone: bool = False
    """Whether the whole host is busy."""

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures: what the server asks for, else 1, 2, 4 ... a minute with jitter."""
        backoff = min(LONGEST_BACKOFF, 2.0**failures) * random.uniform(2 / 3, 4 / 3)
        return backoff if self.wait is None else self.wait


@dataclass
class Asker:
    site: Website
    download: Download
    archive: Callable[[Exchange], None]
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds between requests, of hosts that asked for more than `site.delay`."""
    _turns: dict[str, float] = field(default_factory=dict)

    async def ask(self, url: str, role: Role) -> Response | Trouble:
        """One request, when its turn comes."""
        await self._turn(host_of(url))
        headers = {"Accept": "text/html, application/xhtml+xml, */*;q=0.5", "Accept-Encoding": "gzip"}
        request = Request(url, headers=headers, callback=NO_CALLBACK, meta={"role": role})
        date = datetime.now(UTC)
        try:
            response = await self.download(request)
        except DownloadCancelledError:
            return Trouble("too large", again=False)
        except NETWORK as error:
            return Trouble(type(error).__name__, again=True)
        except ValueError:  # Scrapy's own, of heads that are no text
            return Trouble("not HTTP", again=False)
        self.archive(_exchange(request, response, date))
        if response.status not in AGAIN:
            return response
        wait = retry_after(text(response.headers, "Retry-After") or None)
        return Trouble(f"status {response.status}", again=True, wait=wait, everyone=response.status in SLOW_DOWN)

    async def ask_patiently(self, url: str, role: Role) -> Response | Trouble:
        """Behind redirects, to whatever host, and after retries."""
        answer: Response | Trouble = Trouble("too many redirects", again=False)
        for _ in range(1 + ROBOTS_HOPS):
            for tries in range(1, self.site.tries + 1):
                answer = await self.ask(url, role)
                if isinstance(answer, Response) or not answer.again or tries == self.site.tries:
                    break
                if (wait := answer.pause(tries - 1)) > LONGEST_PAUSE:
                    break
                await asyncio.sleep(wait)
            if isinstance(answer, Trouble) or (target := redirected(answer)) is None:
                return answer
            url = target
        return answer

    def pause(self, host: str, seconds: float) -> None:
        """Ask the host for nothing for so long."""
        self._turns[host] = max(self._turns.get(host, 0.0), time.monotonic() + seconds)

    async def _turn(self, host: str) -> None:
        while (wait := self._turns.get(host, 0.0) - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        self.pause(host, self.delays.get(host, self.site.delay))


def stop_unless_html(headers: Headers, request: Request) -> None:
    """Spare the site the bytes of pictures and archives that look like pages by their names (a signal's handler)."""
    declared = text(headers, "Content-Type").partition(";")[0].strip().lower()
    if request.meta["role"] == "page" and declared not in (*HTML_TYPES, *UNTOLD_TYPES):
        raise StopDownload(fail=False)


def _exchange(request: Request, response: Response, date: datetime) -> Exchange:
    return Exchange(
        url=response.url,
        date=date,
        request=_pairs(request.headers),
        status=response.status,
        protocol=response.protocol or "HTTP/1.1",
        headers=_pairs(response.headers),
        body=response.body,
        address=str(response.ip_address) if response.ip_address else None,
        payload=PAYLOADS[request.meta["role"]],
        truncated="unspecified" if "download_stopped" in response.flags else None,
    )


def _pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, values in headers.items() for value in values
    )
