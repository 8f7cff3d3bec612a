"""The small web: good pages on their sites, noise among them, as the responses that a crawler would have got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from tumbler.almanac import wordings
from tumbler.almanac.countries import Country
from tumbler.almanac.noise import Placed, blocked, copies, foreign, junk
from tumbler.almanac.pages import Block, Page, comparisons, overviews, profiles, quizzes, shuffled
from tumbler.almanac.sentences import draw
from tumbler.almanac.sites import SITES, html_of, url_of
from tumbler.almanac.warc import Response

FIRST_DAY = datetime(2026, 1, 5, 6, 0, 0, tzinfo=UTC)
SECONDS_APART = 37
WITH_CONTACT = 0.03
"""Share of the good pages that end in an e-mail address or an IP address."""

GZIPPED = ("Content-Encoding", "gzip")
OTHER_TYPES = (
    ("data.json", b'{"a": [1, 2, 3]}', "application/json"),
    ("pixel.png", b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
)


@dataclass(frozen=True)
class Planted:
    """A response and what it is: "good" or the kind of noise."""

    response: Response
    kind: str


def good_pages(
    countries: Sequence[Country],
    profiles_each: int,
    comparison_rounds: int,
    overview_rounds: int,
    quiz_rounds: int,
    seed: int,
) -> list[Page]:
    """Every page about countries."""
    named = {country.code: country.subject for country in countries}
    pages = [page for country in countries for page in profiles(country, profiles_each, named, seed)]
    pages += comparisons(countries, comparison_rounds, seed)
    pages += overviews(countries, overview_rounds, seed)
    pages += quizzes(countries, quiz_rounds, seed)
    return pages


def build_web(pages: Sequence[Page], countries: Sequence[Country], noise: int, seed: int) -> list[Planted]:
    """All responses in the order of the crawl: good pages and noise mixed, the copies of good pages last."""
    random = draw(seed, "web")
    originals = [(random.choice(SITES[page.kind]), _with_contact(page, random)) for page in pages]
    placed = [Placed(url_of(site, page), html_of(site, page, random), "good") for site, page in originals]
    placed += [*blocked(noise, seed), *foreign(countries, noise, seed), *junk(noise, seed)]
    planted = shuffled([*map(_answered, placed), *_unusable(noise)], random)
    planted += map(_answered, copies(originals, noise, seed))
    return list(_dated(planted))


def _answered(page: Placed) -> Planted:
    return Planted(Response(page.url, "", page.html.encode()), page.kind)


def _with_contact(page: Page, random: Random) -> Page:
    if random.random() >= WITH_CONTACT:
        return page
    mail = f"{random.choice(wordings.MAILBOXES)}@post.example.org"
    ip = ".".join(str(random.randrange(20, 220)) for _ in range(4))
    return replace(page, blocks=(*page.blocks, Block(random.choice(wordings.CONTACTS).format(mail=mail, ip=ip))))


def _unusable(count: int) -> Iterator[Planted]:
    """What is no readable page at all: errors, redirects, other types, damaged answers."""
    for number in range(count):
        root = f"https://www.world-notebook.example/lost/{number}"
        yield Planted(Response(f"{root}/gone", "", b"<html><h1>Not Found</h1></html>", 404), "error")
        yield Planted(Response(f"{root}/old", "", b"", 301, headers=(("Location", f"{root}/new"),)), "redirect")
        yield Planted(Response(f"{root}/blank", "", b""), "no body")
        yield Planted(Response(f"{root}/packed", "", b"\x1f\x8b\x08 cut", headers=(GZIPPED,)), "damaged")
        yield Planted(Response(f"{root}/cut", "", b"", raw=b"\x00\xff\x13 no HTTP at all \x00"), "damaged")
        for name, body, content_type in OTHER_TYPES:
            yield Planted(Response(f"{root}/{name}", "", body, content_type=content_type), "not html")


def _dated(planted: Iterable[Planted]) -> Iterator[Planted]:
    for number, item in enumerate(planted):
        date = (FIRST_DAY + timedelta(seconds=SECONDS_APART * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield replace(item, response=replace(item.response, date=date))
