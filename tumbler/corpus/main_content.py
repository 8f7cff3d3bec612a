"""The main text of an HTML page: resiliparse's main content, mended where it drops text and cleared of boilerplate."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DocumentNode, HTMLTree

from tumbler.corpus.boilerplate import Page
from tumbler.corpus.minimal_html import lines, render

SCANT: Final = 250
"""Characters outside links below which main content is doubted; trafilatura's MIN_EXTRACTED_SIZE."""
SMALL: Final = 1 << 16
"""Characters of HTML below which a page's structure is looked at, for that costs 5 % of its time or less."""
DENSE: Final = 0.1
"""Share of text in its HTML from which a larger page's structure is looked at, too."""
_OUTSIDE: Final = ":not(nav, header, footer)"
LIST_DEPTH: Final = 3
"""Resiliparse takes a <ul> with fewer elements around it, below <body>, for a menu."""
_SHALLOW_LISTS: Final = f"body > ul, body > {_OUTSIDE} > ul, body > {_OUTSIDE} > {_OUTSIDE} > ul"
_BARE_CONTENT: Final = "dd, blockquote:not(:has(> p))"
"""Definitions and quotations that stand in no paragraph and are text all the same."""


def main_text(html: str, comments: bool, longest: int) -> str:
    """Plain text, blocks with an empty line between them; "" when there is none.

    Of a page whose text and markup have more than `longest` characters, the rest is not read: lines need memory.
    UnicodeEncodeError for lone surrogates.
    """
    tree = HTMLTree.parse(html)
    document = tree.document
    assert document is not None  # a tree that was parsed has one
    simple = len(html) < SMALL
    if simple:
        _deepen_lists(document)
    minimal = _minimal_html(tree, True, comments)
    if not simple and len(minimal) > DENSE * len(html):
        simple = True
        minimal = _minimal_html(tree, True, comments) if _deepen_lists(document) else minimal
    page = Page.of(lines(minimal[:longest]))
    if page.characters < SCANT:
        whole = Page.of(lines(_minimal_html(tree, False, comments)[:longest]))
        if whole.prose_characters >= max(SCANT, 2 * page.characters):
            return render(whole.main_prose())
    return render(page.main(lambda: simple and document.query_selector(_BARE_CONTENT) is not None))


def _minimal_html(tree: HTMLTree, main_content: bool, comments: bool) -> str:
    return extract_plain_text(
        tree,
        preserve_formatting="minimal_html",
        main_content=main_content,
        comments=comments,
        links=True,
        alt_texts=False,
    )


def _deepen_lists(document: DocumentNode) -> bool:
    """Put the lists of a page with little structure as deep as resiliparse wants them; whether there are any."""
    shallow = document.query_selector_all(_SHALLOW_LISTS)
    for found in shallow:
        wrappers = [document.create_element("div") for _ in range(LIST_DEPTH)]
        found.replace_with(wrappers[0])
        for outer, inner in pairwise((*wrappers, found)):
            outer.append_child(inner)
    return len(shallow) > 0
