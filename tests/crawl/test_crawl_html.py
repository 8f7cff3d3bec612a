"""Bytes -> text: character sets and the sniffing of HTML."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.crawl.html import decode, is_html

FIXTURES = [
    ("utf-8", "Grüße, 世界"),
    ("cp1252", "café “quoted” – naïve"),
    ("cp1251", "Привет, мир, это русский текст"),
    ("koi8-r", "Привет, мир, это русский текст"),
    ("iso8859-2", "Zażółć gęślą jaźń"),
    ("iso8859-7", "Καλημέρα κόσμε"),
    ("shift_jis", "こんにちは世界"),
    ("euc_jp", "こんにちは世界"),
    ("iso2022_jp", "こんにちは世界"),
    ("gbk", "你好，世界"),
    ("big5", "你好，世界"),
    ("euc_kr", "안녕하세요 세계"),
    ("cp1256", "مرحبا بالعالم"),
    ("utf-16-le", "Grüße, 世界"),
]


@pytest.mark.parametrize(("charset", "text"), FIXTURES)
def test_the_header_names_the_character_set(charset: str, text: str) -> None:
    assert decode(text.encode(charset), charset)[0] == text


@pytest.mark.parametrize(("charset", "text"), [item for item in FIXTURES if item[0] != "utf-16-le"])
def test_the_meta_element_names_the_character_set(charset: str, text: str) -> None:
    html = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}">{text}'
    assert decode(html.encode(charset), None)[0] == html


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_byte_order_mark_overrides_all_and_is_removed(mark: bytes) -> None:
    name = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}[mark]
    assert decode(mark + "<p>ж</p>".encode(name), "cp1252") == ("<p>ж</p>", name)


def test_valid_utf8_is_read_as_such_whatever_the_page_says() -> None:
    assert decode("Grüße".encode(), "iso-8859-1") == ("Grüße", "utf-8")


def test_a_character_set_named_by_nobody_is_guessed() -> None:
    text = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. " * 5
    assert decode(text.encode("cp1251"), None)[0] == text


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "latin-1", "nonsense", "utf-16", "iso-2022-jp", "hz"]))
def test_any_bytes_decode_to_text_that_can_be_written(body: bytes, declared: str | None) -> None:
    decode(body, declared)[0].encode("utf-8")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html; charset=utf-8", b"anything", True),
        ("TEXT/HTML", b"anything", True),
        ("application/xhtml+xml", b"<html>", True),
        ("text/plain", b"<html>", False),
        (None, b"<!DOCTYPE html><html>", True),
        ("", b"\xef\xbb\xbf <!-- hi --> <div>", True),
        ("", b'<?xml version="1.0"?><html xmlns="a">', True),
        ("", b'<?xml version="1.0"?><rss>', False),
        ("", b"plain text", False),
        ("application/octet-stream", b"%PDF-1.4", False),
    ],
)
def test_html_is_known_by_its_type_or_its_first_bytes(content_type: str | None, body: bytes, expected: bool) -> None:
    assert is_html(content_type, body) is expected
