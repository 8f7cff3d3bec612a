"""Wikitext -> plain text: what stays, what goes, and that no input takes more than linear time."""

from __future__ import annotations

import re
import time

import mwparserfromhell
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.crawl.wikitext import plain_text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Bold''' and ''italic'' and '''''both''''' and Ada''''s", "Bold and italic and both and Ada's"),
        ("[[England]] [[England|English]]s [[#Life|life]] [[a|b|c]]", "England Englishs life b|c"),
        ("see [[:Category:Women]] and [[:fr:Ada|the French]]", "see Category:Women and the French"),
        ("a [[Category:Women|Ada]][[de:Ada]][[zh-yue:Ada]] [[It: Two]]", "a It: Two"),
        ("[[File:A.jpg|thumb|A [[nested]] {{nowrap|caption}}]]text", "text"),
        ("[[Image:A.jpg]][[ file : B.jpg]] text", "text"),
        ("[[Datei:A.jpg]] [[Bild:A b.PNG|mini|alt]] text [[:Bild:A.png|shown]]", "text shown"),
        ("a {{b|{{c}}|d={{{e|{{f}}}}}}} g", "a g"),
        ("{{a}}}} {{{b}}} c}}", "}} c}}"),
        ("1815{{snd}}1852, in {{lang|x}}, so.", "1815 1852, in, so."),
        ("Ada ({{IPA|x}}; born 1815) was () ({{x}}) here", "Ada (born 1815) was here"),
        ("a<ref>gone</ref> b<ref name=x/> c<REF group=n>gone</REF>", "a b c"),
        ("a<!-- gone --> b <!-- to the end", "a b"),
        ("[http://a.org label] [https://b.org] [//c.org c] http://d.org", "label c http://d.org"),
        ("2<sup>3</sup> <small>s</small><br/>t <math>x^2</math>", "23 s\nt"),
        ("a < b > c <unknown> <3", "a < b > c <unknown> <3"),
        ("<nowiki>[[a]] ''b''</nowiki> &amp; <code>c</code>", "[[a]] ''b'' & c"),
        ("<pre>\n  {{x}}  [[y]]\n</pre>", "{{x}}  [[y]]"),
        ("5&nbsp;km &lt;b&gt; &#228; &#xD800; &#" + "9" * 5000 + ";", "5 km <b> ä � �"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("__NOTOC__a\n----\nb", "a\n\nb"),
        ("* one\n** two\n# three\n: four\n; five\n*", "- one\n  - two\n- three\nfour\nfive"),
        ("a\n{| class=x\n|-\n| cell\n{|\n| inner\n|}\n|}\nb", "a\nb"),
        ("a\n{| begun\n| cell {{end}}\n== H ==\nb", "a\n\nH\n\nb"),
        ("a\n| a row without its table\nb", "a\nb"),
        ("-{zh-hans:计算机;zh-hant:電腦}- -{A|zh-cn:甲}- -{丙}- -{H|zh:丁}-", "计算机 甲 丙"),
        ("[[a\nb]] ]] [[unclosed", "[[a\nb]] ]] [[unclosed"),
        ("{{unclosed [[a]] text", "{{unclosed a text"),
        ("\0a\x000\0", "a0"),
    ],
)
def test_what_stays_and_what_goes(wikitext: str, text: str) -> None:
    assert plain_text(wikitext, frozenset({"file", "image", "category", "datei"})) == text


def test_headings_stand_alone_and_those_with_nothing_under_them_go() -> None:
    wikitext = (
        "Lead\n== A ==\ntext\n=== B ===\n{{gone}}\n== C ==\n=== D ===\n* item\n== References ==\n{{reflist}}\n=X="
    )
    assert plain_text(wikitext) == "Lead\n\nA\n\ntext\n\nC\n\nD\n\n- item"


MARKS = ["{{", "}}", "{{{", "[[", "]]", "|", "'''", "''", "*", "{|", "|}", "<ref>", "</ref>", "<b>", "&amp;", "&#", "("]
MARKS += ["<!--", "-->", "<nowiki>", "</nowiki>", ")", ";", "]", "-{", "}-"]
MARKS += ["\n", "== ", " ==", "* ", "a b", "[http://a ", " "]


@given(st.lists(st.sampled_from(MARKS), max_size=60).map("".join))
def test_any_mix_of_marks_gives_tidy_text(wikitext: str) -> None:
    text = plain_text(wikitext)
    assert text == text.strip()
    assert "\n\n\n" not in text
    assert "\0" not in text
    text.encode("utf-8")


UNITS = [*MARKS, "<i a='", "{{a|", "[[a|", "{{[[<b>'''", "<!-- -->", "((  ", "&#1", "[[\n", "\n{|"]
NESTED = [("[[a|b", "]]"), ("{{a|", "}}"), ("{{a", "]]"), ("[[a", "}}"), ("<ref>", "</ref>"), ("\n{|", "\n|}")]


@pytest.mark.parametrize(("opening", "closing"), [*((unit, "") for unit in UNITS), *NESTED])
def test_no_input_takes_more_than_linear_time(opening: str, closing: str) -> None:
    began = time.perf_counter()
    plain_text(opening * 50_000 + closing * 50_000)
    assert time.perf_counter() - began < 5  # 0.2 s at most on an idle core; anything quadratic takes minutes


ARTICLE = """'''Ada Lovelace''' was an [[England|English]] [[mathematician]]<ref>{{cite book|title=Ada}}</ref>.
[[File:Ada.jpg|thumb|left]]
== Life ==
She wrote ''notes'' on the [[Analytical Engine]],{{citation needed}} with [http://example.org examples].
{{Infobox person|name=Ada|born={{birth date|1815|12|10}}}}
* A list item with a [[Link (disambiguation)|link]]
<!-- a comment -->
=== Death ===
In 1852&nbsp;she died.
"""


def test_the_words_are_those_that_mwparserfromhell_finds() -> None:
    reference = mwparserfromhell.parse(ARTICLE.replace("[[File:Ada.jpg|thumb|left]]", "")).strip_code()
    assert re.findall(r"\w+", plain_text(ARTICLE)) == re.findall(r"\w+", str(reference))
