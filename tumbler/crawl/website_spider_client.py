"""The crawler: Scrapy downloads and finds links, the frontier says what comes next, every answer becomes WARC.

A reactor starts once in a process's life, so this runs in a process of its own (see website_client.py).
Scrapy's redirect, retry and robots.txt middlewares are off: they know no Retry-After, hide answers from
the archive, and take a robots.txt that cannot be read for a permission, where RFC 9309 has a refusal.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import urljoin

from scrapy import Spider, signals
from scrapy.http import Response

from tumbler.crawl.html import is_html
from tumbler.crawl.website import Website, host_of
from tumbler.crawl.website_asking_client import LONGEST_PAUSE, Asker, Trouble, stop_unless_html
from tumbler.crawl.website_frontier_client import Address, Frontier
from tumbler.crawl.website_links import entries_of, links_of, redirected, safe, text
from tumbler.crawl.website_robots import Robots, robots_of
from tumbler.crawl.website_warc_writer import FILE_BYTES, Exchange, WarcWriter, unpacked

SAVE_SECONDS: Final = 0.25
"""A kill loses the answers of so long, at most."""
IDLE_SECONDS: Final = 0.02


class SiteSpider(Spider):
    """Runs a SiteCrawl inside Scrapy's engine."""

    name = "tumbler"

    def __init__(self, crawl: SiteCrawl, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crawl = crawl

    async def start(self) -> AsyncIterator[Any]:
        assert self.crawler.engine is not None
        self.crawler.signals.connect(stop_unless_html, signals.headers_received)
        asker = Asker(self.crawl.site, self.crawler.engine.download_async, self.crawl.archive)
        self.crawl.task = asyncio.ensure_future(self.crawl.run(asker))
        await asyncio.wait([self.crawl.task])
        return
        yield  # an asynchronous generator, as Scrapy wants it


class SiteCrawl:
    """One site, from the state of its frontier to the end. All runs in one thread."""

    task: asyncio.Future[None]

    def __init__(
        self, site: Website, max_page_bytes: int, frontier: Frontier, warc: WarcWriter, channel: Connection
    ) -> None:
        self.site = site
        self._max_page_bytes = max_page_bytes
        self._frontier, self._warc, self._channel = frontier, warc, channel
        self._robots: dict[str, asyncio.Future[Robots]] = {}

    async def run(self, asker: Asker) -> None:
        for url in self.site.start:
            self._frontier.add(safe(url), "page", 0)
        keeping = asyncio.ensure_future(self._keep())
        await asyncio.gather(*(self._work(asker) for _ in range(self.site.connections)))
        keeping.cancel()
        self._save()
        self._tell(self._frontier.pages)

    def archive(self, exchange: Exchange) -> None:
        if self._warc.write(exchange) > FILE_BYTES:
            self._save()
            self._warc.next_file()
            self._save()

    def _save(self) -> None:
        self._frontier.save(self._warc.name, self._warc.sync())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self._save()
            self._tell(self._frontier.pages)

    def _tell(self, message: int | str) -> None:
        try:
            self._channel.send(message)
        except BrokenPipeError:
            os._exit(1)  # the run was killed: its crawler must not crawl on

    async def _work(self, asker: Asker) -> None:
        while self._frontier.open:
            address = self._frontier.take(time.time())
            if address is None:
                await asyncio.sleep(IDLE_SECONDS)
            else:
                await self._visit(address, asker)

    async def _visit(self, address: Address, asker: Asker) -> None:
        robots = await self._robots_for(address.url, asker)
        if not robots.allows(address.url):
            self._frontier.refuse(address, robots.refusal)
            return
        answer = await asker.ask(address.url, address.kind)
        if isinstance(answer, Response):
            self._frontier.close(address, self._follow(address, answer))
            return
        wait = answer.pause(address.tries)
        if not answer.again or address.tries + 1 >= self.site.tries or wait > LONGEST_PAUSE:
            self._frontier.close(address, answer.reason)
            return
        self._frontier.put_back(address, time.time() + wait)
        if answer.everyone:
            asker.pause(host_of(address.url), wait)

    async def _robots_for(self, url: str, asker: Asker) -> Robots:
        """The rules of the URL's host; read once, while all who want them wait."""
        root = urljoin(url, "/")
        if root not in self._robots:
            self._robots[root] = asyncio.ensure_future(self._read_robots(root, asker))
        return await self._robots[root]

    async def _read_robots(self, root: str, asker: Asker) -> Robots:
        answer = await asker.ask_patiently(urljoin(root, "/robots.txt"), "robots")
        if isinstance(answer, Trouble):
            return robots_of(None, b"")
        robots = robots_of(answer.status, unpacked(answer.body, self._max_page_bytes) or b"")
        if robots.delay > self.site.delay:
            host = host_of(root)
            self._tell(f"{host} asks for {robots.delay:g} s between requests")
            asker.delays[host] = robots.delay
            asker.pause(host, robots.delay)
        for url in robots.sitemaps or (urljoin(root, "/sitemap.xml"),):
            self._frontier.add(safe(url), "sitemap", 0)
        return robots

    def _follow(self, address: Address, response: Response) -> str:
        """Note where the answer leads; returns in a word what it was."""
        if target := redirected(response):
            self._frontier.add(target, address.kind, address.depth, address.hops + 1)
            return "redirect"
        if response.status != 200:
            return f"status {response.status}"
        body = unpacked(response.body, self._max_page_bytes)
        if body is None:
            return "content encoding broken or too large"
        return self._read_sitemap(response, body) if address.kind == "sitemap" else self._read(address, response, body)

    def _read(self, address: Address, response: Response, body: bytes) -> str:
        if not is_html(text(response.headers, "Content-Type"), body):
            return "not HTML"
        if not self._frontier.is_new(host_of(response.url), body):
            return "same as an earlier page"  # its links would only nest deeper
        links = links_of(response, body)
        for url in links or ():
            self._frontier.add(url, "page", address.depth + 1)
        return "read" if links is not None else "links unreadable"

    def _read_sitemap(self, response: Response, body: bytes) -> str:
        entries = entries_of(response.url, body)
        if entries is None:
            return "not a sitemap"
        index, urls = entries
        for url in urls:
            self._frontier.add(url, "sitemap" if index else "page", 0 if index else 1)
        return "read"
