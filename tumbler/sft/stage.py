"""The sft stage: a base checkpoint and conversations -> a chat checkpoint.

The loop is `_train`; it has the shape of pretrain's, on the same parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from pydantic import Field

from tumbler.artifact import Artifact, Outcome, Work, only
from tumbler.device import Machine, prepare, this_machine, torch_device
from tumbler.engine import Sampler
from tumbler.errors import UserError
from tumbler.identity import Identity
from tumbler.log import read_metrics
from tumbler.model import Transformer, load_model, parameters, read_config, save_model
from tumbler.sft.answers import first_questions, said
from tumbler.sft.card import model_card
from tumbler.sft.company import in_company
from tumbler.sft.conversations import Examples, Source, find_files, read_all, to_examples
from tumbler.sft.loader import ConversationLoader, Mixture, ReplayingLoader
from tumbler.tasks.identity import training_conversations
from tumbler.text.shards import Shards
from tumbler.text.tokenizer import Tokenizer, same_tokenizer
from tumbler.train.checkpoint import resume, save_state
from tumbler.train.dials import TrainDials
from tumbler.train.loader import Loader, PackedLoader
from tumbler.train.loop import TrainPlan, train
from tumbler.train.objective import Objective
from tumbler.train.optimizers import make_optimizers
from tumbler.train.parallel import any_rank, barrier, join, shard, whole
from tumbler.train.progress import meter_of, record, timed
from tumbler.train.state import TrainState
from tumbler.train.stopping import stop_requested
from tumbler.views import Curve, Samples

LOG_EVERY: Final = 5
"""Steps between two lines of metrics.jsonl; their losses are averaged."""
SAY_EVERY: Final = 10.0
"""Seconds between two lines on the console."""
SHOWN: Final = 4
"""Questions whose answers, before and after, people are shown."""


class SftSettings(TrainDials):
    """What is learned from which conversations, and how gently."""

    conversations: tuple[str, ...] = ()
    """JSONL files of `messages` (paths or globs), beside those among the inputs."""
    identity: Identity | None = None
    """Who the model shall say it is; none: nothing is taught about itself."""
    identity_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the conversations that are about the model itself."""
    replay: float = Field(default=0.5, ge=0, lt=1)
    """Share of each batch's rows that are pretraining text, so that the model keeps what it knows. Each of
    their tokens counts in the loss as much as a token that the assistant says."""
    steps: int | None = Field(default=None, gt=0)
    """Optimizer steps; none: as many as `epochs` asks for."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the conversations."""
    rate: float = Field(default=0.3, gt=0)
    """Learning rates as a share of matrix_rate and other_rate, which are pretraining's."""
    temperature: float = Field(default=0.3, gt=0, le=2)
    """What the checkpoint recommends to those who serve it."""
    seed: int = 0
    """Order of the conversations and of the pretraining text, names in system messages."""


@dataclass(frozen=True)
class Data:
    """What is learned from."""

    tokenizer: Tokenizer
    conversations: Examples
    identity: Examples
    replay: Shards | None
    questions: tuple[str, ...]
    """Some that are asked, to be shown with the answers before and after."""


@dataclass(frozen=True)
class Run:
    """What stays the same throughout the loop."""

    settings: SftSettings
    work: Work
    base: Path
    data: Data
    machine: Machine
    bf16: bool

    @property
    def states(self) -> Path:
        return self.work.path / "resume"


def run(settings: SftSettings, work: Work) -> Outcome:
    machine = this_machine()
    prepare(machine)
    join(machine)
    base = only(work.inputs, "checkpoint", "sft")
    model = load_model(base.path)
    data = _open(settings, work, base, model.config.max_position_embeddings)
    bf16 = machine.bf16 if settings.bf16 is None else settings.bf16
    here = Run(settings, work, base.path, data, machine, bf16)
    state, plan = _begin(here, model)
    _train(here, state, plan)
    return _finish(here, whole(state.model), plan)


def _open(settings: SftSettings, work: Work, base: Artifact, context: int) -> Data:
    """Read and render everything; what cannot be learned from is an error or is counted."""
    tokenizer = Tokenizer.load(base.path)
    replay = None
    if settings.replay > 0:
        tokens = only(work.inputs, "tokens", "sft (replay > 0)")
        _refuse_other_tokenizer(base.path, tokens.path / "tokenizer")
        replay = Shards.open(tokens.path / "train")
    files = find_files(settings.conversations, work.inputs)
    own = training_conversations(settings.identity, settings.seed) if settings.identity else []
    given = list(read_all(files))
    conversations = to_examples(given, tokenizer, context)
    mixed = in_company(own, [source.conversation for source in given], settings.seed)
    identity = to_examples((Source(item.id, item) for item in mixed), tokenizer, context)
    if not conversations.kept + identity.kept:
        raise UserError(
            "sft: no conversations; give an input that holds conversations.jsonl, the setting 'conversations', "
            "or an [identity]"
        )
    if conversations.too_long:
        work.log.say(f"{conversations.too_long:,} conversations are longer than {context} tokens and are left out")
    return Data(tokenizer, conversations, identity, replay, first_questions(given, own, SHOWN, longest=context // 2))


def _refuse_other_tokenizer(base: Path, tokens: Path) -> None:
    if not same_tokenizer(base, tokens):
        raise UserError(
            f"sft: {base} and {tokens} hold different tokenizers, so the text to replay would be gibberish to the "
            "model; give the tokens artifact it was pretrained on, or set replay = 0"
        )


def _begin(here: Run, model: Transformer) -> tuple[TrainState, TrainPlan]:
    """The state to train from, fresh from the base model or the newest that was saved, and how long to train."""
    settings, context = here.settings, model.config.max_position_embeddings
    if settings.rows % here.machine.world:
        raise UserError(f"sft: rows = {settings.rows} cannot be shared by {here.machine.world} processes")
    model = shard(model.to(torch_device(here.machine)), here.machine, here.bf16, settings.compile)
    rates = settings.rates.scaled(settings.rate)
    optimizers = make_optimizers(model, rates, settings.weight_decay, here.bf16, settings.optimizer)
    replayed = round(settings.rows * settings.replay) if here.data.replay else 0
    rows = settings.rows - replayed
    if rows == 0:
        raise UserError(f"sft: replay = {settings.replay} of {settings.rows} rows leaves none for conversations")
    mixture = Mixture(here.data.conversations.kept, here.data.identity.kept, settings.identity_share)
    conversations = ConversationLoader(mixture, rows, context, here.data.tokenizer.pad, settings.seed)
    steps = settings.steps or math.ceil(settings.epochs * conversations.rows_an_epoch / rows)
    loader: Loader = conversations
    if here.data.replay is not None and replayed:
        loader = ReplayingLoader(conversations, PackedLoader(here.data.replay, replayed, context, settings.seed))
    state = TrainState(model, optimizers, loader)
    here.work.log.say(
        f"{len(mixture.conversations):,} conversations and {mixture.identity_count:,} about itself in "
        f"{conversations.rows_an_epoch:,} rows, {steps} steps of {rows} rows and {replayed} of pretraining text"
    )
    if resume(state, here.states):
        here.work.log.say(f"going on from step {state.step}")
    here.work.log.rewind(state.step)
    return state, settings.plan(steps, settings.rows, here.machine.world)


def _train(here: Run, state: TrainState, plan: TrainPlan) -> None:
    """The loop: train, log, save, stop."""
    log, objective = here.work.log, Objective(state.model, here.machine, here.bf16, here.settings.compile)
    config = state.model.config
    meter = meter_of(here.machine, config, config.max_position_embeddings, here.bf16)
    told = time.monotonic()
    with stop_requested() as stop:
        for report, seconds in timed(train(state, objective, plan, here.machine)):
            meter.add(report, seconds)
            step, last = report.step, report.step == plan.steps
            stopping = any_rank(stop(), here.machine)
            save = step % here.settings.save_every == 0 or last or stopping
            if report.skipped:
                log.say(f"step {step} left out: {report.skipped}")
            if step % LOG_EVERY == 0 or save:
                now = meter.read()
                record(log, now, f"begin anew with a lower rate ({here.settings.rate:g}) or more warmup")
                if time.monotonic() - told > SAY_EVERY or last:
                    told = time.monotonic()
                    log.say(now.line(plan.steps))
            if save:
                save_state(state, here.states)
            if stopping and not last:
                log.say(f"stopped at step {step}, all saved; the same command goes on from there")
                raise KeyboardInterrupt


def _finish(here: Run, model: Transformer, plan: TrainPlan) -> Outcome:
    """The Hugging Face folder, its card, its pictures."""
    facts = _facts(here, plan)
    if here.machine.rank == 0:
        _write(here, model, facts)
    barrier()
    return Outcome("checkpoint", facts)


def _write(here: Run, model: Transformer, facts: Mapping[str, int]) -> None:
    path, data = here.work.path, here.data
    save_model(model, path, torch.float32, here.settings.temperature)
    data.tokenizer.save(path, model.config.max_position_embeddings)
    lines = read_metrics(path / "metrics.jsonl")
    points = tuple((float(line["step"]), float(line["loss"])) for line in lines if "loss" in line)
    here.work.view("loss", Curve("Fine-tuning", "step", "loss (nats a target)", (("train", points),)))
    here.work.view("answers", _before_and_after(here, model))
    with here.work.file("README.md") as card:
        card.write_text(model_card(here.settings.identity, facts, here.work.licences), encoding="utf-8")


def _facts(here: Run, plan: TrainPlan) -> dict[str, int]:
    data = here.data
    return {
        "parameters": parameters(read_config(here.base)),
        "conversations": len(data.conversations.kept),
        "identity_conversations": len(data.identity.kept),
        "too_long": data.conversations.too_long + data.identity.too_long,
        "supervised_tokens": sum(item.supervised for item in (*data.conversations.kept, *data.identity.kept)),
        "steps": plan.steps,
    }


def _before_and_after(here: Run, model: Transformer) -> Samples:
    """The same questions put to the base model and to the chat model."""
    questions = here.data.questions
    before, after = (
        said(Sampler(each, slots=SHOWN), here.data.tokenizer, questions) for each in (load_model(here.base), model)
    )
    rows = zip(questions, before, after, strict=True)
    return Samples(
        "Answers before and after",
        tuple(item for question, old, new in rows for item in ((question, old, "before"), (question, new, "after"))),
    )
