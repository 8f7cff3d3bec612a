"""Reader: the countries of the package `countryinfo`, and the clean facts that can be said of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tumbler.almanac.names import CURRENCIES, LANGUAGES

RELATIONS = ("capital", "region", "currency", "demonym", "calling code", "internet domain", "language")
FEWEST_FACTS = 5
"""A country with fewer clean facts than this is not in the almanac."""

_NAME = re.compile(r"[^\W\d_]+(?:[ .'-]+[^\W\d_]+)*")
_DEMONYM = re.compile(r"[A-Z][A-Za-z-]+(?: [A-Z][A-Za-z]+)*")
_WITH_ARTICLE = re.compile(
    r"The |.*(?:Islands|Republic|States|Kingdom|Emirates)$|.*(?:Republic|States) of |Isle of |"
    r"Bahamas$|Gambia$|Netherlands$|Philippines$|Maldives$|Comoros$"
)


@dataclass(frozen=True)
class Country:
    """One country. `facts` maps a relation of RELATIONS to its one clean value; what is odd or missing is absent."""

    name: str
    """As it stands at the beginning of a heading: "Netherlands"."""
    code: str
    """ISO 3166 alpha-3."""
    facts: Mapping[str, str]
    population: int
    area: float | None
    """Square kilometres."""
    borders: tuple[str, ...]
    """Alpha-3 codes."""
    translations: Mapping[str, str]
    """Its name by ISO 639 language code."""

    @property
    def subject(self) -> str:
        """As it stands inside a sentence: "the Netherlands"."""
        return f"the {self.name}" if _WITH_ARTICLE.match(self.name) else self.name


def read_countries() -> tuple[Country, ...]:
    """All countries with at least FEWEST_FACTS clean facts, the most populous first."""
    folder = resources.files("countryinfo") / "data"
    found: dict[str, Country] = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            country = parse(json.loads(file.read_text(encoding="utf-8")))
            if country is not None:
                found.setdefault(country.code, country)
    return tuple(sorted(found.values(), key=lambda country: (-country.population, country.code)))


def parse(raw: Mapping[str, Any]) -> Country | None:
    """A country from one JSON object of countryinfo; None where name or facts are not clean enough."""
    name = str(raw.get("name", "")).removeprefix("The ")
    facts = {relation: value for relation in RELATIONS if (value := _value(relation, raw)) is not None}
    code = raw.get("ISO", {}).get("alpha3")
    if not code or not _NAME.fullmatch(name) or len(facts) < FEWEST_FACTS:
        return None
    return Country(
        name,
        code,
        facts,
        int(raw.get("population") or 0),
        raw.get("area"),
        tuple(raw.get("borders") or ()),
        raw.get("translations") or {},
    )


def _value(relation: str, raw: Mapping[str, Any]) -> str | None:
    match relation:
        case "capital":
            return raw["capital"] if isinstance(raw.get("capital"), str) and _NAME.match(raw["capital"]) else None
        case "region":
            return _region(raw)
        case "currency":
            name = CURRENCIES.get(_only(raw.get("currencies")) or "")
            return f"the {name}" if name else None
        case "demonym":
            demonym = raw.get("demonym") or ""
            return demonym if _DEMONYM.fullmatch(demonym) and demonym != raw.get("name") else None
        case "calling code":
            code = _only(raw.get("callingCodes")) or ""
            return f"+{code}" if code.isdigit() else None
        case "internet domain":
            return next((tld for tld in raw.get("tld") or () if re.fullmatch(r"\.[a-z]{2}", tld)), None)
        case _:
            return LANGUAGES.get(_only(raw.get("languages")) or "")


def _region(raw: Mapping[str, Any]) -> str | None:
    """The United Nations' intermediate region where there is one (subregions of Africa and America are vast)."""
    region = raw.get("intermediateregion") or raw.get("subregion") or ""
    return "the Caribbean" if region == "Caribbean" else region or None


def _only(values: Sequence[str] | None) -> str | None:
    return values[0] if values and len(values) == 1 else None
