"""The pretrain stage: token shards -> base checkpoint, by predicting the next token.

The loop is `_train`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import Field

from tumbler.artifact import Outcome, Work, only
from tumbler.device import Machine, matmul_peak, prepare, this_machine, torch_device
from tumbler.engine import Request, Sampler, Sampling
from tumbler.log import read_metrics
from tumbler.model import Transformer, init_weights, matmul_flops_per_token, save_model, sizes
from tumbler.pretrain.card import model_card
from tumbler.pretrain.pictures import completions, loss_curve, speed_curve
from tumbler.pretrain.reader import Data, open_tokens
from tumbler.train.checkpoint import resume, save_state
from tumbler.train.dials import TrainDials
from tumbler.train.loader import PackedLoader
from tumbler.train.loop import TrainPlan, train
from tumbler.train.loss import Objective
from tumbler.train.optimizers import LearningRates, make_optimizers
from tumbler.train.progress import Meter, record, timed
from tumbler.train.state import TrainState
from tumbler.train.stopping import stop_requested
from tumbler.train.validation import Validation, validate

LOG_EVERY: Final = 10
"""Steps between two lines of metrics.jsonl; their losses are averaged."""
SAY_EVERY: Final = 10.0
"""Seconds between two lines on the console."""


class PretrainSettings(TrainDials):
    """The model's sizes, and how it is trained."""

    depth: int = Field(default=4, gt=0)
    """Layers. The one dial: width is 64 a layer, heads one a layer, unless given below."""
    width: int | None = Field(default=None, gt=0)
    """Width of the residual stream; none: 64 * depth."""
    heads: int | None = Field(default=None, gt=0)
    """Attention heads; none: one per 64 of width (two of 32 where the width is 64)."""
    kv_heads: int | None = Field(default=None, gt=0)
    """Heads of keys and values, shared by groups of query heads; none: half as many, from 4 heads on."""
    mlp: int | None = Field(default=None, gt=0)
    """Width inside the MLP; none: 3 * width."""
    context: int = Field(default=256, gt=1)
    """Tokens of a row: the longest text that the model can read."""
    steps: int = Field(default=500, gt=0)
    """Optimizer steps."""
    eval_every: int = Field(default=100, gt=0)
    """Steps between two looks at the validation documents."""
    eval_tokens: int = Field(default=65_536, gt=0)
    """About how many tokens of validation documents are looked at."""
    sample_every: int = Field(default=100, gt=0)
    """Steps between two rounds of sample completions."""
    sample_tokens: int = Field(default=32, gt=0)
    """Tokens of a sample completion, at most."""
    prompts: tuple[str, ...] = ("The", "The capital of France is")
    """What the samples complete."""
    seed: int = 0
    """First weights and order of the documents."""


@dataclass(frozen=True)
class Run:
    """What stays the same throughout the loop."""

    settings: PretrainSettings
    work: Work
    data: Data
    machine: Machine
    bf16: bool
    state: TrainState

    @property
    def states(self) -> Path:
        return self.work.path / "resume"


def run(settings: PretrainSettings, work: Work) -> Outcome:
    machine = this_machine()
    prepare(machine)
    data = open_tokens(only(work.inputs, "tokens", "pretrain"), settings.eval_tokens)
    bf16 = machine.bf16 if settings.bf16 is None else settings.bf16
    here = Run(settings, work, data, machine, bf16, _fresh_state(settings, data, machine, bf16))
    work.log.say(_introduction(here))
    if resume(here.state, here.states):
        work.log.say(f"going on from step {here.state.step}")
    work.log.rewind(here.state.step)
    _train(here)
    return _finish(here)


def _fresh_state(settings: PretrainSettings, data: Data, machine: Machine, bf16: bool) -> TrainState:
    tokenizer = data.tokenizer
    overrides = {name: getattr(settings, name) for name in ("width", "heads", "kv_heads", "mlp")}
    config = sizes(settings.depth, tokenizer.vocab_size, settings.context, **overrides)
    config = replace(config, bos_token_id=tokenizer.bos, eos_token_id=tokenizer.end, pad_token_id=tokenizer.pad)
    model = Transformer(config)
    init_weights(model, settings.seed)
    model.to(torch_device(machine))
    rates = LearningRates(settings.matrix_rate, settings.other_rate)
    optimizers = make_optimizers(model, rates, settings.weight_decay, bf16)
    return TrainState(model, optimizers, PackedLoader(data.train, settings.rows, settings.context, settings.seed))


def _train(here: Run) -> None:
    """The loop: train, log, look, sample, save, stop."""
    settings, state, log = here.settings, here.state, here.work.log
    plan = TrainPlan(settings.steps, settings.warmup, settings.decay, settings.clip, settings.micro_rows)
    objective = Objective(state.model, here.machine, here.bf16, settings.compile)
    meter = _meter(here)
    sample = _sampler(here)
    said = time.monotonic()
    with stop_requested() as stop:
        for report, seconds in timed(train(state, objective, plan, here.machine)):
            meter.add(report, seconds)
            step, last, stopping = report.step, report.step == settings.steps, stop()
            save = step % settings.save_every == 0 or last or stopping
            if step % LOG_EVERY == 0 or save:
                line = _log(here, meter)
                if time.monotonic() - said > SAY_EVERY or last:
                    said = time.monotonic()
                    log.say(line)
            if step % settings.eval_every == 0 or last:
                _look(here)
            if step % settings.sample_every == 0 or last:
                sample()
            if save:
                save_state(state, here.states)
                _draw(here.work)
            if stopping and not last:
                log.say(f"stopped at step {step}, all saved; the same command goes on from there")
                raise KeyboardInterrupt


def _meter(here: Run) -> Meter:
    peak = matmul_peak(here.machine, torch.bfloat16 if here.bf16 else torch.float32)
    return Meter(matmul_flops_per_token(here.state.model.config, here.settings.context), peak)


def _log(here: Run, meter: Meter) -> str:
    """Write one line of metrics; -> the line for a person."""
    now, settings = meter.read(), here.settings
    rates = f"matrix_rate ({settings.matrix_rate:g}) or other_rate ({settings.other_rate:g})"
    record(here.work.log, now, f"begin anew with a lower {rates}, or more warmup")
    return now.line(settings.steps)


def _look(here: Run) -> None:
    """Loss on the validation documents, into the metrics."""
    found = _validation(here)
    here.work.log.metrics(here.state.step, val_loss=found.loss, val_bpb=found.bits_per_byte)
    here.work.log.say(f"validation loss {found.loss:.3f}, {found.bits_per_byte:.3f} bits a byte")


def _validation(here: Run) -> Validation:
    data, rows = here.data, here.settings.micro_rows
    return validate(here.state.model, data.val, data.val_count, data.val_bytes, rows, here.machine, here.bf16)


def _sampler(here: Run) -> Callable[[], None]:
    """A function that completes the prompts with the model as it stands. UserError for prompts that do not fit."""
    tokenizer, settings = here.data.tokenizer, here.settings
    sampler = Sampler(here.state.model, slots=max(1, len(settings.prompts)))
    greedy = Sampling(max_tokens=settings.sample_tokens, temperature=0.0, stop_ids=(tokenizer.end,))
    requests = [Request([tokenizer.bos, *tokenizer.encode(prompt)], greedy) for prompt in settings.prompts]
    for number, request in enumerate(requests):
        sampler.check(request, number)

    def sample() -> None:
        for prompt, completion in zip(settings.prompts, sampler.sample(requests), strict=True):
            text = tokenizer.decode([id for id in completion.ids if id != tokenizer.end])
            here.work.log.metrics(here.state.step, prompt=prompt, completion=text)

    return sample


def _draw(work: Work) -> None:
    assert work.log.metrics_path is not None
    lines = read_metrics(work.log.metrics_path)
    work.view("loss", loss_curve(lines))
    work.view("speed", speed_curve(lines))
    work.view("completions", completions(lines))


def _finish(here: Run) -> Outcome:
    """The Hugging Face folder, at the root of the artifact."""
    path, model, settings = here.work.path, here.state.model, here.settings
    facts = _facts(here)
    save_model(model, path, torch.float32)
    here.data.tokenizer.save(path, settings.context)
    with here.work.file("README.md") as file:
        file.write_text(model_card(model.config, facts, here.work.licences), encoding="utf-8")
    return Outcome("checkpoint", facts)


def _facts(here: Run) -> dict[str, Any]:
    found, settings = _validation(here), here.settings
    return {
        "parameters": _parameters(here.state.model),
        "steps": settings.steps,
        "tokens": settings.steps * settings.rows * settings.context,
        "unique_tokens": here.data.train.tokens,
        "val_tokens": found.targets,
        "val_loss": round(found.loss, 6),
        "val_bpb": round(found.bits_per_byte, 6),
        "precision": "bf16" if here.bf16 else "fp32",
    }


def _introduction(here: Run) -> str:
    config = here.state.model.config
    return (
        f"{_parameters(here.state.model):,} parameters ({config.num_hidden_layers} layers of {config.hidden_size}), "
        f"{here.data.train.tokens:,} training tokens, {'bf16' if here.bf16 else 'fp32'} on {here.machine.name}"
        + (", compiled: the first step takes up to a minute" if here.settings.compile else "")
    )


def _parameters(model: Transformer) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
