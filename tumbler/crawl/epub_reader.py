"""EPUB 2 and 3 -> one page a book: the chapters in the order of the spine, as plain text.

A member of the archive is read only by a name that the book's own lists give, into memory, and all reading together
stays within `max_page_bytes`: sizes that lie, bombs and paths that climb out of the archive gain nothing.
"""

from __future__ import annotations

import posixpath
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from lzma import LZMAError
from typing import BinaryIO, Final
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

from resiliparse.extract.html2text import extract_plain_text

from tumbler.crawl.decompression import is_damage
from tumbler.crawl.gutenberg import without_frame
from tumbler.crawl.html import decode
from tumbler.crawl.pages import Dropped, Page, content_id, licence_name
from tumbler.crawl.sources import Reading, Source
from tumbler.crawl.xml_events import End, Start, XmlError, events

CONTAINER: Final = "META-INF/container.xml"
ENCRYPTION: Final = "META-INF/encryption.xml"
MAX_DIRECTORY_BYTES: Final = 4 << 20
"""Of the zip's list of members, some 40,000 files: zipfile holds it in memory before anything is asked."""
END_RECORD: Final = struct.Struct("<4s4H2LH")
"""End of central directory (PKWARE's APPNOTE.TXT, section 4.3.16); [5:7] are the directory's length and offset."""
CHAPTERS: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
DAMAGE: Final = (BadZipFile, XmlError, EOFError, zlib.error, LZMAError, NotImplementedError, UnicodeError, struct.error)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9_.-]+)""")
_EMPTY_ELEMENT = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([a-z][a-z0-9]*)([^<>]*)/>", re.I
)
"""`<title/>` is whole in XHTML; an HTML parser takes it for the beginning of an endless title."""


class Refused(ValueError):
    """A book that is not taken, and why."""


def read_epub(file: BinaryIO, source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """One Page or Dropped; its URL is its path inside the folder that was named."""
    try:
        yield _page(_Archive(file, reading.max_page_bytes), source)
    except Refused as refused:
        yield Dropped(str(refused))
    except (*DAMAGE, OSError) as error:
        if not is_damage(error):
            raise
        yield Dropped("damaged")


class _Archive:
    """The members of a zip file, as long as what was read of them stays within the limit."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        _check_directory(file)
        self._zip = ZipFile(file)
        self._left = max_bytes

    def has(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise BadZipFile(f"{name} is missing")
        if self._zip.getinfo(name).flag_bits & 1:
            raise Refused("encrypted")
        with self._zip.open(name) as member:
            content = member.read(self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise Refused("too large")
        return content


def _check_directory(file: BinaryIO) -> None:
    """BadZipFile for a list of members that no book has (zipfile would hold all of it)."""
    size = file.seek(0, 2)
    start = max(size - (1 << 16) - END_RECORD.size, 0)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6", 0, len(tail) - END_RECORD.size + 4)
    if place < 0 or tail[max(place - 20, 0) : place].startswith(b"PK\6\7"):  # the latter: ZIP64
        raise BadZipFile("no zip file, or one of more than 4 GB")
    length, offset = END_RECORD.unpack_from(tail, place)[5:7]
    if length > MAX_DIRECTORY_BYTES or offset + length > start + place:
        raise BadZipFile("too many members, or they would lie behind their list")


@dataclass
class _Package:
    """What the package document (OPF) says."""

    rights: str = ""
    date: str = ""
    items: dict[str, tuple[str, str]] = field(default_factory=dict)
    """id -> (href, media type)"""
    spine: list[str] = field(default_factory=list)
    """Ids in the order of reading, each once."""


def _page(archive: _Archive, source: Source) -> Page:
    opf = _rootfile(archive)
    package = _package(archive.read(opf))
    book, licence = without_frame(_text(archive, _chapters(package, posixpath.dirname(opf))))
    if not book.strip():
        raise Refused("empty")
    return Page(
        id=content_id(source.name, book),
        url=source.name,
        date=package.date,
        dump="",
        licence=licence_name(package.rights) or licence,
        content_type="application/epub+zip",
        charset="utf-8",
        file_path=source.label,
        offset=0,
        form="text",
        body=book,
    )


def _text(archive: _Archive, chapters: list[str]) -> str:
    if not _encrypted(archive).isdisjoint(chapters):
        raise Refused("encrypted")
    texts = [_chapter_text(archive.read(name)) for name in chapters]
    return "\n\n".join(text for text in texts if text)


def _rootfile(archive: _Archive) -> str:
    """The path of the package document (EPUB 3.3, section 4.2.6.3.1)."""
    for event in _events(archive.read(CONTAINER)):
        if isinstance(event, Start) and event.name == "rootfile":
            return _member("", event.attributes.get("full-path", ""))
    raise BadZipFile("the container names no package document")


def _package(opf: bytes) -> _Package:
    package = _Package()
    for event in _events(opf):
        if isinstance(event, End):
            if event.name == "rights":
                package.rights = package.rights or event.text
            elif event.name == "date":
                package.date = package.date or event.text.strip()[:40]
        elif event.name == "item" and "nav" not in event.attributes.get("properties", "").split():
            attributes = event.attributes
            package.items[attributes.get("id", "")] = (attributes.get("href", ""), attributes.get("media-type", ""))
        elif event.name == "itemref":
            package.spine.append(event.attributes.get("idref", ""))
    return package


def _chapters(package: _Package, folder: str) -> list[str]:
    """The names of the members that hold the text, each once."""
    items = [package.items[idref] for idref in package.spine if idref in package.items]
    return list(dict.fromkeys(_member(folder, href) for href, media in items if media in CHAPTERS))


def _member(folder: str, href: str) -> str:
    """The member of the archive that a link means; one that climbs out of it names none."""
    return posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))


def _encrypted(archive: _Archive) -> set[str]:
    """Members that only the seller's readers can open (EPUB 3.3, section 4.2.6.3.2); often only the fonts."""
    if not archive.has(ENCRYPTION):
        return set()
    found = _events(archive.read(ENCRYPTION))
    starts = [event for event in found if isinstance(event, Start) and event.name == "CipherReference"]
    return {_member("", event.attributes.get("URI", "")) for event in starts}


def _events(xml: bytes) -> Iterator[Start | End]:
    return events(BytesIO(xml), 1000)


def _chapter_text(xhtml: bytes) -> str:
    declared = _XML_CHARSET.match(xhtml)
    markup, _ = decode(xhtml, declared[1].decode("ascii") if declared else None)
    markup = _EMPTY_ELEMENT.sub(r"<\1\2></\1>", markup.replace("\0", ""))
    return extract_plain_text(markup, preserve_formatting=True, main_content=False, alt_texts=False).strip()
