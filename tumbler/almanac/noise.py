"""What a real crawl also holds, planted on purpose: each kind is there for one rule of the crawl or the corpus.

The text of some kinds is good: they are blocked for their URL, or are copies of good pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from random import Random
from typing import Final

from tumbler.almanac.countries import Country
from tumbler.almanac.pages import Block, Page, shuffled
from tumbler.almanac.salad import COMMON, FOREIGN, KEYWORDS, LONG, SHORT
from tumbler.almanac.sentences import capitalise, draw
from tumbler.almanac.sites import Site, html_of, url_of

BLOCKED_DOMAINS: Final = ("example.net", "late-night-pictures.example.com")
"""Reserved for examples too, but under suffixes that URL filters know; the second is a subdomain."""
BLOCKED_FOLDER: Final = "free-hosting.example/members"
"""A host that is not blocked itself: each page below this is listed by its URL."""
MIRRORS: Final = ("https://mirror.copied-pages.example", "http://cache.second-hand.test")

Writer = Callable[[Random], list[str]]
"""Writes the paragraphs of one page; a line break inside a paragraph begins a line of its own."""


@dataclass(frozen=True)
class Placed:
    """A page at its address. `kind` is "good" or the kind of noise."""

    url: str
    html: str
    kind: str


def copies(originals: Sequence[tuple[Site, Page]], count: int, seed: int) -> Iterator[Placed]:
    """Mirrors (the same page elsewhere) and near-duplicates (one sentence more) of `count` good pages each."""
    random = draw(seed, "copies")
    chosen = random.sample(originals, min(len(originals), 2 * count))
    for number, (site, page) in enumerate(chosen):
        elsewhere = replace(site, root=f"{MIRRORS[number % 2]}/{number}")
        kind = "mirror" if number < count else "near-duplicate"
        copy = page if kind == "mirror" else replace(page, blocks=(*page.blocks, Block("Reprinted here for you.")))
        yield Placed(url_of(elsewhere, copy), html_of(elsewhere, copy, random), kind)


def blocked(count: int, seed: int) -> Iterator[Placed]:
    """Pages that only their address gives away: it is on a block list, or has words that forbid it."""
    random = draw(seed, "blocked")
    roots = {
        "blocked domain": f"http://www.{BLOCKED_DOMAINS[0]}/view",
        "blocked subdomain": f"https://{BLOCKED_DOMAINS[1]}/view",
        "blocked url": f"https://{BLOCKED_FOLDER}",
        "word in url": "https://my-links.example/free-porn-videos",
        "words in url": "http://clips.test/casino-poker-bonus",
        "word inside url": "http://pornhub-of-cars.test",
    }
    for kind, root in roots.items():
        for number in range(count):
            page = Page(kind, str(number), "A page", (Block(_lines(random, 8)),))
            yield Placed(f"{root}/{number}", _bare(page, "", random), kind)


def blocklist(count: int) -> dict[str, tuple[str, ...]]:
    """The entries of UT1's two files, `domains` and `urls`, that block these pages."""
    return {"domains": BLOCKED_DOMAINS, "urls": tuple(f"{BLOCKED_FOLDER}/{number}" for number in range(count))}


def foreign(countries: Sequence[Country], count: int, seed: int) -> Iterator[Placed]:
    """Pages in other languages, with the countries' names in them."""
    for language, templates in FOREIGN.items():
        random = draw(seed, "foreign", language)
        named = [item for item in countries if item.translations.get(language) and "capital" in item.facts]
        for number in range(count if named else 0):
            lines = [
                template.format(c=country.translations[language], v=country.facts["capital"])
                for template, country in zip(shuffled(templates, random), random.choices(named, k=5), strict=True)
            ]
            yield _bad("foreign", f"https://{language}.reisen-voyages.example/{number}", lines, random)


def junk(count: int, seed: int) -> Iterator[Placed]:
    """Pages that break one rule of quality or of repetition each."""
    for kind, write in JUNK.items():
        random = draw(seed, "junk", kind)
        for number in range(min(1, count) if kind == "too long" else count):
            url = f"https://{kind.replace(' ', '-')}.some-pages.example/{number}"
            yield _bad(kind, url, write(random), random)


def _bad(kind: str, url: str, lines: Sequence[str], random: Random) -> Placed:
    page = Page(kind, "", kind.capitalize(), tuple(map(Block, lines)))
    return Placed(url, _bare(page, "", random), kind)


def _bare(page: Page, root: str, random: Random) -> str:
    """No frame at all, so that what is extracted is what was planted."""
    paragraphs = (escape(block.text).replace("\n", "<br>\n") for block in page.blocks)
    lines = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<!DOCTYPE html>\n<html><head><title>{escape(page.title)}</title></head><body>{lines}</body></html>\n"


def _salad(random: Random, words: int, vocabulary: Sequence[str] = COMMON) -> str:
    """One sentence of random words."""
    return capitalise(" ".join(random.choices(vocabulary, k=words))) + "."


def _lines(random: Random, lines: int, words: int = 14) -> str:
    """A paragraph of sentences of random words, each on a line of its own."""
    return "\n".join(_salad(random, words) for _ in range(lines))


def _words_of(vocabulary: Sequence[str]) -> Writer:
    return lambda random: [_salad(random, 12, vocabulary) for _ in range(8)]


def _each_word(share: float, change: Callable[[str, Random], str]) -> Writer:
    """Random words of which a share is changed."""

    def write(random: Random) -> list[str]:
        words = _lines(random, 8).split()
        return [" ".join(change(word, random) if random.random() < share else word for word in words)]

    return write


def _bullets(random: Random) -> list[str]:
    return ["\n".join(f"• {line}" for line in _lines(random, 14, 10).split("\n"))]


def _teasers(random: Random) -> list[str]:
    return ["\n".join(f"{line[:-1]}..." for line in _lines(random, 14, 16).split("\n"))]


def _same_lines(random: Random) -> list[str]:
    lines = _lines(random, 6, 10).split("\n")
    return ["\n".join(shuffled(lines * 2, random))]


def _phrase(phrase: str, gap: int) -> Writer:
    """Text in which a phrase comes back after every `gap` random words."""

    def write(random: Random) -> list[str]:
        return [" ".join(f"{phrase} {_salad(random, gap)[:-1].lower()}" for _ in range(4)) + "." for _ in range(8)]

    return write


def _run(length: int) -> Writer:
    """Text of 265 words in which a run of `length` words comes once more."""

    def write(random: Random) -> list[str]:
        text = random.choices(COMMON, k=250)
        return [" ".join((*text, *text[20 : 20 + length], *random.choices(COMMON, k=15))) + "."]

    return write


def _two_languages(random: Random) -> list[str]:
    """Mostly English with some French, so that a classifier is sure of neither."""
    french = [template.format(c="ce pays", v="la ville") for template in random.sample(FOREIGN["fr"], 2)]
    return shuffled([*french, *(_salad(random, 12) for _ in range(8))], random)


JUNK: Final[Mapping[str, Writer]] = {
    "empty": lambda random: [],
    "too short": lambda random: [_salad(random, 40)],
    "too long": lambda random: [_lines(random, 7200)],
    "long words": _words_of(LONG),
    "short words": _words_of(SHORT),
    "hashes": _each_word(0.4, lambda word, _: f"#{word}"),
    "dots": _each_word(0.3, lambda word, _: f"{word}..."),
    "bullets": _bullets,
    "teasers": _teasers,
    "figures": _each_word(0.4, lambda _, random: str(random.randrange(9999))),
    "two languages": _two_languages,
    "wares": _words_of(KEYWORDS),
    "same lines": _same_lines,
    "spam of 2": _phrase("cheap tickets", 5),
    "spam of 3": _phrase("best cheap tickets", 11),
    "spam of 4": _phrase("buy best cheap tickets", 16),
    **{f"run of {length}": _run(length) for length in (40, 45, 48, 49, 54, 80)},
}
"""Kind -> who writes such a page."""
