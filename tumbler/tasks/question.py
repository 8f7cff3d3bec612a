"""Questions with one right answer: their file, their grader, and what guessing would score."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tumbler.errors import UserError

SUBJECT = "{subject}"
"""Stands for a question's subject in a majority answer."""


@dataclass(frozen=True)
class Question:
    id: str
    prompt: str
    answer: str
    """The whole answer, word for word."""
    relation: str
    """What is asked, such as "capital"."""
    subject: str
    """Of whom, such as "France"."""
    group: str
    """Figures are told apart by it, such as "asked" and "never_asked"."""


def read_questions(path: Path) -> Iterator[Question]:
    """Yield the questions of a JSONL file; each line holds exactly Question's fields, all texts.

    Raises UserError naming file and line.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _question(line, f"{path.name}:{number}")


def exact_match(answer: str, output: str) -> bool:
    """Whether the output is the answer, word for word; only white space may differ."""
    return answer.split() == output.split()


def majority_answers(questions: Iterable[Question]) -> dict[str, str]:
    """The most frequent answer of each relation, with the subject's name left open as SUBJECT.

    Each fact (relation, subject) counts once, however often it is asked. Of equally frequent answers
    the alphabetically first.
    """
    facts = {(item.relation, item.subject): item.answer.replace(item.subject, SUBJECT) for item in questions}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (relation, _), answer in facts.items():
        counts[relation][answer] += 1
    return {relation: min(counter, key=lambda text: (-counter[text], text)) for relation, counter in counts.items()}


def majority_accuracy(answers: Mapping[str, str], questions: Iterable[Question]) -> float:
    """Share of the questions (0 to 1) that always giving the relation's majority answer gets right."""
    hits = [
        exact_match(item.answer, answers[item.relation].replace(SUBJECT, item.subject))
        if item.relation in answers
        else False
        for item in questions
    ]
    return sum(hits) / len(hits) if hits else 0.0


def _question(line: str, where: str) -> Question:
    names = [field.name for field in fields(Question)]
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(row, dict) or sorted(row) != sorted(names):
        raise UserError(f"{where}: a question must have exactly the keys {', '.join(names)}")
    wrong = [name for name in names if not isinstance(row[name], str)]
    if wrong:
        raise UserError(f"{where}: {wrong[0]!r} must be a text")
    return Question(**row)
