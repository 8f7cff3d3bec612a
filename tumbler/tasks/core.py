"""CORE: what a base model knows and can do, as one number (DataComp-LM, arXiv 2406.11794, section 3.5).

Each task gives the share of examples that the model decides rightly, centred so that guessing is 0 and all right is 1;
CORE is the mean over the tasks. The model is asked nothing but how likely ids are, so it need not follow instructions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Protocol

from tumbler.errors import Failure
from tumbler.tasks.core_prompts import Example, Passage, cropped, passages, prompts
from tumbler.tasks.core_table import CORE_TASKS, TaskSpec
from tumbler.text.tokenizer import Tokenizer

ROUND: Final = 64
"""Examples whose ids are held at one time, so that passages of like length can be scored together."""
ORDER_SEED: Final = 1337
SHOTS_SEED: Final = 1234
"""nanochat's (scripts/base_eval.py, nanochat/core_eval.py): with seed 0 and all examples, a model gets its figure."""


class Scorer(Protocol):
    """A model that can be asked (`engine.Sampler` is one)."""

    @property
    def context(self) -> int:
        """The longest sequence of ids that it reads."""

    def score_from(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> Sequence[Sequence[tuple[float, bool]]]:
        """For each id from its sequence's start on, given those before it: its log-probability, and whether it is
        the likeliest."""


@dataclass(frozen=True)
class Task:
    spec: TaskSpec
    examples: tuple[Example, ...]
    """More than the spec has shots."""


@dataclass(frozen=True)
class Core:
    """The tasks to ask."""

    tasks: tuple[Task, ...]
    missing: tuple[str, ...]
    """Labels of the tasks that belong to the metric but whose files are not there."""


@dataclass(frozen=True)
class TaskResult:
    spec: TaskSpec
    right: int
    examples: int

    @property
    def accuracy(self) -> float:
        return self.right / self.examples

    @property
    def centred(self) -> float:
        """0 for guessing, 1 for all right; less than 0 for worse than guessing."""
        return (self.accuracy - self.spec.baseline) / (1 - self.spec.baseline)


@dataclass(frozen=True)
class CoreReport:
    results: tuple[TaskResult, ...]
    missing: tuple[str, ...]

    @property
    def mean(self) -> float:
        """CORE: the mean of the centred accuracies of the tasks that are there."""
        return fmean(result.centred for result in self.results)

    @property
    def title(self) -> str:
        """What `mean` is the mean of."""
        labels = {result.spec.label for result in self.results}
        name = "CORE" if labels <= {spec.label for spec in CORE_TASKS} else "mean centred accuracy"
        return f"{name} over {len(self.results)} of {len(self.results) + len(self.missing)} tasks"


def ask(
    core: Core, scorer: Scorer, tokenizer: Tokenizer, examples_per_task: int | None = None, seed: int = 0
) -> Iterator[TaskResult]:
    """The result of each task as soon as it is there; `CoreReport(tuple(results), core.missing)` sums them up.

    examples_per_task: so many of each task, at most; a smaller number asks some of the same questions.
    Raises Failure when the model gives NaN, UserError when the tokenizer has no bos token.
    """
    for task in core.tasks:
        order = _order(len(task.examples), seed)
        asked = range(len(order))[:examples_per_task]
        rounds = (asked[start : start + ROUND] for start in range(0, len(asked), ROUND))
        right = sum(sum(_decisions(task, order, part, scorer, tokenizer, seed)) for part in rounds)
        yield TaskResult(task.spec, right, len(asked))


def is_right(example: Example, scores: Sequence[Sequence[tuple[float, bool]]]) -> bool:
    """Whether the model decides rightly, from the scores of the judged ids of each option.

    Of several options it decides for the one whose ids have the highest mean log-probability (of equals, the first);
    a single one is right when greedy decoding would have made each of its ids.
    """
    means = [fmean(logprob for logprob, _ in option) for option in scores]
    if not all(map(math.isfinite, means)):
        raise Failure("the model's output is not a number (NaN or infinite): its weights are broken")
    if len(means) == 1:
        return all(likeliest for _, likeliest in scores[0])
    return means.index(max(means)) == example.gold


def _decisions(
    task: Task, order: Sequence[int], asked: Sequence[int], scorer: Scorer, tokenizer: Tokenizer, seed: int
) -> list[bool]:
    """Of the examples at the places `asked` of the order, which are decided rightly."""
    questions = [_passages(task, order, place, scorer.context, tokenizer, seed) for place in asked]
    flat = [passage for question in questions for passage in question]
    scores = iter(scorer.score_from([passage.ids for passage in flat], [passage.start for passage in flat]))
    return [
        is_right(task.examples[order[place]], [next(scores) for _ in question])
        for place, question in zip(asked, questions, strict=True)
    ]


def _passages(
    task: Task, order: Sequence[int], place: int, context: int, tokenizer: Tokenizer, seed: int
) -> list[Passage]:
    shots = [task.examples[order[other]] for other in _shots(place, len(order), task.spec.shots, seed)]
    texts = prompts(task.spec, task.examples[order[place]], shots)
    rows = [[*tokenizer.begin, *ids] for ids in tokenizer.encode_batch(texts)]
    return [cropped(passage, context) for passage in passages(task.spec.kind, rows)]


def _order(count: int, seed: int) -> list[int]:
    """The numbers of the examples, shuffled: the first few are fair, and the same whatever their number."""
    order = list(range(count))
    random.Random(ORDER_SEED + seed).shuffle(order)
    return order


def _shots(place: int, count: int, shots: int, seed: int) -> list[int]:
    """Places in the order of the solved examples before the one at `place`, itself not among them."""
    drawn = random.Random(SHOTS_SEED + seed + place).sample(range(count - 1), shots)
    return [other + (other >= place) for other in drawn]
