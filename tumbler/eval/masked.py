"""What a masked model knows: facts with the value hidden, such as "The capital of France is <|mask|>."."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from tumbler.engine import fill
from tumbler.eval.figures import GROUPS, Figure, of_score
from tumbler.eval.measures import score
from tumbler.model import Transformer
from tumbler.tasks.question import SUBJECT, Question
from tumbler.text.masked import masked_ids
from tumbler.text.shards import Shards
from tumbler.text.special import MASK
from tumbler.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Fact:
    """`before` + `value` + `after` is the sentence that states it."""

    before: str
    value: str
    after: str
    relation: str
    group: str


@dataclass(frozen=True)
class Filled:
    """A fact and what a model put in place of its value."""

    fact: Fact
    output: str

    @property
    def right(self) -> bool:
        return self.output == self.fact.value


def facts(questions: Iterable[Question]) -> list[Fact]:
    """One of each relation and subject. The value is what the answers of a relation do not share: of "The capital of
    France is Paris." and "The capital of Peru is Lima.", with the subjects left open, "Paris" and "Lima"."""
    once = {(item.relation, item.subject): item for item in questions}
    forms: dict[str, list[list[str]]] = defaultdict(list)
    for item in once.values():
        forms[item.relation].append(_open(item))
    found = []
    for item in once.values():
        shared, words = _shared(forms[item.relation]), _open(item)
        end = words[-1][-1] if words[-1][-1] in ".!" else ""
        before = " ".join(words[:shared]).replace(SUBJECT, _named(item))
        value = " ".join(words[shared:]).removesuffix(end).replace(SUBJECT, _named(item))
        if value:
            found.append(Fact(before, " " + value, end, item.relation, item.group))
    return found


def filled(model: Transformer, tokenizer: Tokenizer, known: Sequence[Fact]) -> list[Filled]:
    """Each value's tokens are hidden together; the likeliest token of each place makes the output."""
    mask, found = tokenizer.special[MASK], []
    for fact in known:
        holes = MASK * len(tokenizer.encode(fact.value))
        places = fill(model, masked_ids(tokenizer, f"{fact.before}{holes}{fact.after}"), mask, 1)
        found.append(Filled(fact, tokenizer.decode([place[0][0] for place in places])))
    return found


def figures(found: Sequence[Filled], unigram: str) -> list[Figure]:
    """`masked_fact_accuracy_GROUP`, beside what the most frequent value of each relation would reach; then what the
    most frequent token of the training text, put in every place, would."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for item in found:
        values[item.fact.relation][item.fact.value] += 1
    usual = {relation: counts.most_common(1)[0][0] for relation, counts in values.items()}
    made = []
    for group in dict.fromkeys(item.fact.group for item in found):
        members = [item for item in found if item.fact.group == group]
        constant = sum(usual[item.fact.relation] == item.fact.value for item in members) / len(members)
        label = f"hidden values right, {GROUPS.get(group, group)}"
        made.append(of_score(f"masked_fact_accuracy_{group}", label, score([item.right for item in members], constant)))
    label = f"the same by the most frequent token, {unigram!r}"
    return [*made, of_score("masked_fact_accuracy_unigram", label, score([f.fact.value == unigram for f in found]))]


def most_frequent_token(shards: Shards, tokenizer: Tokenizer) -> str:
    """Of the texts, special tokens left out."""
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for number in range(len(shards)):
        counts += np.bincount(shards.document(number), minlength=len(counts))
    counts[list(tokenizer.special.values())] = 0
    return tokenizer.decode([int(counts.argmax())])


def _shared(forms: Sequence[Sequence[str]]) -> int:
    """How many first words all forms have in common."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*forms, strict=False)))


def _open(question: Question) -> list[str]:
    """The words of the answer, the subject's left open."""
    return question.answer.replace(_named(question), SUBJECT).split()


def _named(question: Question) -> str:
    """The subject as the answer names it: some have an article."""
    article = f"the {question.subject}"
    return article if article in question.answer else question.subject
