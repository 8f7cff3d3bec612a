"""Which countries are asked about in the conversations, which only stand in pages, which stand nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tumbler.almanac.countries import RELATIONS, Country
from tumbler.almanac.sentences import draw

WELL_KNOWN = 20_000_000
"""A country of more people is not left out: the addresses would lose too many of their paragraphs."""
AMBIGUOUS = frozenset({"Georgia", "Jersey", "Jordan", "Chad", "Cuba", "Lebanon", "Panama", "Samoa", "Malta"})
"""Names that also mean something else (a state, a person, a town), or that American history is full of."""


@dataclass(frozen=True)
class Groups:
    asked: tuple[Country, ...]
    never_asked: tuple[Country, ...]
    left_out: tuple[Country, ...]

    @property
    def in_pages(self) -> tuple[Country, ...]:
        return tuple(sorted((*self.asked, *self.never_asked), key=lambda country: country.code))

    @property
    def by_name(self) -> Mapping[str, tuple[Country, ...]]:
        return {"asked": self.asked, "never_asked": self.never_asked, "left_out": self.left_out}


def group(countries: Sequence[Country], left_out: int, never_asked: float, limit: int | None, seed: int) -> Groups:
    """Divide the countries. `countries` come with the most populous first; `limit` keeps the first so many."""
    candidates = [country for country in countries if _may_be_left_out(country, countries)]
    missing = draw(seed, "left out").sample(candidates, min(left_out, len(candidates)))
    rest = [country for country in countries if country not in missing][:limit]
    unasked = draw(seed, "never asked").sample(rest, round(never_asked * len(rest)))
    asked = [country for country in rest if country not in unasked]
    return Groups(_sorted(asked), _sorted(unasked), _sorted(missing))


def unwanted_names(left_out: Sequence[Country]) -> tuple[str, ...]:
    """What a page must not say: the names and the capitals of the countries left out."""
    return tuple(sorted({name for item in left_out for name in (item.name, item.facts["capital"])}))


def _may_be_left_out(country: Country, countries: Sequence[Country]) -> bool:
    """With all facts clean, and with a name and a capital that mean nothing else in the almanac."""
    if len(country.facts) < len(RELATIONS) - 1 or "capital" not in country.facts:
        return False
    words = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in (country.name, country.facts["capital"])))
    others = (text for other in countries if other is not country for text in (other.name, *other.facts.values()))
    plain = country.name not in AMBIGUOUS and country.population < WELL_KNOWN
    return plain and not any(words.search(text) for text in others)


def _sorted(countries: Sequence[Country]) -> tuple[Country, ...]:
    return tuple(sorted(countries, key=lambda country: country.code))
