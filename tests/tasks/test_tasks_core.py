"""CORE: what is asked, where the judged ids begin, what is right, and the mean of it all."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import random_model

from tumbler.engine import Sampler
from tumbler.errors import Failure
from tumbler.model import sizes
from tumbler.tasks.core import Core, CoreReport, Task, TaskResult, ask, is_right
from tumbler.tasks.core_prompts import Example, Passage, cropped, passages, prompts
from tumbler.tasks.core_reader import read_core
from tumbler.tasks.core_table import CORE_TASKS, Kind, TaskSpec
from tumbler.text.tokenizer import Tokenizer

CHOICE = Example((("Is it?", "no"), ("Is it?", "yes")), gold=1)
SOLVED = Example((("Was it?", "no"), ("Was it?", "yes")), gold=0)
BEFORE, AFTER = 0, 9


class Bigrams:
    """Knows how often one id follows another in some texts, and reads 60 ids at most."""

    context = 60

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.after: dict[int, Counter[int]] = defaultdict(Counter)
        self.longest = 0
        for row in rows:
            for first, second in pairwise(row):
                self.after[first][second] += 1

    def score_from(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[tuple[float, bool]]]:
        self.longest = max(self.longest, *map(len, sequences))
        return [
            [self.score(ids[place - 1], ids[place]) for place in range(start, len(ids))]
            for ids, start in zip(sequences, starts, strict=True)
        ]

    def score(self, first: int, second: int) -> tuple[float, bool]:
        seen = self.after[first]
        likeliest = bool(seen) and seen.most_common(1)[0][0] == second
        return math.log((seen[second] + 0.01) / (seen.total() + 1)), likeliest


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    """Each of these words, with the space before it, is one token."""
    text = "the cat sat the hat bat cat sat hat bat"
    tokenizer = Tokenizer.train([text], 349)
    assert len(tokenizer.encode(text)) == 10
    return tokenizer


def spec(kind: Kind, shots: int = 0, baseline: float = 0.0, delimiter: str = " ", label: str = "t") -> TaskSpec:
    return TaskSpec(label, "t.jsonl", kind, shots, baseline, delimiter)


def bigrams(tokenizer: Tokenizer, *texts: str) -> Bigrams:
    return Bigrams([[tokenizer.bos, *tokenizer.encode(text)] for text in texts])


def accuracy(task: Task, scorer: Bigrams, tokenizer: Tokenizer) -> float:
    (result,) = ask(Core((task,), ()), scorer, tokenizer)
    return result.accuracy


def test_a_choice_prompt_is_solved_examples_then_the_question_with_each_choice() -> None:
    assert prompts(spec("multiple_choice", delimiter="\nA: "), CHOICE, [SOLVED, CHOICE]) == [
        "Was it?\nA: no\n\nIs it?\nA: yes\n\nIs it?\nA: no",
        "Was it?\nA: no\n\nIs it?\nA: yes\n\nIs it?\nA: yes",
    ]


def test_a_schema_prompt_is_each_context_with_the_continuation() -> None:
    example = Example((("He", "ran."), ("It", "ran.")), gold=1)
    assert prompts(spec("schema"), example, [example]) == ["It ran.\n\nHe ran.", "It ran.\n\nIt ran."]


def test_a_language_modeling_prompt_stands_without_and_with_its_continuation() -> None:
    example = Example((("1 2", " 3"),), gold=0)
    assert prompts(spec("language_modeling"), example, [example]) == ["1 2  3\n\n1 2", "1 2  3\n\n1 2  3"]


def test_what_is_judged_is_what_the_options_do_not_share() -> None:
    assert passages("multiple_choice", [[BEFORE, 1, 2, 3], [BEFORE, 1, 4]]) == [
        Passage([BEFORE, 1, 2, 3], 2),
        Passage([BEFORE, 1, 4], 2),
    ]


def test_in_a_schema_what_the_options_share_at_the_end_is_judged() -> None:
    assert passages("schema", [[BEFORE, 1, 2, 8, AFTER], [BEFORE, 3, 8, AFTER]]) == [
        Passage([BEFORE, 1, 2, 8, AFTER], 3),
        Passage([BEFORE, 3, 8, AFTER], 2),
    ]


def test_in_language_modeling_what_the_prompt_alone_lacks_is_judged() -> None:
    assert passages("language_modeling", [[BEFORE, 1], [BEFORE, 1, 5, 6]]) == [Passage([BEFORE, 1, 5, 6], 2)]
    # A token that spans the seam belongs to the continuation.
    assert passages("language_modeling", [[BEFORE, 1, 2], [BEFORE, 1, 5, 6]]) == [Passage([BEFORE, 1, 5, 6], 2)]


@given(
    st.sampled_from(["multiple_choice", "schema", "language_modeling"]),
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=2, max_size=2),
    st.integers(2, 8),
)
def test_something_is_judged_of_every_passage_and_something_stands_before_it(
    kind: Kind, rows: list[list[int]], context: int
) -> None:
    for passage in passages(kind, [[BEFORE, *row] for row in rows]):
        assert 1 <= passage.start < len(passage.ids)
        short = cropped(passage, context)
        assert 1 <= short.start < len(short.ids) <= context
        assert list(short.ids) == list(passage.ids)[-len(short.ids) :]


def test_cropping_keeps_the_same_ids_judged() -> None:
    assert cropped(Passage([0, 1, 2, 3, 4], 3), 3) == Passage([2, 3, 4], 1)
    assert cropped(Passage([0, 1, 2, 3, 4], 3), 5) == Passage([0, 1, 2, 3, 4], 3)
    assert cropped(Passage([0, 1, 2, 3, 4], 1), 3) == Passage([2, 3, 4], 1)


def test_the_mean_over_the_ids_decides_not_their_sum() -> None:
    long, short = [(-1.0, False)] * 5, [(-2.0, False)]
    assert is_right(Example(CHOICE.options, 0), [long, short])
    assert not is_right(Example(CHOICE.options, 1), [long, short])


def test_of_equals_the_first_is_chosen() -> None:
    assert [is_right(Example(CHOICE.options, gold), [[(-1.0, True)]] * 2) for gold in (0, 1)] == [True, False]


def test_a_free_answer_is_right_when_each_id_is_the_likeliest() -> None:
    example = Example((("1 2", "3 4"),), 0)
    assert is_right(example, [[(-1.0, True), (-1.0, True)]])
    assert not is_right(example, [[(-0.1, True), (-0.1, False)]])


def test_a_model_that_gives_nan_has_no_score() -> None:
    with pytest.raises(Failure, match="not a number"):
        is_right(CHOICE, [[(-1.0, True)], [(math.nan, False)]])


def test_a_bigram_model_chooses_the_continuation_that_it_saw(words: Tokenizer) -> None:
    seen = bigrams(words, "the cat sat the hat bat")
    right = Example((("the cat", "bat"), ("the cat", "sat")), 1)
    wrong = Example((("the hat", "bat"), ("the hat", "sat")), 1)
    assert accuracy(Task(spec("multiple_choice"), (right, wrong, right)), seen, words) == 2 / 3


def test_a_bigram_model_chooses_the_context_after_which_it_saw_the_continuation(words: Tokenizer) -> None:
    seen = bigrams(words, "the cat sat the hat bat")
    right = Example((("the hat", "sat"), ("the cat", "sat")), 1)
    assert accuracy(Task(spec("schema"), (right,)), seen, words) == 1.0
    assert accuracy(Task(spec("schema"), (replace(right, gold=0),)), seen, words) == 0.0


def test_a_bigram_model_goes_on_with_what_it_saw_most(words: Tokenizer) -> None:
    seen = bigrams(words, "the cat sat", "the cat sat", "the cat bat")
    examples = [Example((("the cat", word),), 0) for word in ("sat", "bat", "sat", "hat")]
    assert accuracy(Task(spec("language_modeling"), tuple(examples)), seen, words) == 0.5


def test_a_model_is_asked_no_more_than_it_reads(words: Tokenizer) -> None:
    seen = bigrams(words, "the cat sat")
    long = Example((("the hat " * 40 + "the cat", "sat"),), 0)
    assert accuracy(Task(spec("language_modeling", shots=2), (long,) * 5), seen, words) == 1.0
    assert seen.longest == Bigrams.context


class Keeper(Bigrams):
    """Reads anything, and keeps it."""

    context = 10**6

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__([])
        self.tokenizer = tokenizer
        self.read: list[str] = []

    def score_from(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[tuple[float, bool]]]:
        assert {ids[0] for ids in sequences} == {self.tokenizer.bos}
        self.read += [self.tokenizer.decode(ids[1:]) for ids in sequences]
        return super().score_from(sequences, starts)


def numbers(shots: int) -> Core:
    examples = tuple(Example(((f"number {n}:", str(n)),), 0) for n in range(7))
    return Core((Task(spec("language_modeling", shots), examples),), ())


def test_no_question_shows_its_own_answer(small_tokenizer: Tokenizer) -> None:
    keeper = Keeper(small_tokenizer)
    assert [result.examples for result in ask(numbers(shots=6), keeper, small_tokenizer)] == [7]
    assert all(sorted(text.split("\n\n")) == [f"number {n}: {n}" for n in range(7)] for text in keeper.read)


def test_fewer_examples_are_some_of_the_same_questions_and_another_seed_asks_others(small_tokenizer: Tokenizer) -> None:
    every, few, again, other = (Keeper(small_tokenizer) for _ in range(4))
    for keeper, count, seed in ((every, None, 0), (few, 3, 0), (again, 3, 0), (other, 3, 1)):
        assert [result.examples for result in ask(numbers(2), keeper, small_tokenizer, count, seed)] == [count or 7]
    assert few.read == again.read == every.read[:3] != other.read


def test_guessing_is_0_and_all_right_is_1() -> None:
    quarter = spec("multiple_choice", baseline=0.25)
    assert [TaskResult(quarter, right, 8).centred for right in (2, 8, 5, 0)] == pytest.approx([0, 1, 0.5, -1 / 3])


def test_core_is_the_mean_over_the_tasks_that_are_there() -> None:
    results = (
        TaskResult(spec("multiple_choice", baseline=0.5, label="copa"), 9, 10),
        TaskResult(spec("language_modeling", label="squad"), 1, 10),
    )
    missing = tuple(listed.label for listed in CORE_TASKS if listed.label not in ("copa", "squad"))
    report = CoreReport(results, missing)
    assert report.mean == pytest.approx((0.8 + 0.1) / 2)
    assert report.title == "CORE over 2 of 22 tasks"
    own = (TaskResult(spec("schema", label="my own"), 1, 2),)
    assert CoreReport(own, ()).title == "mean centred accuracy over 1 of 1 tasks"


def test_a_model_of_random_weights_guesses(shared: Path, small_tokenizer: Tokenizer) -> None:
    core = read_core(shared / "eval" / "core.zip")
    assert len(core.tasks) == 21
    assert core.missing == ("squad",)
    model = random_model(sizes(1, small_tokenizer.vocab_size, 128, width=32), 0)
    sampler, count = Sampler(model), 150
    quick = Core(tuple(task for task in core.tasks if task.spec.shots == 0), ())
    for result in ask(quick, sampler, small_tokenizer, count):
        # Guessing goes astray by more than 4 standard deviations once in 16,000 times.
        spread = math.sqrt(result.spec.baseline * (1 - result.spec.baseline) / result.examples)
        assert abs(result.accuracy - result.spec.baseline) <= max(4 * spread, 0.02), result
    results = tuple(ask(core, sampler, small_tokenizer, 3))
    report = CoreReport(results, core.missing)
    assert report.title == "CORE over 21 of 22 tasks"
    assert -1 < report.mean < 1
