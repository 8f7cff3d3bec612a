"""The examinations of a chat model: questions by group, who it says it is, what it makes of another name."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tumbler.eval.asking import Asker, asked
from tumbler.eval.figures import GROUPS
from tumbler.eval.measures import Answered
from tumbler.tasks.identity import IdentityQuestion, states_identity
from tumbler.tasks.question import Question
from tumbler.text.conversation import Conversation, Message

SHOWN = ("asked", "never_asked", "asked")
"""The groups of the questions whose answers people are shown."""


@dataclass(frozen=True)
class Introduced:
    """How a model answered when it was asked who it is."""

    question: IdentityQuestion
    output: str

    @property
    def right(self) -> bool:
        return states_identity(self.output, self.question.name, self.question.maker)

    @property
    def named(self) -> bool:
        return states_identity(self.output, self.question.name)

    @property
    def prompt(self) -> str:
        """What was said to it, the system message first."""
        return " ▸ ".join(message.content for message in self.question.conversation.messages)


def drawn(questions: Iterable[Question], most: int | None, seed: int) -> list[Question]:
    """At most `most` questions of each group, drawn evenly, in their own order."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.group, []).append(question)
    return [question for name, members in groups.items() for question in some(members, most, f"{seed} {name}")]


def some(members: Sequence[Question], most: int | None, seed: str) -> list[Question]:
    """At most `most` of them, drawn evenly, in their own order."""
    if most is None or len(members) <= most:
        return list(members)
    places = sorted(random.Random(seed).sample(range(len(members)), most))
    return [members[place] for place in places]


def ask(asker: Asker, questions: Sequence[Question], before: tuple[Message, ...] = ()) -> list[Answered]:
    """Put each question, after the turns `before`."""
    outputs = asker.answers([Conversation((*before, *asked(item.prompt).messages), item.id) for item in questions])
    return [Answered(question, output) for question, output in zip(questions, outputs, strict=True)]


def introduce(asker: Asker, questions: Sequence[IdentityQuestion]) -> list[Introduced]:
    outputs = asker.answers([question.conversation for question in questions])
    return [Introduced(question, output) for question, output in zip(questions, outputs, strict=True)]


def chosen(answers: Sequence[Answered], seed: int) -> list[Answered]:
    """Answers to show: one for each of SHOWN, each of another relation, drawn without a look at what is right."""
    shuffled = random.Random(f"{seed} shown").sample(answers, len(answers))
    picked: list[Answered] = []
    for group in SHOWN:
        seen = {item.question.relation for item in picked}
        fitting = [item for item in shuffled if item.question.group == group and item not in picked]
        fitting.sort(key=lambda item: item.question.relation in seen)
        picked += fitting[:1]
    return picked


def sample(item: Answered) -> tuple[str, str, str]:
    """(prompt, output, note) of an answer."""
    verdict = "right" if item.right else f"wrong: {item.question.answer}"
    return item.question.prompt, item.output, f"{GROUPS.get(item.question.group, item.question.group)}; {verdict}"


def wrong_answers(answers: Sequence[Answered], most: int) -> list[tuple[str, str, str]]:
    """The first wrong answers of each group, for people who want to see what goes wrong."""
    groups: dict[str, list[Answered]] = defaultdict(list)
    for item in answers:
        if not item.right:
            groups[item.question.group].append(item)
    return [sample(item) for group in groups.values() for item in group[:most]]
