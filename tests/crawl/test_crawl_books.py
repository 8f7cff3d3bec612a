"""Books: Project Gutenberg's frame comes off, EPUB chapters come in order, and hostile archives cost nothing."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.crawl.epub_reader import read_epub
from tumbler.crawl.gutenberg import PUBLIC_DOMAIN, without_frame
from tumbler.crawl.pages import Dropped, Page
from tumbler.crawl.sources import Reading, Source

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles><rootfile full-path="{opf}" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
OPF = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:title>Zwei Kapitel</dc:title><dc:language>de</dc:language>
    <dc:rights>CC BY
      4.0</dc:rights><dc:date>2020-05-01</dc:date>
  </metadata>
  <manifest>
    <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    <item id="b" href="text/b%20two.xhtml" media-type="application/xhtml+xml"/>
    <item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>
    <item id="css" href="style.css" media-type="text/css"/>
  </manifest>
  <spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/><itemref idref="x"/></spine>
</package>"""
A = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x.js"/></head>
<body><h1>Eins</h1><p>Größe <i>und</i> mehr.<br/>Zeile</p><img src="i.png" alt="Bild"/><a id="n"/>
<ul><li>Punkt</li></ul></body></html>"""
B = '<?xml version="1.0" encoding="iso-8859-2"?><html><body><h1>Zwei</h1><p>Ząb.</p></body></html>'
BOOK: Mapping[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER.format(opf="OEBPS/content.opf"),
    "OEBPS/content.opf": OPF,
    "OEBPS/nav.xhtml": "<html><body><nav>Inhalt</nav></body></html>",
    "OEBPS/text/a.xhtml": A,
    "OEBPS/text/b two.xhtml": B.encode("iso-8859-2"),
    "OEBPS/style.css": "p { color: red }",
}


def epub(members: Mapping[str, str | bytes] = BOOK) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def read(data: bytes, limit: int = 1 << 20) -> Page | Dropped:
    with tempfile.TemporaryFile() as file:  # seeking fails otherwise in files than in memory
        file.write(data)
        (found,) = read_epub(file, Source("b.epub", "shelf/b.epub", "b.epub", "epub"), Reading(limit))
        return found


def test_a_book_is_one_page_of_its_chapters_in_order() -> None:
    found = read(epub())
    assert isinstance(found, Page)
    assert found.body == "Eins\n\nGröße und mehr.\nZeile\n\n  • Punkt\n\nZwei\n\nZąb."
    assert (found.licence, found.date, found.url, found.file_path) == (
        "CC BY 4.0",
        "2020-05-01",
        "b.epub",
        "shelf/b.epub",
    )
    assert (found.form, found.content_type) == ("text", "application/epub+zip")


def test_an_epub_2_book_reads_too() -> None:
    opf = """<?xml version="1.0"?><!DOCTYPE package PUBLIC "+//ISBN 0-9673008-1-9//DTD OEB 1.2 Package//EN"
      "http://openebook.org/dtds/oeb-1.2/oebpkg12.dtd"><package version="2.0"><metadata/><manifest>
      <item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
      <item id="a" href="a.html" media-type="application/xhtml+xml"/></manifest>
      <spine toc="ncx"><itemref idref="a" linear="yes"/></spine></package>"""
    found = read(
        epub(
            {
                "META-INF/container.xml": CONTAINER.format(opf="content.opf"),
                "content.opf": opf,
                "a.html": B.encode("iso-8859-2"),
            }
        )
    )
    assert isinstance(found, Page)
    assert (found.body, found.licence) == ("Zwei\n\nZąb.", "")


FRAMED = """\ufeffThe Project Gutenberg eBook of Emma\r
{notice}\r
*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\r
\r
CHAPTER I\r
\r
Emma Woodhouse\r
\r
*** END OF THE PROJECT GUTENBERG EBOOK EMMA ***\r
Section 1. General Terms"""


@pytest.mark.parametrize(
    ("text", "book", "licence"),
    [
        (FRAMED, "CHAPTER I\r\n\r\nEmma Woodhouse", PUBLIC_DOMAIN),
        (
            FRAMED.format(notice="This is a COPYRIGHTED Project\r\nGutenberg eBook"),
            "CHAPTER I\r\n\r\nEmma Woodhouse",
            "",
        ),
        ("x\n***START OF THIS PROJECT GUTENBERG EBOOK A***\nbook", "book", PUBLIC_DOMAIN),
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK A VERY\nLONG TITLE ***\nbook",
            "book",
            PUBLIC_DOMAIN,
        ),
        (
            "a text that only tells of\n*** START OF SOMETHING ***",
            "a text that only tells of\n*** START OF SOMETHING ***",
            "",
        ),
    ],
)
def test_project_gutenbergs_frame_comes_off_and_gives_the_licence(text: str, book: str, licence: str) -> None:
    assert without_frame(text) == (book, licence)


def test_the_frame_comes_off_an_epub_too() -> None:
    html = "<p>The Project Gutenberg eBook</p><p>*** START OF THE PROJECT GUTENBERG EBOOK A ***</p><p>Book</p>"
    opf = OPF.replace("<dc:rights>CC BY\n      4.0</dc:rights>", "")
    found = read(epub({**BOOK, "OEBPS/content.opf": opf, "OEBPS/text/a.xhtml": html}))
    assert isinstance(found, Page)
    assert (found.body, found.licence) == ("Book\n\nZwei\n\nZąb.", PUBLIC_DOMAIN)


def without(name: str) -> bytes:
    return epub({key: value for key, value in BOOK.items() if key != name})


ENCRYPTED = '<encryption><EncryptedData><CipherReference URI="OEBPS/{}"/></EncryptedData></encryption>'
ENTITIES = '<!DOCTYPE package [<!ENTITY a "ha">]>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "damaged"),
        (b"no zip", "damaged"),
        (epub()[:-40], "damaged"),
        (epub()[:600] + b"xxxx" + epub()[604:], "damaged"),
        (without("META-INF/container.xml"), "damaged"),
        (without("OEBPS/content.opf"), "damaged"),
        (without("OEBPS/text/a.xhtml"), "damaged"),
        (epub({**BOOK, "OEBPS/content.opf": "<package"}), "damaged"),
        (epub({**BOOK, "OEBPS/content.opf": OPF.replace("<package", ENTITIES + "<package", 1)}), "damaged"),
        (epub({**BOOK, "OEBPS/content.opf": OPF.replace("text/a.xhtml", "../../../etc/passwd")}), "damaged"),
        (epub({**BOOK, "OEBPS/content.opf": OPF.replace("text/a.xhtml", "/etc/passwd")}), "damaged"),
        (epub({**BOOK, "OEBPS/content.opf": OPF.replace("<itemref", "<x")}), "empty"),
        (epub({**BOOK, "OEBPS/text/a.xhtml": "<p/>", "OEBPS/text/b two.xhtml": " "}), "empty"),
        (epub({**BOOK, "META-INF/encryption.xml": ENCRYPTED.format("text/a.xhtml")}), "encrypted"),
        (epub({**BOOK, "OEBPS/text/a.xhtml": b"0" * (64 << 20)}), "too large"),
        (epub({**BOOK, "OEBPS/content.opf": b" " * (64 << 20)}), "too large"),
    ],
)
def test_a_book_that_cannot_be_read_has_its_reason(data: bytes, reason: str) -> None:
    assert read(data) == Dropped(reason)


def test_fonts_may_be_encrypted() -> None:
    assert read(epub({**BOOK, "META-INF/encryption.xml": ENCRYPTED.format("font.otf")})) == read(epub())


def test_the_limit_holds_for_all_chapters_together() -> None:
    big = {**BOOK, "OEBPS/text/a.xhtml": b"<p>" + b"a" * 6000, "OEBPS/text/b two.xhtml": b"<p>" + b"b" * 6000}
    assert isinstance(read(epub(big), limit=20_000), Page)
    assert read(epub(big), limit=10_000) == Dropped("too large")


def patched(data: bytes, signature: bytes, offset: int, value: int, kind: str = "<L") -> bytes:
    """`data` with a number changed behind each `signature`."""
    found = bytearray(data)
    place = found.find(signature)
    while place >= 0:
        struct.pack_into(kind, found, place + offset, value)
        place = found.find(signature, place + 1)
    return bytes(found)


CENTRAL, END = b"PK\1\2", b"PK\5\6"


@pytest.mark.parametrize(
    "data",
    [
        patched(epub(), CENTRAL, 24, 1),  # a member that says it is shorter than it is
        patched(epub(), CENTRAL, 42, 0xFFFFFF),  # begins behind the end of the file
        patched(epub(), CENTRAL, 10, 99, "<H"),  # packed in an unknown way
        patched(epub(), CENTRAL, 10, 14, "<H"),  # packed by LZMA, it says
        patched(epub(), END, 12, 0xFFFFFFFE),  # a list of members of 4 GB
        patched(epub(), END, 12, 0),
        patched(epub(), END, 16, 0xFFFFFF),
    ],
)
def test_sizes_and_places_that_lie_are_damage(data: bytes) -> None:
    assert read(data) == Dropped("damaged")


@pytest.mark.parametrize("offset", [20, 24])
def test_members_that_say_they_have_4_gb_cost_no_more_than_they_are(offset: int) -> None:
    assert read(patched(epub(), CENTRAL, offset, 0xFFFFFFF0)) == read(epub())


def test_a_member_with_a_password_is_encrypted() -> None:
    assert read(patched(epub(), CENTRAL, 8, 1, "<H")) == Dropped("encrypted")


def test_a_list_of_endless_members_is_not_loaded() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number:0100}", b"")
    assert read(file.getvalue()) == Dropped("damaged")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_truncation_and_flipped_bytes_give_a_page_or_a_reason(data: st.DataObject) -> None:
    whole = bytearray(epub())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    found = read(bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))]))
    assert isinstance(found, Page) or found.reason in ("damaged", "too large", "encrypted", "empty")
