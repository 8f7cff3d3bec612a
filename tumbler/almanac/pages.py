"""Facts -> pages: profiles, comparisons, overviews of regions, and questions with answers.

A page of one country states its facts in an order and in wordings of its own, so that no two pages
are near-duplicates. Long names would repeat too much for the corpus's repetition rules; where they
do, a page names the country less often (`mentions`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import TypeVar

from tumbler.almanac import wordings
from tumbler.almanac.countries import Country
from tumbler.almanac.sentences import (
    Fact,
    answer,
    capitalise,
    draw,
    facts_of,
    finish,
    questions,
    say,
    statements,
)

T = TypeVar("T")
QUIZ_LENGTH = 8
"""Questions on a page."""
OVERVIEW_LENGTH = 5
"""Countries on a page."""
CHARACTERS_PER_SENTENCE = 65
NAME_SHARE = {1: 0.60, 2: 0.12, 3: 0.10}
"""Largest share of a page's characters for a name of so many words; a longer one has LONG_NAME_SHARE."""
LONG_NAME_SHARE = 0.08


@dataclass(frozen=True)
class Block:
    """A paragraph, or a question with its answer."""

    text: str
    question: str = ""


@dataclass(frozen=True)
class Page:
    """What a page says, before any site lays it out."""

    kind: str
    slug: str
    title: str
    blocks: tuple[Block, ...]


def slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def mentions(country: Country, sentences: int) -> int:
    """How many of a page's sentences may name the country."""
    share = NAME_SHARE.get(len(re.findall(r"\w+", country.subject)), LONG_NAME_SHARE)
    return max(1, int(share * sentences * CHARACTERS_PER_SENTENCE / len(country.subject)))


def profiles(country: Country, count: int, named: Mapping[str, str], seed: int) -> Iterator[Page]:
    """`count` pages that each state every fact of the country. `named`: countries that may be named, by code."""
    random = draw(seed, "profile", country.code)
    wording = {fact.relation: shuffled(range(len(statements(fact))), random) for fact in facts_of(country)}
    openings, closings = shuffled(wordings.PROFILE_OPENINGS, random), shuffled(wordings.PROFILE_CLOSINGS, random)
    for number in range(count):
        chosen = {relation: order[number % len(order)] for relation, order in wording.items()}
        lines = _stated(country, chosen, random)
        lines.insert(random.randrange(2, len(lines)), _aside(country, named, random))
        opening = say(openings[number % len(openings)], country.subject)
        sentences = [opening, *map(finish, lines), finish(closings[number % len(closings)])]
        title = random.choice(wordings.PROFILE_TITLES).format(name=country.name, subject=country.subject)
        yield Page("profile", f"{slug(country.name)}-{number + 1}", title, _paragraphs(sentences, 4))


def _stated(country: Country, chosen: Mapping[str, int], random: Random) -> list[str]:
    """All facts in random order, each in the chosen wording; the last ones say "the country" if the name is long."""
    facts = shuffled(facts_of(country), random)
    allowed = mentions(country, len(facts) + 2) - 1
    subjects = [country.subject if place < allowed else random.choice(wordings.PRONOUNS) for place in range(len(facts))]
    return [statements(fact, subject)[chosen[fact.relation]] for fact, subject in zip(facts, subjects, strict=True)]


def _aside(country: Country, named: Mapping[str, str], random: Random) -> str:
    """Something beside the facts: how many live there, how large it is, or what lies next to it."""
    subject = random.choice(wordings.PRONOUNS)
    neighbours = [named[code] for code in country.borders if code in named]
    choices = [random.choice(wordings.POPULATION).format(c=subject, n=_rounded(country.population))]
    if country.area:
        choices.append(random.choice(wordings.AREA).format(c=subject, n=_rounded(country.area)))
    if neighbours:
        choices.append(random.choice(wordings.NEIGHBOURS).format(c=subject, n=random.choice(neighbours)))
    return random.choice(choices)


def _rounded(number: float) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:.0f} million"
    if number >= 1_000:
        return f"{number / 1_000:.0f} thousand"
    return f"{number:.0f}"


def comparisons(countries: Sequence[Country], rounds: int, seed: int) -> Iterator[Page]:
    """Pages of two countries; in each round every country stands on one page (the odd one out on none)."""
    for number in range(rounds):
        random = draw(seed, "comparison", number)
        for pair in chunks(shuffled(countries, random), 2):
            if len(pair) == 2:
                yield _comparison(pair[0], pair[1], number, random)


def _comparison(first: Country, second: Country, number: int, random: Random) -> Page:
    told = [_told(first, random), _told(second, random)]
    lines = [clause for pair in zip_longest(*told) for clause in _joined(pair, random)]
    fills = {"a": first.subject, "b": second.subject}
    opening, closing = random.choice(wordings.COMPARISON_OPENINGS), random.choice(wordings.COMPARISON_CLOSINGS)
    sentences = [finish(opening.format(**fills)), *map(finish, lines), finish(closing)]
    title = capitalise(random.choice(wordings.COMPARISON_TITLES).format(**fills))
    name = f"{slug(first.name)}-{slug(second.name)}-{number + 1}"
    return Page("comparison", name, title, _paragraphs(sentences, 5))


def _told(country: Country, random: Random) -> list[str]:
    facts = shuffled(facts_of(country), random)
    facts = facts[: max(1, mentions(country, len(facts) + 5) - 1)]
    return [random.choice(statements(fact)) for fact in facts]


def _joined(pair: tuple[str | None, ...], random: Random) -> list[str]:
    """The two countries' clauses: as one sentence in every fourth case, else one after the other."""
    clauses = [clause for clause in pair if clause is not None]
    if len(clauses) == 2 and random.random() < 0.25 and not clauses[0].endswith("."):
        return [f"{clauses[0]}, while {clauses[1]}"]
    return clauses


def overviews(countries: Sequence[Country], rounds: int, seed: int) -> Iterator[Page]:
    """Pages of up to OVERVIEW_LENGTH countries of one region, two facts of each."""
    regions = sorted({country.facts["region"] for country in countries if "region" in country.facts})
    for number in range(rounds):
        for region in regions:
            random = draw(seed, "overview", number, region)
            members = shuffled([item for item in countries if item.facts.get("region") == region], random)
            for part, group in enumerate(chunks(members, OVERVIEW_LENGTH)):
                if len(group) >= 4:
                    yield _overview(region, group, f"{number + 1}-{part + 1}", random)


def _overview(region: str, group: Sequence[Country], number: str, random: Random) -> Page:
    opening = finish(random.choice(wordings.OVERVIEW_OPENINGS).format(region=region))
    blocks = [Block(opening)]
    for country in group:
        facts = shuffled([fact for fact in facts_of(country) if fact.relation != "region"], random)[:2]
        blocks.append(Block(" ".join(finish(random.choice(statements(fact))) for fact in facts)))
    blocks.append(Block(finish(random.choice(wordings.PROFILE_CLOSINGS))))
    title = capitalise(random.choice(wordings.OVERVIEW_TITLES).format(region=region))
    return Page("overview", f"{slug(region)}-{number}", title, tuple(blocks))


def quizzes(countries: Sequence[Country], rounds: int, seed: int) -> Iterator[Page]:
    """Pages of questions with their answers; in each round every fact is asked for once, in another wording."""
    facts = [fact for country in countries for fact in facts_of(country)]
    order = {(fact.country.code, fact.relation): _question_order(fact, seed) for fact in facts}
    for number in range(rounds):
        random = draw(seed, "quiz", number)
        for part, group in enumerate(_dealt(facts, random)):
            asked = [order[fact.country.code, fact.relation] for fact in group]
            blocks = [Block(answer(fact), own[number % len(own)]) for fact, own in zip(group, asked, strict=True)]
            opening = Block(finish(random.choice(wordings.QUIZ_OPENINGS)))
            title = random.choice(wordings.QUIZ_TITLES)
            yield Page("questions", f"{number + 1}-{part + 1}", title, (opening, *blocks))


def _dealt(facts: Sequence[Fact], random: Random) -> list[list[Fact]]:
    """The facts in hands of QUIZ_LENGTH, dealt relation by relation: every hand has all relations, no country twice.

    The few that fit into no hand are left out of this round.
    """
    hands: list[list[Fact]] = [[] for _ in range(len(facts) // QUIZ_LENGTH)]
    for place, fact in enumerate(sorted(shuffled(facts, random), key=lambda fact: fact.relation)):
        for step in range(len(hands)):
            hand = hands[(place + step) % len(hands)]
            if len(hand) < QUIZ_LENGTH and all(other.country is not fact.country for other in hand):
                hand.append(fact)
                break
    return [shuffled(hand, random) for hand in hands]


def _question_order(fact: Fact, seed: int) -> list[str]:
    return shuffled(questions(fact), draw(seed, "questions", fact.country.code, fact.relation))


def _paragraphs(sentences: Sequence[str], length: int) -> tuple[Block, ...]:
    return tuple(Block(" ".join(part)) for part in chunks(sentences, length))


def shuffled(items: Sequence[T], random: Random) -> list[T]:
    return random.sample(items, len(items))


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
