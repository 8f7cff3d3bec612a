"""The eval stage: a base model, a chat model, or both -> report.json, report.md, report.html.

The order: questions by group, who it says it is, what it makes of another name, bits per byte, then the pages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc
from pydantic import Field

from tumbler.artifact import Outcome, Work
from tumbler.device import Machine, prepare, this_machine
from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.eval import examining, masked
from tumbler.eval.asking import Asker
from tumbler.eval.examining import Introduced
from tumbler.eval.figures import Figure, by_name, of_answers, of_relations, of_score
from tumbler.eval.inputs import Subjects, find
from tumbler.eval.markdown import markdown
from tumbler.eval.measures import Answered, score
from tumbler.eval.page import html
from tumbler.eval.report import Report, scores, to_json
from tumbler.eval.road import road
from tumbler.identity import Identity
from tumbler.model import load_model, read_config
from tumbler.recipe import Settings
from tumbler.tasks.identity import held_out_questions, system_questions
from tumbler.tasks.question import read_questions
from tumbler.text.conversation import Message
from tumbler.text.shards import Shards
from tumbler.text.tokenizer import Tokenizer
from tumbler.train.validation import validate
from tumbler.views import Samples

ROUND = 512
"""Questions between two signs of progress."""
WRONG_SHOWN = 5
SHOWN = 12
VALIDATED = 8
"""Rows of validation text at a time."""


class EvalSettings(Settings):
    """What is measured, and how much of it."""

    questions: int | None = Field(default=400, gt=0)
    """Questions of each group, drawn by the seed; none: all of them."""
    system_names: int = Field(default=40, gt=0)
    """Conversations in which a system message gives the model another name."""
    later_turns: int = Field(default=100, gt=0)
    """Questions that are asked again in a second turn, after the model has introduced itself."""
    identity: Identity | None = None
    """Who the chat model should say it is; none: not asked."""
    prompts: tuple[str, ...] = ("The capital of France is", "The currency of Japan is", "People in Brazil speak")
    """Beginnings that the base model goes on from, for people to read."""
    completion_tokens: int = Field(default=24, gt=0)
    """Length of such a completion."""
    answer_tokens: int = Field(default=64, gt=0)
    """Longest answer of the chat model."""
    batch: int = Field(default=64, gt=0)
    """Answers made at a time."""
    seed: int = 0
    """Draws the questions and the names."""


@dataclass
class Findings:
    """What has been measured so far, in the order of the report."""

    figures: list[Figure] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    samples: dict[str, Samples] = field(default_factory=dict)
    """By the name of their view."""


def run(settings: EvalSettings, work: Work) -> Outcome:
    """Measure what the inputs allow, then write the report. Raises UserError when there is no model."""
    subjects = find(work.inputs)
    machine = this_machine()
    prepare(machine)
    found = Findings()
    if subjects.chat is not None:
        _examine_chat(subjects.chat, subjects.questions, settings, work, found)
    fills = subjects.base is not None and not read_config(subjects.base).causal
    if fills:
        _examine_masked(subjects, work, found)
    elif subjects.base is not None:
        _examine_base(subjects.base, settings, found)
    if subjects.tokens is not None and not fills:
        _measure_bits(subjects, Shards.open(subjects.tokens / "val"), machine, found)
    return _write(settings, work, found)


def _examine_base(folder: Path, settings: EvalSettings, found: Findings) -> None:
    asker = _asker(folder, settings, settings.completion_tokens)
    outputs = asker.completions(settings.prompts)
    items = tuple((prompt, output, "") for prompt, output in zip(settings.prompts, outputs, strict=True))
    found.samples["completions"] = Samples("The base model goes on", items)


def _examine_masked(subjects: Subjects, work: Work, found: Findings) -> None:
    """Facts with their value hidden, of a base model that fills masks."""
    assert subjects.base is not None
    if subjects.tokens is None or not subjects.questions:
        raise UserError("eval: a masked model is asked for facts: give its tokens and an input with questions.jsonl")
    model, tokenizer = load_model(subjects.base), Tokenizer.load(subjects.base)
    known = masked.facts(question for file in subjects.questions for question in read_questions(file))
    if not known:
        raise UserError("eval: its questions ask no relation of two subjects, so no value can be hidden; give more")
    done = masked.filled(model, tokenizer, known)
    found.figures += masked.figures(done, masked.most_frequent_token(Shards.open(subjects.tokens / "train"), tokenizer))
    items = [(f"{f.fact.before} ___{f.fact.after}", f.output, "right" if f.right else f.fact.value) for f in done]
    found.samples["masked"] = Samples("The model fills in hidden values", tuple(items[:: max(1, len(items) // SHOWN)]))


def _examine_chat(folder: Path, files: Sequence[Path], settings: EvalSettings, work: Work, found: Findings) -> None:
    asker = _asker(folder, settings, settings.answer_tokens)
    shown: list[tuple[str, str, str]] = []
    introductions: list[Introduced] = []
    if files:
        questions = [question for file in files for question in read_questions(file)]
        questions = examining.drawn(questions, settings.questions, settings.seed)
        rounds = [questions[start : start + ROUND] for start in range(0, len(questions), ROUND)]
        for part in work.log.track(rounds, f"{len(questions)} questions"):
            found.answers += examining.ask(asker, part)
        found.figures += of_answers(found.answers)
        shown += [examining.sample(item) for item in examining.chosen(found.answers, settings.seed)]
    if settings.identity is not None:
        introductions = _examine_identity(asker, settings.identity, settings, found)
        shown.append((introductions[0].prompt, introductions[0].output, "who it says it is"))
        _examine_later_turns(asker, introductions[0], settings, found)
    items = [(item.prompt, item.output, "right" if item.right else "wrong") for item in introductions]
    wrong = examining.wrong_answers(found.answers, WRONG_SHOWN)
    found.samples["answers"] = Samples("The chat model answers", tuple(shown))
    found.samples["identity"] = Samples("Who it says it is", tuple(items))
    found.samples["wrong"] = Samples("Some of its wrong answers", tuple(wrong))


def _examine_identity(asker: Asker, identity: Identity, settings: EvalSettings, found: Findings) -> list[Introduced]:
    """Adds three figures; -> how it introduced itself, without and then with another name in a system message."""
    own = examining.introduce(asker, held_out_questions(identity))
    renamed = examining.introduce(asker, system_questions(settings.seed, settings.system_names))
    rates = (
        ("identity_rate", "says its name and maker, unseen wordings", [item.right for item in own]),
        ("system_name_obeyed_rate", "says the name that a system message gives it", [item.named for item in renamed]),
        ("system_name_and_maker_rate", "says that name and that maker", [item.right for item in renamed]),
    )
    found.figures += [of_score(name, label, score(outcomes)) for name, label, outcomes in rates]
    return own + renamed


def _examine_later_turns(asker: Asker, first: Introduced, settings: EvalSettings, found: Findings) -> None:
    """Adds a figure: the questions about countries of the corpus again, after the model has introduced itself."""
    before = (Message("user", first.prompt), Message("assistant", first.output))
    known = [item.question for item in found.answers if item.question.group != "left_out"]
    drawn = examining.some(known, settings.later_turns, f"{settings.seed} later turns")
    if drawn:
        right = [item.right for item in examining.ask(asker, drawn, before)]
        found.figures.append(of_score("accuracy_later_turn", "exact answers after it introduced itself", score(right)))


def _measure_bits(subjects: Subjects, documents: Shards, machine: Machine, found: Findings) -> None:
    size = pc.sum(documents.column("bytes")).as_py()
    for name, folder in (("base", subjects.base), ("chat", subjects.chat)):
        if folder is not None:
            validation = validate(load_model(folder), documents, len(documents), size, VALIDATED, machine, bf16=False)
            label = f"bits per byte of validation text, {name} model"
            found.figures.append(Figure(f"val_bpb_{name}", label, validation.bits_per_byte, "bits"))


def _asker(folder: Path, settings: EvalSettings, max_tokens: int) -> Asker:
    sampler = Sampler(load_model(folder), slots=settings.batch)
    return Asker(sampler, Tokenizer.load(folder), max_tokens)


def _write(settings: EvalSettings, work: Work, found: Findings) -> Outcome:
    samples = {name: item for name, item in found.samples.items() if item.items}
    for name, item in samples.items():
        work.view(name, item)
    work.view("scores", scores(found.figures))
    title = f"How {settings.identity.name} came to be" if settings.identity else "How this model came to be"
    relations = of_relations(found.answers)
    report = Report(title, tuple(found.figures), relations, tuple(samples.values()), tuple(road(work.inputs)))
    texts = {
        "report.json": json.dumps(to_json(report), ensure_ascii=False, indent=1) + "\n",
        "report.md": markdown(report),
        "report.html": html(report),
    }
    for name, text in texts.items():
        with work.file(name) as path:
            path.write_text(text, encoding="utf-8")
    # They tell how long the steps took; the figures without the times are the facts.
    return Outcome("report", by_name(found.figures, relations), records=tuple(texts))
