"""Facts with their value hidden: which part of an answer is the value, and what counts as right."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tumbler.eval.masked import Fact, Filled, facts, figures, filled, most_frequent_token
from tumbler.model import sizes
from tumbler.tasks.question import Question
from tumbler.text.shards import Shards, TokenDocument, write_shard
from tumbler.text.special import MASK
from tumbler.text.tokenizer import Tokenizer

TEXTS = ["The capital of France is Paris. The capital of Peru is Lima, and all is well. " * 5]


def question(subject: str, answer: str, wording: int = 1, group: str = "asked", relation: str = "capital") -> Question:
    return Question(f"{subject}/{wording}", f"wording {wording}?", answer, relation, subject, group)


QUESTIONS = [
    question("France", "The capital of France is Paris."),
    question("France", "The capital of France is Paris.", 2),
    question("Peru", "The capital of Peru is Lima.", group="never_asked"),
    question("Singapore", "The capital of Singapore is Singapore.", group="never_asked"),
    question("Gambia", "The capital of the Gambia is Banjul.", group="never_asked"),
    question("France", "One pays in France with the euro.", relation="currency"),
    question("Peru", "One pays in Peru with the sol.", relation="currency"),
]


def test_the_value_is_what_the_answers_of_a_relation_do_not_share() -> None:
    assert facts(QUESTIONS) == [
        Fact("The capital of France is", " Paris", ".", "capital", "asked"),
        Fact("The capital of Peru is", " Lima", ".", "capital", "never_asked"),
        Fact("The capital of Singapore is", " Singapore", ".", "capital", "never_asked"),
        Fact("The capital of the Gambia is", " Banjul", ".", "capital", "never_asked"),
        Fact("One pays in France with the", " euro", ".", "currency", "asked"),
        Fact("One pays in Peru with the", " sol", ".", "currency", "asked"),
    ]


class Learned:
    """Fills the masks of what it has learned by heart, and puts id 0 into every other."""

    def __init__(self, documents: list[list[int]], mask: int, vocab_size: int) -> None:
        self.config = sizes(1, vocab_size, 64, family="modernbert", width=32)
        self.head_weight = torch.zeros(vocab_size, 1)
        self.documents, self.mask = [torch.tensor(ids) for ids in documents], mask

    def __call__(self, rows: Tensor) -> Tensor:
        (row,) = rows
        for ids in self.documents:
            if len(ids) == len(row) and ((row == ids) | (row == self.mask)).all():
                return F.one_hot(ids, self.config.vocab_size)[None].float()
        return F.one_hot(torch.zeros_like(row), self.config.vocab_size)[None].float()


def test_a_fact_is_right_when_all_its_hidden_tokens_are() -> None:
    tokenizer = Tokenizer.train(TEXTS, 360)
    paris, lima, singapore, *_ = facts(QUESTIONS)
    *begun, last = tokenizer.encode(lima.value)
    learned = [
        tokenizer.document(tokenizer.encode("The capital of France is Paris.")).tolist(),
        tokenizer.document([*tokenizer.encode(lima.before), *begun, last + 1, *tokenizer.encode(".")]).tolist(),
    ]
    model = Learned(learned, tokenizer.special[MASK], tokenizer.vocab_size)
    outputs = filled(model, tokenizer, [paris, lima, singapore])  # type: ignore[arg-type]
    assert [item.fact for item in outputs] == [paris, lima, singapore]
    assert [item.right for item in outputs] == [True, False, False]
    assert outputs[1].output == tokenizer.decode([*begun, last + 1])
    assert outputs[2].output == tokenizer.decode([0]) * len(tokenizer.encode(singapore.value))
    assert not Filled(paris, " Par").right


def test_figures_stand_beside_the_most_frequent_value_and_token(tmp_path: Path) -> None:
    known = facts(QUESTIONS)
    said = [Filled(known[0], " Paris"), Filled(known[1], " Lima"), Filled(known[2], " Lima"), Filled(known[4], " sol")]
    made = figures(said, " Lima")
    assert [(item.name, item.value, item.baseline) for item in made] == [
        ("masked_fact_accuracy_asked", 0.5, 1.0),  # of each relation, the first value is as frequent as any
        ("masked_fact_accuracy_never_asked", 0.5, 0.0),
        ("masked_fact_accuracy_unigram", 1 / 4, None),
    ]
    tokenizer = Tokenizer.train(TEXTS, 360)
    ids = tokenizer.encode("Lima Lima Lima and all")
    documents = [
        TokenDocument([tokenizer.bos, *part, *[tokenizer.end] * 9], "a", "", 0, 0)
        for part in (tokenizer.encode("and")[:1] * 2, ids)
    ]
    write_shard(tmp_path / "0.bin", tmp_path / "0.parquet", documents, tokenizer.vocab_size)
    found = most_frequent_token(Shards.open(tmp_path), tokenizer)
    assert found == tokenizer.decode([max(set(ids), key=ids.count)])
