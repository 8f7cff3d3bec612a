"""Each rule as a table of (text, reason)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tumbler.corpus.blocklist import Blocklist
from tumbler.corpus.blocklist_reader import read_blocklists
from tumbler.corpus.extraction import Extraction, depth
from tumbler.corpus.gopher_quality import GopherQuality
from tumbler.corpus.gopher_repetition import GopherRepetition
from tumbler.corpus.language import LanguageFilter
from tumbler.corpus.pii import PIIRemoval
from tumbler.corpus.url_filter import URLFilter
from tumbler.corpus.words import Prose, words
from tumbler.errors import UserError

BLOCKLIST = Blocklist.of(["bad.com", "sub.good.org", "good.org/page", "http://whole.org/x"])


def numbered(count: int) -> str:
    """`count` different words of five letters, with the stop words that running text has."""
    letters = ("".join(chr(97 + number // base % 26) for base in (676, 26, 1)) for number in range(count))
    return "the and " + " ".join(f"{letter}om" for letter in letters)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://www.good.org/", None),
        ("https://bad.com/", "url_filter:domain"),
        ("https://www.deep.bad.com:8080/x", "url_filter:domain"),
        ("https://notbad.com/", None),
        ("https://bad.com.uk/", None),
        ("https://sub.good.org/x", "url_filter:subdomain"),
        ("https://www.good.org/page/", "url_filter:url"),
        ("http://whole.org/x", "url_filter:url"),
        ("https://a.org/xxx/1", "url_filter:banned_word"),
        ("https://a.org/xxxl-shirts", None),
        ("https://a.org/sex-education", None),
        ("https://a.org/sexy-nude", "url_filter:soft_banned_words"),
        ("https://a.org/por-nhub", "url_filter:banned_subword"),
        ("site/index.html", None),
        ("", None),
        ("http://[", None),
    ],
)
def test_url_filter(url: str, reason: str | None) -> None:
    assert URLFilter()(url, BLOCKLIST) == reason


@pytest.mark.parametrize("packed", [True, False])
def test_blocklists_are_read_in_ut1s_format(tmp_path: Path, packed: bool) -> None:
    for name, entries in (("domains", "bad.com\n# comment\n\nworse.org\n"), ("urls", "a.org/x\n"), ("usage", "black")):
        path = tmp_path / "adult" / (f"{name}.gz" if packed else name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(entries.encode()) if packed else entries.encode())
    assert list(read_blocklists([str(tmp_path)])) == ["bad.com", "worse.org", "a.org/x"]


def test_a_blocklist_that_is_missing_or_damaged_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no list in UT1's format"):
        list(read_blocklists([str(tmp_path)]))
    (tmp_path / "domains.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="damaged gzip"):
        list(read_blocklists([str(tmp_path)]))


def test_a_real_blocklist(shared: Path) -> None:
    entries = list(read_blocklists([str(shared / "ut1" / "domains-sample.gz")]))
    blocklist = Blocklist.of(entries)
    assert len(blocklist) == len(set(entries)) > 100
    assert all(entry in blocklist for entry in entries)
    assert "wikipedia.org" not in blocklist


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it's 9.5 p.m.", ["Do", "n't", "stop", ",", "it", "'s", "9.5", "p.m."]),
        ("Mr. Fox (now)...", ["Mr.", "Fox", "(", "now", ")", "..."]),
        ("see https://a.org/b?c=1, or a@b.org.", ["see", "https://a.org/b?c=1", ",", "or", "a@b.org", "."]),
        ("naïve हिन्दी 中文。", ["naïve", "हिन्दी", "中文", "。"]),
        ("well-known £5", ["well", "-", "known", "£", "5"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (numbered(60), None),
        ("x", None),
        ("a b\n\n" * 5 + numbered(60), "gopher_repetition:duplicate_paragraphs"),
        (
            f"{numbered(60)}\n\n{numbered(60)}\n\nother\n\nand one more",
            "gopher_repetition:duplicate_paragraph_characters",
        ),
        ("\n".join(["a b"] * 5 + [numbered(60)]), "gopher_repetition:duplicate_lines"),
        (f"{numbered(60)}\n{numbered(60)}\nother\nand one more", "gopher_repetition:duplicate_line_characters"),
        ("big cat " * 24 + numbered(60), "gopher_repetition:top_2_gram"),
        (" ".join(f"a big cat {word}" for word in words(numbered(40))), "gopher_repetition:top_2_gram"),
        (" ".join(f"a big cat {word}{'y' * 12}" for word in words(numbered(40))), "gopher_repetition:top_3_gram"),
        (numbered(60) + " " + numbered(60), "gopher_repetition:duplicate_5_grams"),
    ],
)
def test_gopher_repetition(text: str, reason: str | None) -> None:
    assert GopherRepetition()(Prose(text)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (numbered(48), None),
        (numbered(47), "gopher_quality:too_few_words"),
        (numbered(47) + " , . ;", "gopher_quality:too_few_words"),
        (numbered(100_000), "gopher_quality:too_many_words"),
        ("the to " + "a b " * 60, "gopher_quality:words_too_short"),
        ("the to " + "unimaginably " * 60, "gopher_quality:words_too_long"),
        (numbered(60) + " #" * 9, "gopher_quality:too_many_hashes"),
        (numbered(60) + " …" * 9, "gopher_quality:too_many_ellipses"),
        ("\n".join(f"- {line}" for line in [numbered(60)] * 10), "gopher_quality:too_many_bullet_lines"),
        ("\n".join(f"• {line}" for line in [numbered(60)] * 9) + "\nx", None),
        ("\n".join([numbered(60) + "..."] * 4 + [numbered(60)] * 6), "gopher_quality:too_many_ellipsis_lines"),
        ("\n".join([numbered(60) + "…"] * 3 + [numbered(60)] * 7), None),
        (numbered(78) + " 12345" * 20, None),
        (numbered(77) + " 12345" * 20, "gopher_quality:too_few_alphabetic_words"),
        (numbered(60).replace("the and", "the dog"), "gopher_quality:too_few_stop_words"),
    ],
)
def test_gopher_quality(text: str, reason: str | None) -> None:
    assert GopherQuality()(Prose(text)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("This is a page of plain English text about the weather.", None),
        ("Dies ist eine Seite mit deutschem Text über das Wetter von morgen.", "language:de"),
        ("C'est une page de texte français sur le temps qu'il fera demain.", "language:fr"),
    ],
)
def test_language(text: str, reason: str | None) -> None:
    rule = LanguageFilter()
    assert rule(rule.identify(text)) == reason


def test_the_languages_to_keep_are_a_setting() -> None:
    rule = LanguageFilter(languages=("de", "fr"))
    assert rule(rule.identify("Dies ist eine Seite mit deutschem Text über das Wetter.")) is None
    assert rule({"en": 0.9, "de": 0.1}) == "language:en"
    assert rule({"de": 0.65, "en": 0.3}) == "language:unsure"
    assert LanguageFilter(languages=())({"sw": 0.7}) is None


def test_extraction_takes_the_main_content() -> None:
    html = "<body><nav>Home About</nav><main><h1>Title</h1><p>First.</p><p>More.</p></main><footer>legal</footer>"
    text = Extraction()(html, "html")
    assert "First." in text and "More." in text and "Title" in text
    assert "Home" not in text and "legal" not in text
    assert Extraction()("a  \r\nb\n\n\n\nc\n", "text") == "a\nb\n\nc"
    assert Extraction()("<html></html>", "html") == ""


def test_extraction_is_bounded() -> None:
    assert Extraction(max_characters=10)("12345\n6789 123", "text") == "12345"
    assert Extraction(max_characters=5)("123456789", "text") == "12345"
    assert Extraction().refuse("<div>" * 100_000, "html") == "extraction:too_deep"
    assert Extraction().refuse("<div>" * 100_000, "text") is None
    assert depth("<p>a<br><div><b>x</b></div><img>") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+x@mail.co.uk now", "write to email@example.com now"),
        ("a@b.com c@d.org e@f.net", "email@example.com firstname.lastname@example.org email@example.com"),
        ("at 8.8.8.8 and 192.168.0.1", "at 22.214.171.124 and 192.168.0.1"),
        ("@handle, 10.0.0.1, version 1.2.3, a @ b", "@handle, 10.0.0.1, version 1.2.3, a @ b"),
    ],
)
def test_pii_is_replaced(text: str, expected: str) -> None:
    assert PIIRemoval()(text).text == expected


def test_pii_is_counted_and_can_stay() -> None:
    cleaned = PIIRemoval()("a@b.com 8.8.8.8 9.9.9.9")
    assert (cleaned.emails, cleaned.ips) == (1, 2)
    assert PIIRemoval(emails=False, ips=False)("a@b.com 8.8.8.8").text == "a@b.com 8.8.8.8"
