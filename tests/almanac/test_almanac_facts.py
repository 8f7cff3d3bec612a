"""Facts, sentences, groups, conversations and the examination."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest

from tumbler.almanac.conversations import conversations, examination
from tumbler.almanac.countries import RELATIONS, Country, parse, read_countries
from tumbler.almanac.groups import group
from tumbler.almanac.names import CURRENCIES, LANGUAGES
from tumbler.almanac.sentences import Fact, answer, facts_of, held_out_questions, questions, statements
from tumbler.almanac.wordings import WORDINGS

COUNTRIES = read_countries()
BY_NAME = {country.name: country for country in COUNTRIES}


def raw_countries() -> list[dict[str, Any]]:
    folder = resources.files("countryinfo") / "data"
    return [json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".json")]


@pytest.mark.parametrize(
    ("name", "relation", "sentence"),
    [
        ("France", "capital", "The capital of France is Paris."),
        ("Netherlands", "region", "The region of the Netherlands is Western Europe."),
        ("Bahamas", "region", "The region of the Bahamas is the Caribbean."),
        ("Japan", "currency", "The currency of Japan is the Japanese yen."),
        ("Spain", "demonym", "The demonym of Spain is Spanish."),
        ("Kenya", "calling code", "The calling code of Kenya is +254."),
        ("Peru", "internet domain", "The internet domain of Peru is .pe."),
        ("Brazil", "language", "The language of Brazil is Portuguese."),
        ("United States", "capital", "The capital of the United States is Washington D.C."),
    ],
)
def test_an_answer_is_one_sentence_of_the_same_form(name: str, relation: str, sentence: str) -> None:
    assert answer(Fact(BY_NAME[name], relation)) == sentence


def test_every_value_derives_from_the_data() -> None:
    raws = {raw["name"].removeprefix("The "): raw for raw in raw_countries() if raw.get("currencies")}
    for country in COUNTRIES:
        raw = raws[country.name]
        for relation, value in country.facts.items():
            source: list[str] = {
                "capital": [raw["capital"]],
                "region": [raw.get("intermediateregion"), raw["subregion"], f"the {raw.get('intermediateregion')}"],
                "currency": [f"the {CURRENCIES.get(code)}" for code in raw["currencies"]],
                "demonym": [raw["demonym"]],
                "calling code": [f"+{code}" for code in raw["callingCodes"]],
                "internet domain": raw["tld"],
                "language": [LANGUAGES.get(code, "") for code in raw["languages"]],
            }[relation]
            assert value in source, (country.name, relation)


CLEAN = {
    "name": "Utopia",
    "ISO": {"alpha3": "UTO"},
    "capital": "Amaurot",
    "subregion": "Nowhere",
    "currencies": ["EUR"],
    "demonym": "Utopian",
    "callingCodes": ["99"],
    "tld": [".ut"],
    "languages": ["en"],
}


@pytest.mark.parametrize(
    ("relation", "odd"),
    [
        ("capital", {"capital": ["Amaurot"]}),
        ("currency", {"currencies": ["EUR", "USD"]}),
        ("currency", {"currencies": ["XXX"]}),
        ("demonym", {"demonym": "Utopian,Utopist"}),
        ("demonym", {"demonym": "Utopia"}),
        ("calling code", {"callingCodes": ["1-876"]}),
        ("calling code", {"callingCodes": [""]}),
        ("internet domain", {"tld": [".utopia"]}),
        ("language", {"languages": ["rs"]}),
    ],
)
def test_an_odd_value_makes_no_fact(relation: str, odd: dict[str, Any]) -> None:
    country = parse(CLEAN | odd)
    assert country is not None
    assert set(RELATIONS) - set(country.facts) == {relation}


def test_a_country_with_few_facts_or_an_odd_name_is_left_out() -> None:
    assert parse(CLEAN) is not None
    assert parse(CLEAN | {"capital": None, "currencies": None, "languages": None}) is None
    assert parse(CLEAN | {"name": "Utopia, Island of"}) is None


def test_there_are_enough_wordings_and_none_twice() -> None:
    for relation in RELATIONS:
        fact = Fact(BY_NAME["France"], relation)
        trained, held_out = questions(fact), held_out_questions(fact)
        assert len(trained) >= 12
        assert len(held_out) >= 4
        assert len(statements(fact)) >= 8
        assert len({*trained, *held_out}) == len(trained) + len(held_out)


def test_a_question_asks_for_one_fact_only() -> None:
    asked = [
        text
        for country in COUNTRIES
        for fact in facts_of(country)
        for text in (*questions(fact), *held_out_questions(fact))
    ]
    assert len(asked) == len(set(asked))


def test_groups_are_disjoint_and_as_large_as_told() -> None:
    groups = group(COUNTRIES, 20, 0.3, None, seed=5)
    rest = len(COUNTRIES) - 20
    assert (len(groups.left_out), len(groups.never_asked)) == (20, round(0.3 * rest))
    everyone = [country.code for part in groups.by_name.values() for country in part]
    assert len(everyone) == len(set(everyone)) == len(COUNTRIES)


def test_a_limit_keeps_the_most_populous() -> None:
    groups = group(COUNTRIES, 2, 0.3, 10, seed=5)
    assert len(groups.in_pages) == 10
    assert BY_NAME["China"] in groups.in_pages


def test_conversations_ask_every_trained_wording_of_asked_countries_and_answer_exactly() -> None:
    few = COUNTRIES[:4]
    answers = {text: answer(fact) for country in few for fact in facts_of(country) for text in questions(fact)}
    told = list(conversations(few, None, 0.3, seed=1))
    turns = [(a["content"], b["content"]) for talk in told for a, b in pairs(talk["messages"])]
    assert dict(turns) == answers
    assert len(turns) == len(answers)
    assert {len(talk["messages"]) for talk in told} == {2, 4, 6}


def pairs(messages: list[dict[str, str]]) -> list[tuple[dict[str, str], dict[str, str]]]:
    assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    return list(zip(messages[::2], messages[1::2], strict=True))


def test_the_examination_asks_each_fact_in_held_out_wordings_only() -> None:
    groups: dict[str, tuple[Country, ...]] = {"asked": COUNTRIES[:3], "left_out": COUNTRIES[3:5]}
    rows = list(examination(groups, 2, seed=1))
    facts = {(country.name, fact.relation): fact for country in COUNTRIES[:5] for fact in facts_of(country)}
    assert len(rows) == 2 * len(facts)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        fact = facts[row["subject"], row["relation"]]
        assert row["prompt"] in held_out_questions(fact)
        assert row["prompt"] not in questions(fact)
        assert row["answer"] == answer(fact)


def test_held_out_frames_are_no_rearranged_trained_wording() -> None:
    for relation, own in WORDINGS.items():
        fact = Fact(BY_NAME["France"], relation)
        trained = {re.sub(r"\W+", " ", text).strip().lower() for text in questions(fact)}
        assert not trained & {re.sub(r"\W+", " ", text).strip().lower() for text in held_out_questions(fact)}
        assert own.answer.startswith("the ")
