"""MediaWiki dumps (`*-pages-articles*.xml`, plain, bzip2 or gzip) -> pages: the articles, as plain text.

Reads the export formats up to 0.11 (https://www.mediawiki.org/wiki/Help:Export) in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final
from urllib.parse import quote, urlsplit

from tumbler.crawl.decompression import BROKEN, decompressed, is_damage
from tumbler.crawl.pages import Dropped, Page, content_id
from tumbler.crawl.sources import Reading, Source
from tumbler.crawl.wikitext import MEDIA, plain_text
from tumbler.crawl.xml_events import End, Start, XmlError, events

WIKIMEDIA: Final = "CC-BY-SA-4.0"
"""Since June 2023 (https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use, section 7)."""
WIKIMEDIA_SITES: Final = (
    "wikipedia.org",
    "wiktionary.org",
    "wikibooks.org",
    "wikiquote.org",
    "wikisource.org",
    "wikiversity.org",
    "wikivoyage.org",
)
"""Whose text is under that licence; Wikinews and Wikidata have others."""
MEDIA_NAMESPACES: Final = ("6", "14")
"""Files and categories."""
NOTED: Final = frozenset({"title", "ns", "id", "timestamp", "model", "text"})


def read_wiki(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """One Page or Dropped for each `<page>`; of several revisions the last. Damage ends the file, as one Dropped."""
    dump = _Dump(source, reading.max_page_bytes)
    try:
        for event in events(decompressed(file), reading.max_page_bytes):
            if isinstance(event, Start):
                dump.start(event)
            elif event.name == "page":
                yield dump.article()
            else:
                dump.end(event)
    except (XmlError, *BROKEN) as error:
        if not is_damage(error):
            raise
        yield Dropped("damaged")


class _Dump:
    """What has been read of the site and of the page under way."""

    def __init__(self, source: Source, max_characters: int) -> None:
        self._source, self._max_characters = source, max_characters
        self._elements = self._pages = 0
        self._site = {"base": "", "dbname": ""}
        self._media = set(MEDIA)
        self._namespace = ""
        self._page: dict[str, str] = {}

    def start(self, event: Start) -> None:
        if not self._elements and event.name != "mediawiki":
            raise XmlError("not a MediaWiki dump")
        self._elements += 1
        if event.name == "namespace":
            self._namespace = event.attributes.get("key", "")
        elif event.name == "redirect":
            self._page["redirect"] = event.attributes.get("title", "")

    def end(self, event: End) -> None:
        if event.name == "namespace" and self._namespace in MEDIA_NAMESPACES:
            self._media.add(event.text.lower())
        elif event.name in self._site:
            self._site[event.name] = event.text
        elif event.name == "id":
            self._page.setdefault("id", event.text)  # that of the page; the revision's and the author's follow
        elif event.name in NOTED:
            self._page[event.name] = event.text

    def article(self) -> Page | Dropped:
        """The page that has just ended."""
        page, self._page = self._page, {}
        self._pages += 1
        wikitext = page.get("text", "")
        if reason := _refusal(page, len(wikitext) > self._max_characters):
            return Dropped(reason)
        text = plain_text(wikitext, frozenset(self._media))
        if not text:
            return Dropped("empty")
        url = _url(self._site["base"], page["title"])
        return Page(
            id=f"{self._site['dbname']}/{page['id']}" if "id" in page else content_id(url, text),
            url=url,
            date=page.get("timestamp", ""),
            dump=self._source.name.partition("-pages-articles")[0],
            licence=_licence(self._site["base"]),
            content_type="text/x-wiki",
            charset="utf-8",
            file_path=self._source.label,
            offset=self._pages,
            form="text",
            body=text,
        )


def _refusal(page: dict[str, str], too_large: bool) -> str:
    """Why a page is no article; "" when it is one."""
    if page.get("ns", "0") != "0":
        return "not an article"
    if "redirect" in page:
        return "redirect"
    if page.get("model", "wikitext") != "wikitext":
        return "not wikitext"
    if not page.get("title"):
        return "no URL"
    return "too large" if too_large else ""


def _url(base: str, title: str) -> str:
    """As MediaWiki writes a page's address (wfUrlencode): beside that of the main page, which the dump gives."""
    return base.rpartition("/")[0] + "/" + quote(title.replace(" ", "_"), safe=";@$!*(),/~:")


def _licence(base: str) -> str:
    site = ".".join((urlsplit(base).hostname or "").split(".")[-2:])
    return WIKIMEDIA if site in WIKIMEDIA_SITES else ""
