"""Facts with their value hidden: which part of an answer is the value, and what counts as right."""

from __future__ import annotations

from pathlib import Path

from tumbler.eval.masked import Fact, Filled, facts, figures, filled, most_frequent_token
from tumbler.model import Transformer, init_weights, sizes
from tumbler.tasks.question import Question
from tumbler.text.shards import Shards, TokenDocument, write_shard
from tumbler.text.tokenizer import Tokenizer

TEXTS = ["The capital of France is Paris. The capital of Peru is Lima, and all is well. " * 5]


def question(subject: str, answer: str, wording: int = 1, group: str = "asked") -> Question:
    return Question(f"{subject}/{wording}", f"wording {wording}?", answer, "capital", subject, group)


QUESTIONS = [
    question("France", "The capital of France is Paris."),
    question("France", "The capital of France is Paris.", 2),
    question("Peru", "The capital of Peru is Lima.", group="never_asked"),
    question("Singapore", "The capital of Singapore is Singapore.", group="never_asked"),
    question("Gambia", "The capital of the Gambia is Banjul.", group="never_asked"),
]


def test_the_value_is_what_the_answers_of_a_relation_do_not_share() -> None:
    assert facts(QUESTIONS) == [
        Fact("The capital of France is", " Paris", ".", "capital", "asked"),
        Fact("The capital of Peru is", " Lima", ".", "capital", "never_asked"),
        Fact("The capital of Singapore is", " Singapore", ".", "capital", "never_asked"),
        Fact("The capital of the Gambia is", " Banjul", ".", "capital", "never_asked"),
    ]


def test_a_fact_is_right_when_all_its_hidden_tokens_are() -> None:
    tokenizer = Tokenizer.train(TEXTS, 360)
    model = Transformer(sizes(1, tokenizer.vocab_size, 64, family="modernbert", width=32))
    init_weights(model, 0)
    outputs = filled(model, tokenizer, facts(QUESTIONS))
    assert [item.fact.value for item in outputs] == [" Paris", " Lima", " Singapore", " Banjul"]
    assert not any(item.right for item in outputs)
    assert Filled(outputs[0].fact, " Paris").right


def test_figures_stand_beside_the_most_frequent_value_and_token(tmp_path: Path) -> None:
    known = facts(QUESTIONS)
    made = figures([Filled(known[0], " Paris"), Filled(known[1], " Lima"), Filled(known[2], " Lima")], " Lima")
    assert [(item.name, item.value, item.baseline) for item in made] == [
        ("masked_fact_accuracy_asked", 1.0, 1.0),
        ("masked_fact_accuracy_never_asked", 0.5, 0.0),
        ("masked_fact_accuracy_unigram", 1 / 3, None),
    ]
    tokenizer = Tokenizer.train(TEXTS, 360)
    ids = tokenizer.encode("Lima Lima Lima and all")
    document = TokenDocument([tokenizer.bos, *ids, *[tokenizer.end] * 9], "a", "", 0, 0)
    write_shard(tmp_path / "0.bin", tmp_path / "0.parquet", [document], tokenizer.vocab_size)
    found = most_frequent_token(Shards.open(tmp_path), tokenizer)
    assert found == tokenizer.decode([max(set(ids), key=ids.count)])
