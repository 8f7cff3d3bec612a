"""The main text of an HTML page: resiliparse's main content, mended where it drops text and cleared of boilerplate."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from tumbler.corpus.extraction.boilerplate import Page
from tumbler.corpus.extraction.minimal_html import lines, render

SCANT: Final = 125
"""Characters outside links below which main content is doubted, if the page has PARAGRAPHS that could be it."""
PARAGRAPHS: Final = 3
ENOUGH: Final = 250
"""Characters of prose from which a page's whole text is taken instead; trafilatura's MIN_EXTRACTED_SIZE."""
SMALL: Final = 1 << 16
"""Characters of HTML below which a page's structure is looked at, for that costs 5 % of its time or less."""
DENSE: Final = 0.1
"""Share of text in its HTML from which a larger page's structure is looked at, too."""
LIST_DEPTH: Final = 3
"""Resiliparse takes a <ul> with fewer elements around it, below <body>, for a menu."""
_IN: Final = ":not(nav, header, footer)"
_LIST: Final = "ul:has(> li:first-child:not(:has(a, img)))"
_SHALLOW_LISTS: Final = f"body > {_LIST}, body > {_IN} > {_LIST}, body > {_IN} > {_IN} > {_LIST}"
"""Those that are no menus: the first item has no link."""
_BARE_CONTENT: Final = "dd, blockquote:not(:has(> p))"
"""Definitions and quotations that stand in no paragraph and are text all the same."""


def main_text(html: str, comments: bool, longest: int) -> str:
    """Plain text, blocks with an empty line between them; "" when there is none.

    Of a page whose text and markup have more than `longest` characters, the rest is not read: lines need memory.
    UnicodeEncodeError for lone surrogates.
    """
    minimal, bare_content = _main_content(html, comments)
    page = Page.of(lines(minimal[:longest]))
    if page.characters < SCANT and html.count("<p") >= PARAGRAPHS:
        whole = Page.of(lines(_minimal_html(HTMLTree.parse(html), False, comments)[:longest]))
        if whole.prose_characters >= ENOUGH:
            return render(whole.main_prose())
    return render(page.main(bare_content))


def _main_content(html: str, comments: bool) -> tuple[str, bool]:
    """The main content in minimal HTML, and whether it may have text in no paragraph; frees the tree."""
    tree = HTMLTree.parse(html)
    small = len(html) < SMALL
    mended, bare_content = _mend(tree) if small else (False, False)
    minimal = _minimal_html(tree, True, comments)
    if not small and len(minimal) > DENSE * len(html):
        mended, bare_content = _mend(tree)
        minimal = _minimal_html(tree, True, comments) if mended else minimal
    return minimal, bare_content


def _mend(tree: HTMLTree) -> tuple[bool, bool]:
    """Put the lists of a page with little structure as deep as resiliparse wants them.

    Whether there are any; whether there are definitions or quotations in no paragraph.
    """
    document = tree.document
    assert document is not None  # a tree that was parsed has one
    if document.query_selector(f"{_SHALLOW_LISTS}, {_BARE_CONTENT}") is None:
        return False, False
    shallow = document.query_selector_all(_SHALLOW_LISTS)
    for found in shallow:
        wrappers = [document.create_element("div") for _ in range(LIST_DEPTH)]
        found.replace_with(wrappers[0])
        for outer, inner in pairwise((*wrappers, found)):
            outer.append_child(inner)
    return len(shallow) > 0, document.query_selector(_BARE_CONTENT) is not None


def _minimal_html(tree: HTMLTree, main_content: bool, comments: bool) -> str:
    return extract_plain_text(
        tree,
        preserve_formatting="minimal_html",
        main_content=main_content,
        comments=comments,
        links=True,
        alt_texts=False,
    )
