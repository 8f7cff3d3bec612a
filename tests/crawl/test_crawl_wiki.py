"""Wiki dumps: articles become pages, everything else has its reason, and hostile XML costs nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import resource
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.sources import Reading, Source
from tumbler.crawl.wiki_reader import read_wiki
from tumbler.crawl.xml_events import XmlError, events

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.11/ http://www.mediawiki.org/xml/export-0.11.xsd" \
version="0.11" xml:lang="de">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>dewiki</dbname>
    <base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
    <generator>MediaWiki 1.45.0-wmf.1</generator>
    <case>first-letter</case>
    <namespaces>
      <namespace key="-2" case="first-letter">Medium</namespace>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">Datei</namespace>
      <namespace key="14" case="first-letter">Kategorie</namespace>
    </namespaces>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def page(title: str, text: str, number: int = 1, ns: int = 0, extra: str = "", model: str = "wikitext") -> str:
    return f"""  <page>
    <title>{escape(title)}</title>
    <ns>{ns}</ns>
    <id>{number}</id>
{extra}    <revision>
      <id>{number + 1000}</id>
      <parentid>{number + 900}</parentid>
      <timestamp>2025-11-0{1 + number % 9}T05:34:58Z</timestamp>
      <contributor>
        <username>Someone &amp; co</username>
        <id>77</id>
      </contributor>
      <comment>/* Leben */ [[x]]</comment>
      <origin>{number + 1000}</origin>
      <model>{model}</model>
      <format>text/x-wiki</format>
      <text bytes="{len(text.encode())}" sha1="phoiac9h4m842xq45sp7s6u21etee" xml:space="preserve">{escape(text)}</text>
      <sha1>phoiac9h4m842xq45sp7s6u21eteeq1</sha1>
    </revision>
  </page>
"""


DUMP = (
    HEAD
    + page(
        "Ada Lovelace",
        "'''Ada''' [[Datei:Ada.jpg|mini]] war {{Infobox}} klug & [[Kategorie:Frau]]\n== Leben ==\nLang.",
        1,
    )
    + page("Alan", "#WEITERLEITUNG [[Alan Turing]]", 2, extra='    <redirect title="Alan Turing" />\n')
    + page("Diskussion:Ada", "Hallo", 3, ns=1)
    + page("C++/Ü?", "Eine <ref>x</ref>Sprache, 1 < 2.", 4)
    + page("Daten", "{}", 5, model="json")
    + page("Leer", "{{Vorlage}} __NOTOC__", 6)
    + TAIL
)
NAME = "dewiki-20251101-pages-articles.xml"


def read(data: bytes, limit: int = 1 << 20) -> list[Page | Dropped]:
    return list(read_wiki(io.BytesIO(data), Source(NAME, NAME, NAME, "wiki"), Reading(limit)))


def test_articles_become_pages_and_all_else_has_its_reason() -> None:
    ada, *rest = read(DUMP.encode())
    assert ada == Page(
        id="dewiki/1",
        url="https://de.wikipedia.org/wiki/Ada_Lovelace",
        date="2025-11-02T05:34:58Z",
        dump="dewiki-20251101",
        licence="CC-BY-SA-4.0",
        content_type="text/x-wiki",
        charset="utf-8",
        file_path=NAME,
        offset=1,
        form="text",
        body="Ada war klug &\n\nLeben\n\nLang.",
    )
    assert [item.reason if isinstance(item, Dropped) else (item.url, item.body) for item in rest] == [
        "redirect",
        "not an article",
        ("https://de.wikipedia.org/wiki/C%2B%2B/%C3%9C%3F", "Eine Sprache, 1 < 2."),
        "not wikitext",
        "empty",
    ]


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lambda data: bz2.compress(data[:900]) + bz2.compress(data[900:])]
)
def test_packed_dumps_and_those_of_several_streams_read_the_same(pack: object) -> None:
    assert read(pack(DUMP.encode())) == read(DUMP.encode())  # type: ignore[operator]


def test_of_several_revisions_the_last_is_taken() -> None:
    second = "    <revision>" + page("A", "new").partition("<revision>")[2]
    (found,) = read((HEAD + page("A", "old").removesuffix("  </page>\n") + second + TAIL).encode())
    assert isinstance(found, Page)
    assert (found.id, found.body) == ("dewiki/1", "new")


def test_only_sites_of_wikimedia_have_its_licence() -> None:
    for host, licence in (("en.wikivoyage.org", "CC-BY-SA-4.0"), ("wiki.example.org", ""), ("notwikipedia.org", "")):
        (found,) = read((HEAD.replace("de.wikipedia.org", host) + page("A", "text") + TAIL).encode())
        assert isinstance(found, Page)
        assert found.licence == licence


@pytest.mark.parametrize(
    "data",
    [
        bz2.compress(DUMP.encode())[:-20],
        gzip.compress(DUMP.encode())[:-9],
        bz2.compress(DUMP.encode()[:-9]),
        bz2.compress(DUMP.replace("</mediawiki>", "</page></mediawiki>").encode()),
        DUMP.replace("</mediawiki>", "&undefined;</mediawiki>").encode(),
    ],
)
def test_a_cut_or_malformed_dump_gives_what_came_before_the_damage(data: bytes) -> None:
    found = read(data)
    assert found[-1] == Dropped("damaged")
    assert found[:-1] == read(DUMP.encode())[: len(found) - 1]


@pytest.mark.parametrize(
    "data",
    [b"", b"no XML", b"BZh9 no bzip2", b"\x1f\x8b no gzip", b"<html/>", b"<?xml version='1.0' encoding='idna'?><a/>"],
)
def test_what_is_no_dump_is_one_damaged_record(data: bytes) -> None:
    assert read(data) == [Dropped("damaged")]


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from([bytes, bz2.compress, gzip.compress]))
def test_truncation_and_flipped_bytes_give_pages_and_reasons(
    data: st.DataObject, pack: Callable[[bytes], bytes]
) -> None:
    whole = bytearray(pack(DUMP.encode()))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    found = read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert len(found) <= 7
    assert Dropped("damaged") not in found[:-1]


def test_too_large_articles_are_dropped() -> None:
    data = (HEAD + page("A", "x" * 200) + page("B", "y" * 100) + TAIL).encode()
    assert [type(item) for item in read(data, limit=100)] == [Dropped, Page]
    assert read(data, limit=100)[0] == Dropped("too large")


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
EXTERNAL = '<!ENTITY a9 SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize(
    "entities", ['<!ENTITY a0 "ha">' + LAUGHS, EXTERNAL, '<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;']
)
def test_entities_are_refused(entities: str) -> None:
    bomb = f"<!DOCTYPE mediawiki [{entities}]>{HEAD}{page('A', 'B').replace('>B<', '>&a9;<')}{TAIL}"
    assert read(bomb.encode()) == [Dropped("damaged")]


class Endless(io.RawIOBase):
    """`head`, then `unit` until `size` bytes were read; only `read` is used."""

    def __init__(self, head: bytes, unit: bytes, size: int) -> None:
        self.block, self.left, self.head = unit * (65536 // len(unit)), size, head

    def read(self, size: int = -1) -> bytes:
        block, self.head = self.head or self.block, b""
        self.left -= len(block)
        return block if self.left > 0 else b""


@pytest.mark.parametrize(
    ("head", "unit", "size"),
    [
        (b"<a><b c='", b"x", 100 << 20),
        (b"<a><!--", b"x", 100 << 20),
        (b"<a>", b"<b>", 100 << 20),
        (b"<a><", b"x", 100 << 20),
        (b"<a>", b"x" * 100, 100 << 20),
        (b"<a>", b"<b/>", 1 << 20),
        (b"<a>", b"<b>xxxxxxxxxxxxxxxxx</b>", 1 << 20),
    ],
)
def test_a_stream_without_end_takes_no_memory(head: bytes, unit: bytes, size: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(XmlError):
        for _ in events(Endless(head, unit, size), 1000):  # type: ignore[arg-type]
            pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # kB


def test_reading_a_dump_takes_constant_memory(tmp_path: Path) -> None:
    with bz2.open(tmp_path / "dump.bz2", "wt", encoding="utf-8", compresslevel=1) as file:
        file.write(HEAD)
        for number in range(2_000):
            file.write(page(f"Title {number}", "Text of some length. " * 20, number))
        file.write(TAIL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (tmp_path / "dump.bz2").open("rb") as file:
        assert (
            sum(isinstance(item, Page) for item in read_wiki(file, Source(NAME, NAME, NAME, "wiki"), Reading(1 << 20)))
            == 2_000
        )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10
