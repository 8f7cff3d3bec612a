"""The pretrain stage: token shards -> base checkpoint, by predicting the next token (or masked ones).

The loop is `_train`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from tumbler.artifact import Outcome, Work
from tumbler.device import Machine, prepare, this_machine, torch_device
from tumbler.errors import UserError
from tumbler.log import read_metrics
from tumbler.model import Transformer, init_weights, load_model, parameters, save_model
from tumbler.pretrain.card import model_card
from tumbler.pretrain.dial import Budget, budget, learning_rates, model_config, with_tokens
from tumbler.pretrain.looks import Looks, check_prompts, masking_of, watched_ids
from tumbler.pretrain.pictures import completions, loss_curve, speed_curve, watched_curve
from tumbler.pretrain.reader import Data, open_data
from tumbler.pretrain.settings import PretrainSettings
from tumbler.tasks.core_reader import read_core
from tumbler.train.checkpoint import resume, save_state
from tumbler.train.loader import Loader, MixedLoader, PackedLoader
from tumbler.train.loop import train
from tumbler.train.masking import MaskingLoader
from tumbler.train.objective import Objective
from tumbler.train.optimizers import make_optimizers
from tumbler.train.parallel import any_rank, barrier, join, shard, whole
from tumbler.train.progress import Meter, meter_of, record, timed
from tumbler.train.state import TrainState
from tumbler.train.stopping import stop_requested
from tumbler.train.validation import Sums

LOG_EVERY: Final = 10
"""Steps between two lines of metrics.jsonl; their losses are averaged."""
SAY_EVERY: Final = 10.0
"""Seconds between two lines on the console."""
BEST: Final = "resume/best"
"""The folder of the weights of the best look; it stays, since a kill may come at any moment before the manifest."""


@dataclass(frozen=True)
class Run:
    """What stays the same throughout the loop."""

    settings: PretrainSettings
    work: Work
    data: Data
    machine: Machine
    bf16: bool
    budget: Budget
    state: TrainState
    looks: Looks

    @property
    def states(self) -> Path:
        return self.work.path / "resume"

    @property
    def first(self) -> bool:
        """Whether this rank writes what there is one of."""
        return self.machine.rank == 0


def run(settings: PretrainSettings, work: Work) -> Outcome:
    machine = this_machine()
    prepare(machine)
    join(machine)
    data = open_data(work.inputs, settings.weights, settings.eval_tokens)
    bf16 = machine.bf16 if settings.bf16 is None else settings.bf16
    model = _model(settings, data)
    many = budget(settings, model.config)
    _check(settings, data, model, many, machine)
    work.log.say(_introduction(settings, data, model, many, machine, bf16))
    state = _fresh_state(settings, data, model, many, machine, bf16)
    tasks = read_core(Path(settings.core)) if settings.core is not None else None
    looks = Looks(settings, data, machine, bf16, work.log, tasks)
    here = Run(settings, work, data, machine, bf16, many, state, looks)
    if resume(here.state, here.states):
        work.log.say(f"going on from step {here.state.step}")
    work.log.rewind(here.state.step)
    _train(here)
    return _finish(here)


def _model(settings: PretrainSettings, data: Data) -> Transformer:
    """The base checkpoint's, or a new one."""
    if data.base is not None:
        return load_model(data.base)
    model = Transformer(with_tokens(model_config(settings, data.tokenizer.vocab_size), data.tokenizer))
    init_weights(model, settings.seed)
    return model


def _check(settings: PretrainSettings, data: Data, model: Transformer, many: Budget, machine: Machine) -> None:
    """Raise UserError now for what would otherwise fail in the middle of the run."""
    if data.base is not None and settings.context > model.config.max_position_embeddings:
        longest = model.config.max_position_embeddings
        raise UserError(f"pretrain: context = {settings.context}, but {data.base} reads at most {longest} tokens")
    if many.rows % machine.world:
        raise UserError(f"pretrain: rows = {many.rows} cannot be shared by {machine.world} processes; use a multiple")
    if settings.core is not None and not model.config.causal:
        raise UserError(f"pretrain: core asks a model that predicts the next token; {model.config.family} fills masks")
    check_prompts(model.config, data.tokenizer, settings)
    if settings.watch is not None:
        watched_ids(data.tokenizer, settings.watch)


def _fresh_state(
    settings: PretrainSettings, data: Data, model: Transformer, many: Budget, machine: Machine, bf16: bool
) -> TrainState:
    model = shard(model.to(torch_device(machine)), machine, bf16, settings.compile)
    rates = learning_rates(settings, model.config, new=data.base is None)
    optimizers = make_optimizers(model, rates, settings.weight_decay, bf16, settings.optimizer)
    return TrainState(model, optimizers, _loader(settings, data, many.rows, model.config.causal))


def _loader(settings: PretrainSettings, data: Data, rows: int, causal: bool) -> Loader:
    context, seed, longest = settings.context, settings.seed, settings.document_tokens
    sources = [PackedLoader(source.train, 1, context, seed, longest) for source in data.sources]
    loader = MixedLoader(sources, [source.weight for source in data.sources], rows)
    if causal:
        return loader
    return MaskingLoader(loader, masking_of(data.tokenizer, settings.mask_share), settings.seed)


def _train(here: Run) -> None:
    """The loop: train, log, look, sample, save, stop."""
    settings, state, log = here.settings, here.state, here.work.log
    objective = Objective(state.model, here.machine, here.bf16, settings.compile)
    plan = settings.plan(here.budget.steps, here.budget.rows, here.machine.world)
    meter = meter_of(here.machine, state.model.config, settings.context, here.bf16)
    said = time.monotonic()
    with stop_requested() as stop:
        for report, seconds in timed(train(state, objective, plan, here.machine)):
            meter.add(report, seconds)
            step, last = report.step, report.step == plan.steps
            stopping = any_rank(stop(), here.machine)
            save = step % settings.save_every == 0 or last or stopping
            if report.skipped:
                log.say(f"step {step} left out: {report.skipped}")
            if step % LOG_EVERY == 0 or save:
                line = _log(here, meter)
                if time.monotonic() - said > SAY_EVERY or last:
                    said = time.monotonic()
                    log.say(line)
            _look(here, last)
            if save:
                save_state(state, here.states)
                _draw(here)
            if stopping and not last:
                log.say(f"stopped at step {step}, all saved; the same command goes on from there")
                raise KeyboardInterrupt


def _log(here: Run, meter: Meter) -> str:
    """Write one line of metrics; -> the line for a person."""
    now, settings = meter.read(), here.settings
    rates = f"matrix_rate ({settings.matrix_rate:g}) or other_rate ({settings.other_rate:g})"
    watched = here.looks.watched(whole(here.state.model)) if settings.watch else {}
    record(here.work.log, now, f"begin anew with a lower {rates}, or more warmup", **watched)
    return now.line(here.budget.steps)


def _look(here: Run, last: bool) -> None:
    """Validation, samples and checkpoints that stay, when their step has come."""
    settings, state = here.settings, here.state
    step = state.step
    looks, samples = (step % every == 0 or last for every in (settings.eval_every, settings.sample_every))
    keeps = settings.keep_every is not None and step % settings.keep_every == 0
    asks = settings.core is not None and (last or (settings.core_every is not None and step % settings.core_every == 0))
    if not (looks or samples or asks or keeps):
        return
    model = whole(state.model)
    if looks:
        _keep_best(here, model, here.looks.validation(model, step))
    if samples:
        here.looks.samples(model, step)
    if asks:
        here.looks.core(model, step)
    if keeps and here.first:
        _write_model(here, model, here.work.path / "checkpoints" / f"step-{step:06d}")


def _keep_best(here: Run, model: Transformer, found: Sums) -> None:
    if here.settings.keep == "best" and (here.state.best is None or found.loss < here.state.best):
        here.state.best, here.state.best_step = found.loss, here.state.step
        if here.first:
            _write_model(here, model, here.work.path / BEST)


def _write_model(here: Run, model: Transformer, path: Path) -> None:
    save_model(model, path, torch.float32)
    here.data.tokenizer.save(path, here.settings.context)


def _draw(here: Run) -> None:
    if not here.first:
        return
    work = here.work
    assert work.log.metrics_path is not None
    lines = read_metrics(work.log.metrics_path)
    work.view("loss", loss_curve(lines))
    work.view("speed", speed_curve(lines))
    work.view("completions", completions(lines))
    if here.settings.watch is not None:
        work.view("watched", watched_curve(lines, here.settings.watch))


def _finish(here: Run) -> Outcome:
    """The Hugging Face folder, at the root of the artifact."""
    best = here.work.path / BEST
    model = load_model(best) if here.settings.keep == "best" else whole(here.state.model)
    facts = _facts(here, model)
    if here.first:
        _write_model(here, model, here.work.path)
        with here.work.file("README.md") as file:
            file.write_text(model_card(model.config, facts, here.work.licences), encoding="utf-8")
    barrier()
    return Outcome("checkpoint", facts)


def _facts(here: Run, model: Transformer) -> dict[str, Any]:
    found, many = here.looks.measured(model.to(torch_device(here.machine))), here.budget
    total = sum(found.values(), Sums(0.0, 0, 0))
    bits = {"val_bpb": round(total.bits_per_byte, 6)} if model.config.causal else {}
    best = {"best_step": here.state.best_step} if here.settings.keep == "best" else {}
    skipped = {"skipped_steps": here.state.spikes.skipped} if here.settings.on_spike == "skip" else {}
    return {
        "objective": "next token" if model.config.causal else "masked tokens",
        "parameters": parameters(model.config),
        "steps": many.steps,
        "tokens": many.tokens,
        "unique_tokens": here.data.train_tokens(here.settings.document_tokens),
        "val_tokens": total.targets,
        "val_loss": round(total.loss, 6),
        **bits,
        **best,
        **skipped,
        "precision": "bf16" if here.bf16 else "fp32",
    }


def _introduction(
    settings: PretrainSettings, data: Data, model: Transformer, many: Budget, machine: Machine, bf16: bool
) -> str:
    config = model.config
    shape = f"{config.family}, {config.num_hidden_layers} layers of {config.hidden_size}"
    begun = f"{parameters(config):,} parameters ({shape})"
    if data.base is not None:
        begun += f" from {data.base.name}"
    there = data.train_tokens(settings.document_tokens)
    work = f"{many.steps:,} steps of {many.rows} rows, {many.tokens:,} tokens of {there:,} there are"
    ranks = f"{machine.world} times " if machine.world > 1 else ""
    compiling = ", compiled: the first step takes up to a minute" if settings.compile else ""
    return f"{begun}; {work}; {'bf16' if bf16 else 'fp32'} on {ranks}{machine.name}{compiling}"
