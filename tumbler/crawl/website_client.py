"""A website's pages over the network, into WARC files: starts the crawler's process and listens to it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

from tumbler import __version__
from tumbler.crawl.website import Website, cleaned, host_of
from tumbler.crawl.website_frontier_client import Frontier
from tumbler.crawl.website_warc_writer import WarcWriter
from tumbler.errors import Failure, UserError

Message = int | str | Mapping[str, int]
"""Pages asked for so far; a line for the console; at last what happened how often."""


def fetch_site(site: Website, folder: Path, max_page_bytes: int) -> Iterator[Message]:
    """Crawl the site into `folder`/warc, or go on with it; the frontier is in `folder`/resume."""
    if find_spec("scrapy") is None:
        raise UserError('crawl.website: needs the package scrapy; pip install "tumbler[site]"')
    for url in site.start:
        if cleaned(url) is None:
            raise UserError(f"crawl.website.start: {url!r} is no address of a web page; it begins with https://")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    crawler = context.Process(target=_crawl, args=(site, folder, max_page_bytes, theirs))
    crawler.start()
    theirs.close()
    try:
        yield from _messages(ours)
        crawler.join()
    finally:
        crawler.kill()  # where we were interrupted; what it fetched is saved
        crawler.join()
    if crawler.exitcode != 0:
        raise Failure(f"crawl.website: the crawler died (exit code {crawler.exitcode}); the same command goes on")


def _messages(channel: Connection) -> Iterator[Message]:
    try:
        while True:
            yield channel.recv()
    except EOFError:
        return


def _crawl(site: Website, folder: Path, max_page_bytes: int, channel: Connection) -> None:
    """The crawler's process."""
    from scrapy.crawler import AsyncCrawlerProcess

    from tumbler.crawl.website_spider_client import SiteCrawl, SiteSpider

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends us
    agent = f"tumbler/{__version__} (+{site.contact})"
    frontier = Frontier(folder / "resume/website.sqlite", site)
    about = f"isPartOf: {host_of(site.start[0])}\r\n"
    about += f"robots: obey\r\nhttp-header-user-agent: {agent}\r\noperator: {site.contact}\r\n"
    warc = WarcWriter(folder / "warc", frontier.written(), about)
    crawl = SiteCrawl(site, max_page_bytes, frontier, warc, channel)
    process = AsyncCrawlerProcess(_scrapy_settings(site, agent, max_page_bytes))
    process.crawl(SiteSpider, crawl=crawl)
    process.start(install_signal_handlers=False)
    crawl.task.result()
    channel.send(frontier.tally())


def _scrapy_settings(site: Website, agent: str, max_page_bytes: int) -> dict[str, object]:
    """The limits of one request; all else that Scrapy could do is done by the crawl, or not wanted."""
    return {
        "USER_AGENT": agent,
        "CONCURRENT_REQUESTS": site.connections,
        "CONCURRENT_REQUESTS_PER_DOMAIN": site.connections,
        "DEFAULT_REQUEST_HEADERS": {},
        "DOWNLOAD_TIMEOUT": site.timeout,
        "DOWNLOAD_MAXSIZE": max_page_bytes,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "COMPRESSION_ENABLED": False,
        "COOKIES_ENABLED": False,
        "LOG_ENABLED": False,
        "METAREFRESH_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "RETRY_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
    }
