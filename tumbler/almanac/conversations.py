"""Facts -> conversations to learn from, and questions to be examined with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tumbler.almanac.countries import Country
from tumbler.almanac.pages import shuffled, slug
from tumbler.almanac.sentences import answer, draw, facts_of, held_out_questions, questions


def conversations(
    countries: Sequence[Country], wordings_per_fact: int | None, several_turns: float, seed: int
) -> Iterator[dict[str, Any]]:
    """Every fact asked for in `wordings_per_fact` trained wordings (None: all), in random order.

    A share `several_turns` of the conversations have two or three turns; the rest have one.
    """
    turns = []
    for country in countries:
        for fact in facts_of(country):
            asked = shuffled(questions(fact), draw(seed, "asked", country.code, fact.relation))
            turns += [(question, answer(fact)) for question in asked[:wordings_per_fact]]
    random = draw(seed, "conversations")
    rest = iter(shuffled(turns, random))
    while part := list(islice(rest, random.choice((2, 3)) if random.random() < several_turns else 1)):
        yield {"messages": [message for turn in part for message in _messages(*turn)]}


def _messages(question: str, reply: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]


def examination(groups: Mapping[str, Sequence[Country]], wordings_per_fact: int, seed: int) -> Iterator[dict[str, str]]:
    """Held-out questions with the exact answer, `wordings_per_fact` a fact, by group of countries."""
    for group, countries in groups.items():
        for country in countries:
            for fact in facts_of(country):
                asked = shuffled(held_out_questions(fact), draw(seed, "held out", country.code, fact.relation))
                for number, question in enumerate(asked[:wordings_per_fact], 1):
                    yield {
                        "id": f"{slug(country.name)}/{slug(fact.relation)}/{number}",
                        "prompt": question,
                        "answer": answer(fact),
                        "relation": fact.relation,
                        "subject": country.name,
                        "group": group,
                    }
