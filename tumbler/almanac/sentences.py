"""Facts -> sentences, by filling the templates of `wordings`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tumbler.almanac.countries import Country
from tumbler.almanac.wordings import HELD_OUT_FRAMES, QUESTION_FRAMES, WORDINGS


@dataclass(frozen=True)
class Fact:
    """One relation of one country, such as the capital of France."""

    country: Country
    relation: str

    @property
    def value(self) -> str:
        return self.country.facts[self.relation]


def facts_of(country: Country) -> tuple[Fact, ...]:
    return tuple(Fact(country, relation) for relation in country.facts)


def draw(seed: int, *labels: object) -> Random:
    """A generator of its own for each purpose, so that a change in one place leaves the others as they were."""
    return Random("/".join(map(str, (seed, *labels))))


def answer(fact: Fact) -> str:
    """The exact answer sentence: "The capital of France is Paris."."""
    return say(WORDINGS[fact.relation].answer, fact.country.subject, fact.value)


def statements(fact: Fact, subject: str | None = None) -> tuple[str, ...]:
    """Every way to state the fact, uncapitalised and without a full stop; the answer's form is the first."""
    wordings = WORDINGS[fact.relation]
    return tuple(
        fill(template, subject or fact.country.subject, fact.value)
        for template in (wordings.answer, *wordings.statements)
    )


def questions(fact: Fact) -> tuple[str, ...]:
    """Every trained way to ask for the fact."""
    return _ask(fact, (*QUESTION_FRAMES, *WORDINGS[fact.relation].questions))


def held_out_questions(fact: Fact) -> tuple[str, ...]:
    """Ways to ask for the fact that stand in no page and no conversation."""
    return _ask(fact, (*HELD_OUT_FRAMES, *WORDINGS[fact.relation].held_out))


def _ask(fact: Fact, templates: tuple[str, ...]) -> tuple[str, ...]:
    noun = WORDINGS[fact.relation].noun
    return tuple(capitalise(fill(template, fact.country.subject, noun=noun)) for template in templates)


def fill(template: str, subject: str, value: str = "", noun: str = "") -> str:
    possessive = subject + ("'" if subject.endswith("s") else "'s")
    return template.format(c=subject, p=possessive, v=value, r=noun)


def say(template: str, subject: str, value: str = "") -> str:
    """A whole sentence from a template."""
    return finish(fill(template, subject, value))


def finish(clause: str) -> str:
    """A clause as a sentence: "the capital ... is Washington D.C." keeps its one full stop."""
    return capitalise(clause) + ("" if clause.endswith((".", "?")) else ".")


def capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
