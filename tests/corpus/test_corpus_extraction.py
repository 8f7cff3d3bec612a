"""What extraction keeps of a page, what it leaves out, and that no page can hold it up."""

from __future__ import annotations

import html
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tumbler.corpus.extraction.extraction import Extraction
from tumbler.corpus.extraction.main_content import LIST_DEPTH, SMALL
from tumbler.corpus.extraction.nesting import depth, is_deep
from tumbler.errors import UserError

FIRST = "The river rose in the night, and by the morning the lower fields were under water as far as the mill."
SECOND = "Nobody in the village could remember such a flood, though the oldest of them had seen eighty springs."
THIRD = "It took until the autumn before the road to the mill could be used again, and then only by carts."
ARTICLE = f"<p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p>"
PIECES = (
    *("<p>", "</p>", "<ul>", "</ul>", "<ol>", "<li>", "</li>", "<pre>", "</pre>", "<br>", "<h2>", "</h2>", "<table>"),
    *("<td>", "<a href=x>", "</a>", "<div>", "</div>", "<blockquote>", "\n", "&lt;b>", FIRST, "x", "\0"),
)
FILLER = f"<script>{'var unused = 1;' * (SMALL // 10)}</script>"
"""Makes a page large."""


def extract(body: str) -> str:
    return Extraction()(f"<html><body>{body}</body></html>", "html")


def test_the_main_content_is_kept_without_navigation_and_footer() -> None:
    text = extract(f"<nav>Home About</nav><main><h1>The flood</h1>{ARTICLE}</main><footer>legal</footer>")
    assert text == f"The flood\n\n{FIRST}\n\n{SECOND}\n\n{THIRD}"


@pytest.mark.parametrize("around", range(LIST_DEPTH + 2))
def test_a_plain_list_stays_however_little_structure_the_page_has(around: int) -> None:
    page = f"{ARTICLE}<ul><li>one cart</li><li>two oxen</li></ul>"
    assert extract("<div>" * around + page + "</div>" * around).endswith("- one cart\n- two oxen")


def test_a_plain_list_stays_in_a_large_page_that_is_mostly_text() -> None:
    paragraphs = "".join(f"<p>{number}. {FIRST}</p>" for number in range(SMALL // len(FIRST)))
    assert extract(f"{paragraphs}<ul><li>one cart</li></ul>").endswith("- one cart")


def test_a_large_page_with_little_text_is_extracted_as_a_small_one() -> None:
    assert extract(FILLER + ARTICLE) == extract(ARTICLE)


def test_a_menu_at_the_top_of_the_page_does_not_come_back_as_a_list() -> None:
    menu = "<ul><li><a href=/>Home</a></li><li><a href=/news>News</a></li></ul>"
    assert extract(f"{menu}<header><ul><li>Search</li></ul></header>{ARTICLE}") == extract(ARTICLE)


def test_lists_are_nested_and_numbered() -> None:
    body = f"<div><div><div>{ARTICLE}<ol><li>first<ul><li>deep</li></ul></li><li>second</li></ol></div></div></div>"
    assert extract(body).endswith("1. first\n  - deep\n2. second")


def test_code_keeps_its_lines_and_tables_their_rows() -> None:
    code = "<pre>def f(x):\n    return x &lt; 1\n\nf(2)</pre>"
    text = extract(f"{ARTICLE}{code}<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>")
    assert text.endswith("def f(x):\n    return x < 1\n\nf(2)\n\na\t\tb\nc\t\td")


@pytest.mark.parametrize(
    "furniture",
    [
        "<div>By Jane Miller</div>",
        "<div>Updated 7 hours ago</div>",
        "<figure><img src=x><figcaption>The mill in spring. Photo: J. Miller</figcaption></figure>",
        "<p><a href=/more>What the council said about the flood last year</a></p>",
        "<p>Read more: <a href=/more>What the council said about the flood</a></p>",
        "<p>Subscribe to our newsletter</p>",
        "<p>Copyright 2024 The Valley News</p>",
        "<h3>Related stories</h3>",
        "<ul><li><h4><a href=/1>The bridge is closed</a></h4><p>The old bridge below the mill is closed to all traffic "
        "from Monday on, the council said.</p></li></ul>",
    ],
)
def test_furniture_between_paragraphs_is_left_out(furniture: str) -> None:
    body = f"<div><div><div><p>{FIRST}</p>{furniture}<p>{SECOND}</p><p>{THIRD}</p></div></div></div>"
    assert extract(body) == f"{FIRST}\n\n{SECOND}\n\n{THIRD}"


def test_a_cookie_notice_is_left_out_at_the_edge_and_kept_in_the_text() -> None:
    notice = "We use cookies to improve your experience of this website. By going on you accept our use of cookies."
    many = "".join(f"<p>{number}. {FIRST}</p>" for number in range(6))
    assert notice not in extract(f"<p>{notice}</p>{many}")
    assert notice in extract(f"{many}<p>{notice}</p>{many.replace('flood', 'water').replace('. The', '. A')}")
    baking = "Roll the dough, cut out the cookies and bake them in the middle of the oven for a quarter of an hour."
    assert extract(f"<p>{baking}</p>{ARTICLE}").startswith(baking)


def test_headings_with_no_text_below_them_are_left_out() -> None:
    body = f"<h1>The flood</h1><h2>Night</h2><p>{FIRST}</p><h2>Empty</h2><h2>Day</h2><p>{SECOND}</p><h2>Comments</h2>"
    assert extract(body) == f"The flood\n\nNight\n\n{FIRST}\n\nDay\n\n{SECOND}"


def test_a_line_that_comes_again_is_left_out() -> None:
    assert extract(f"{ARTICLE}<p>{FIRST}</p>") == extract(ARTICLE)


def test_text_outside_paragraphs_stays_where_the_prose_stands_outside_paragraphs() -> None:
    body = f"<div>{FIRST}</div><div>Chapter two</div><div>{SECOND}</div>"
    assert extract(body).split() == f"{FIRST} Chapter two {SECOND}".split()


@pytest.mark.parametrize(
    "body",
    [
        "<dl><dt>flood, n.</dt><dd><p>An overflow of a large amount of water beyond its limits.</p></dd></dl>",
        "<blockquote>flood, n.<br>We shall not see its like again, said the miller</blockquote>",
    ],
)
def test_definitions_and_quotations_outside_paragraphs_stay(body: str) -> None:
    assert "flood, n." in extract(f"{ARTICLE}{body}")


def test_links_within_prose_stay() -> None:
    linked = FIRST.replace("the lower fields", "<a href=/fields>the lower fields</a>")
    whole = f"<a href=/second>{SECOND}</a>"
    anchor = f"<a name=third>{THIRD.rstrip('.')}</a>"
    text = extract(f"<p>{linked}</p><p>{whole}</p><p>{anchor}</p>")
    assert text == f"{FIRST}\n\n{SECOND}\n\n{THIRD.rstrip('.')}"


def test_a_page_whose_main_content_is_missed_gives_its_prose() -> None:
    hidden = f'<div class="modal newsletter">{ARTICLE}</div>'
    assert extract(f"<div>Menu</div>{hidden}") == f"{FIRST}\n\n{SECOND}\n\n{THIRD}"


def test_a_page_without_prose_is_kept_as_it_is() -> None:
    body = "<h1>Poem</h1><p>roses<br>violets</p><div>sugar</div><p><a href=/poems>all the poems of this season</a></p>"
    assert extract(body) == "Poem\n\nroses\nviolets\n\nsugar\n\nall the poems of this season"


def test_without_main_content_everything_is_text() -> None:
    text = Extraction(main_content=False)(f"<body><nav>Home</nav>{ARTICLE}<footer>legal</footer>", "html")
    assert text.startswith("Home") and text.endswith("legal")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1))
@example(['"&<>&amp;&quot;'])
def test_the_words_of_a_paragraph_come_out_as_they_went_in(words: list[str]) -> None:
    expected = " ".join([*words, "reads the prose of this long line, which is sure to have the length of real prose."])
    assert extract(f"<p>{html.escape(expected)}</p>").replace("\n", " ") == expected


@given(st.lists(st.sampled_from(PIECES)))
def test_no_markup_and_no_error_comes_of_any_order_of_tags(pieces: list[str]) -> None:
    text = extract("".join(pieces))
    assert text == text.strip() and "\n\n\n" not in text
    assert "<" not in text.replace("<b>", "")
    assert text == extract("".join(pieces))


def test_ready_text_passes_through_tidied() -> None:
    assert Extraction()("a  \r\nb\n\n\n\nc\n", "text") == "a\nb\n\nc"
    assert Extraction()("<html></html>", "html") == ""


def test_long_lines_of_ready_text_take_bounded_time() -> None:
    start = time.process_time()
    assert len(Extraction()("x" * 100_000_000, "text")) == Extraction().max_characters
    assert Extraction()("x" + " " * 1_000_000 + "y", "text") == "x"
    assert time.process_time() - start < 4


def test_text_is_cut_at_a_line_break() -> None:
    assert Extraction(max_characters=10)("12345\n6789 123", "text") == "12345"
    assert Extraction(max_characters=5)("123456789", "text") == "12345"


def test_the_size_of_a_page_is_counted_in_bytes() -> None:
    rule = Extraction(max_bytes=100)
    assert rule.refuse("a" * 100, "html") is None
    assert rule.refuse("a" * 101, "html") == rule.refuse("ä" * 51, "html") == "extraction:too_large"
    assert rule.refuse("a" * 101, "text") is None
    assert Extraction().refuse("a" * 100_000_000, "html") == "extraction:too_large"


def test_pages_of_tags_are_refused() -> None:
    rule = Extraction(max_tags=10)
    assert rule.refuse("<p>" * 10 + "a" * 100, "html") is None
    assert rule.refuse("<p>" * 11, "html") == rule.refuse("<p>" * 11 + "a" * 100, "html") == "extraction:too_many_tags"
    assert rule.refuse("<p>" * 11, "text") is None


def test_deep_pages_are_refused() -> None:
    assert depth("<p>a<br><div><b>x</b></div><img>") == 2
    assert Extraction().refuse("<div>" * 100_000, "html") == "extraction:too_deep"
    assert Extraction().refuse("<b>" * 100_000 + "</b>" * 100_000, "html") == "extraction:too_deep"
    assert Extraction().refuse("<div>" * 100_000, "text") is None
    assert not is_deep("<div><p>x<br></div>" * 100_000, 5000)


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 4000 + FIRST,
        "<span>" * 100_000 + FIRST,
        "word " * 1_000_000,
        "\0" * 1_000_000,
        f"<p>{FIRST}\ud800</p>",
        "<p " + " ".join(f"a{number}=1" for number in range(20_000)) + f">{FIRST}",
        "<p>a" * 100_000,
        "<li>a" * 100_000,
        "<a href=x>" * 20_000 + FIRST,
        "<a" * 300_000,
        "<table>" + "<tr><td>a" * 100_000,
        "<table><tr><td>" * 4000,
        "&amp;" * 500_000,
        "&#x" + "1" * 1_000_000,
        "<pre>" + "\n" * 1_000_000,
        "<blockquote>" * 4000 + "<i>x</i>" * 20_000,
        "<!--" * 300_000,
    ],
    ids=lambda body: str(body[:12]),
)
def test_hostile_pages_take_bounded_time(body: str) -> None:
    rule = Extraction()
    start = time.process_time()
    if rule.refuse(body, "html") is None:
        rule(body, "html").encode()
    assert time.process_time() - start < 6


def test_trafilatura_is_an_option_whose_pages_do_not_depend_on_each_other() -> None:
    body = f"<html><body><article><h1>The flood</h1>{ARTICLE}</article><footer>legal</footer></body></html>"
    rule = Extraction(method="trafilatura")
    texts = {rule(body, "html") for _ in range(5)}
    assert len(texts) == 1
    assert FIRST in texts.pop()
    assert rule("", "html") == ""
    assert FIRST in rule(body.replace("legal", "\ud800"), "html")


def test_trafilatura_missing_is_one_line_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(UserError, match=r'pip install "tumbler\[trafilatura\]"'):
        Extraction(method="trafilatura")("<p>x", "html")
