"""Where an answer leads: its redirect, the links of a page, the entries of a sitemap; found by Scrapy's parsers."""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from lxml import etree  # type: ignore[import-untyped]
from scrapy.http import Headers, HtmlResponse, Response
from scrapy.linkextractors import LinkExtractor
from scrapy.utils.sitemap import Sitemap
from w3lib.url import safe_url_string

from tumbler.crawl.http_client import REDIRECTS

UNREADABLE: Final = (ValueError, LookupError, StopIteration, etree.LxmlError)
"""What the parsers raise on markup and encodings that they cannot read."""


def text(headers: Headers, name: str) -> str:
    """A header's value; "" when there is none."""
    return (headers.get(name) or b"").decode("latin-1")


def safe(url: str | bytes) -> str:
    """The URL as it goes over the line, with what is not ASCII in per cent signs; "" when it is none."""
    try:
        return str(safe_url_string(url))
    except ValueError:
        return ""


def redirected(response: Response) -> str | None:
    """Where the answer sends us; None when it does not."""
    location = response.headers.get("Location")
    if response.status not in REDIRECTS or not location:
        return None
    try:
        return urljoin(response.url, safe(location))
    except ValueError:
        return None


def links_of(response: Response, body: bytes) -> list[str] | None:
    """The links of an HTML page to what may be pages (by its name, none is a picture); None: it cannot be read."""
    page = HtmlResponse(response.url, headers=response.headers, body=body)
    try:
        return [safe(link.url) for link in LinkExtractor().extract_links(page)]
    except UNREADABLE:
        return None


def entries_of(url: str, body: bytes) -> tuple[bool, list[str]] | None:
    """Whether a sitemap is an index of sitemaps, and what it names; None when it is no sitemap."""
    try:
        sitemap = Sitemap(body)
        named = [safe(urljoin(url, entry["loc"])) for entry in sitemap if entry.get("loc")]
    except UNREADABLE:
        return None
    return sitemap.type == "sitemapindex", named
