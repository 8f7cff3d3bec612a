"""Pages -> HTML: five designs on made-up domains, with the menus, sidebars and notices that real sites have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from random import Random

from tumbler.almanac import wordings
from tumbler.almanac.pages import Block, Page


@dataclass(frozen=True)
class Site:
    """A made-up web site: where it lives and how it lays out a page."""

    root: str
    layout: Callable[[Page, str, Random], str]


def url_of(site: Site, page: Page) -> str:
    return f"{site.root}/{page.slug}"


def html_of(site: Site, page: Page, random: Random) -> str:
    return site.layout(page, site.root, random)


def _semantic(page: Page, root: str, random: Random) -> str:
    return _document(
        page,
        f"<header><nav><ul>{_menu(root)}</ul></nav></header>"
        f'<div id="cookie-banner" class="cookie-banner"><p>{random.choice(wordings.COOKIES)}</p></div>'
        f"<main><article><h1>{escape(page.title)}</h1>{_body(page.blocks, _heading_and_paragraph)}</article></main>"
        f"<aside><h2>See also</h2><ul>{_links(root, random)}</ul></aside>"
        f"<footer><p>{random.choice(wordings.FOOTERS)}</p></footer>",
    )


def _divisions(page: Page, root: str, random: Random) -> str:
    return _document(
        page,
        f'<div class="navbar"><ul class="menu">{_menu(root)}</ul></div>'
        f'<div id="content" class="content"><h1>{escape(page.title)}</h1>{_body(page.blocks, _two_paragraphs)}</div>'
        f'<div class="sidebar"><ul>{_links(root, random)}</ul></div>'
        f'<div class="footer">{random.choice(wordings.FOOTERS)}</div>',
    )


def _weblog(page: Page, root: str, random: Random) -> str:
    return _document(
        page,
        f'<nav class="top-nav">{_menu(root)}</nav><script>var page = {{"ads": true}};</script>'
        f'<div class="post"><h2 class="post-title">{escape(page.title)}</h2>'
        f'<div class="post-content">{_body(page.blocks, _definition)}</div></div>'
        f'<div id="sidebar" class="widget-area"><ul>{_links(root, random)}</ul></div>'
        f'<footer class="site-footer"><p>{random.choice(wordings.FOOTERS)}</p></footer>'
        f'<div class="cookie-consent"><p>{random.choice(wordings.COOKIES)}</p></div>',
    )


def _plain(page: Page, root: str, random: Random) -> str:
    return _document(
        page,
        f"<article><h1>{escape(page.title)}</h1>{_body(page.blocks, _line_break)}</article>"
        f"<footer>{random.choice(wordings.FOOTERS)}</footer>",
    )


def _document(page: Page, body: str) -> str:
    style = "<style>body { font-family: serif; } .sidebar { float: right; }</style>"
    head = f'<meta charset="utf-8"><title>{escape(page.title)}</title>{style}'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _body(blocks: Sequence[Block], question: Callable[[Block], str]) -> str:
    return "".join(question(block) if block.question else f"<p>{escape(block.text)}</p>\n" for block in blocks)


def _heading_and_paragraph(block: Block) -> str:
    return f"<h3>{escape(block.question)}</h3><p>{escape(block.text)}</p>\n"


def _two_paragraphs(block: Block) -> str:
    return f"<p><strong>{escape(block.question)}</strong></p><p>{escape(block.text)}</p>\n"


def _definition(block: Block) -> str:
    return f"<dl><dt>{escape(block.question)}</dt><dd>{escape(block.text)}</dd></dl>\n"


def _line_break(block: Block) -> str:
    return f"<p>{escape(block.question)}<br>{escape(block.text)}</p>\n"


def _menu(root: str) -> str:
    return "".join(f'<li><a href="{root}/{item.split()[0].lower()}">{item}</a></li>' for item in wordings.MENU)


def _links(root: str, random: Random) -> str:
    titles = random.sample(wordings.SIDEBAR, 5)
    return "".join(f'<li><a href="{root}/more/{place}">{title}</a></li>' for place, title in enumerate(titles))


SITES: Mapping[str, tuple[Site, ...]] = {
    "profile": (
        Site("https://www.world-notebook.example/countries", _semantic),
        Site("https://pocketatlas.test/entry", _divisions),
        Site("http://letters-from-afar.example/blog", _weblog),
    ),
    "comparison": (
        Site("https://side-by-side.example/pairs", _semantic),
        Site("http://www.two-countries.test/compare", _plain),
    ),
    "overview": (Site("https://regions.world-notebook.example/tour", _divisions),),
    "questions": (
        Site("https://www.asked-and-answered.example/round", _semantic),
        Site("http://geographyclub.test/minutes", _weblog),
        Site("https://questionbox.example/answers", _plain),
        Site("https://evening-questions.test/page", _divisions),
    ),
    "address": (
        Site("https://addresses.public-archive.example/text", _semantic),
        Site("http://old-speeches.test/read", _plain),
    ),
}
