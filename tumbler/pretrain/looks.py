"""What is looked at while a model trains: validation, samples, the watched token, CORE.

All ranks call these: the weights are gathered from all; what costs little is computed by rank 0 alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

from tumbler.device import Machine, autocast, torch_device
from tumbler.engine import Request, Sampler, Sampling, fill
from tumbler.errors import UserError
from tumbler.log import Log
from tumbler.model import ModelConfig, Transformer
from tumbler.pretrain.reader import Data
from tumbler.pretrain.settings import PretrainSettings
from tumbler.tasks.core import Core, CoreReport, ask
from tumbler.text.masked import masked_ids
from tumbler.text.special import MASK
from tumbler.text.tokenizer import Tokenizer
from tumbler.train.masking import Masking
from tumbler.train.validation import Sums, validate

SHOWN: Final = 3
"""Tokens that a masked model may name for one mask in a sample."""


@dataclass(frozen=True)
class Looks:
    """Everything but the model as it stands."""

    settings: PretrainSettings
    data: Data
    machine: Machine
    bf16: bool
    log: Log
    tasks: Core | None

    def measured(self, model: Transformer) -> dict[str, Sums]:
        """Loss on the validation documents, by source."""
        masking = None if model.config.causal else masking_of(self.data.tokenizer, self.settings.eval_mask_share)
        rows, machine, bf16 = self.settings.micro_rows, self.machine, self.bf16
        return {
            source.name: validate(model, source.val, source.val_count, source.val_bytes, rows, machine, bf16, masking)
            for source in self.data.sources
        }

    def validation(self, model: Transformer, step: int) -> Sums:
        """`measured` of all sources together, into the metrics; where there are several, of each too."""
        found = self.measured(model)
        total = sum(found.values(), Sums(0.0, 0, 0))
        if len(found) > 1:
            self.log.metrics(step, **{f"val_loss/{name}": sums.loss for name, sums in found.items()})
        bits = {"val_bpb": total.bits_per_byte} if model.config.causal else {}
        self.log.metrics(step, val_loss=total.loss, **bits)
        said = f"validation loss {total.loss:.3f}"
        self.log.say(f"{said}, {total.bits_per_byte:.3f} bits a byte" if bits else said)
        return total

    def samples(self, model: Transformer, step: int) -> None:
        """What the model makes of the prompts, into the metrics."""
        if self.machine.rank == 0:
            complete = _completed if model.config.causal else _filled
            for prompt, text in zip(
                self.settings.prompts, complete(model, self.data.tokenizer, self.settings), strict=True
            ):
                self.log.metrics(step, prompt=prompt, completion=text)

    def core(self, model: Transformer, step: int) -> None:
        """The share of right answers to each CORE task, and their centred mean, into the metrics."""
        if self.tasks is None or self.machine.rank > 0:
            return
        examples, seed = self.settings.core_examples, self.settings.seed
        scorer, results = Sampler(model), []
        for result in ask(self.tasks, scorer, self.data.tokenizer, examples, seed):
            self.log.metrics(step, **{f"core/{result.spec.label}": result.accuracy})
            results.append(result)
        report = CoreReport(tuple(results), self.tasks.missing)
        self.log.metrics(step, core=report.mean)
        self.log.say(f"{report.title}: {report.mean:.4f}")

    def watched(self, model: Transformer) -> dict[str, float]:
        """The probability of the watched next token, and its rank among all tokens (1: the likeliest)."""
        if self.settings.watch is None:
            return {}
        ids, target = watched_ids(self.data.tokenizer, self.settings.watch)
        with torch.no_grad(), autocast(self.machine, self.bf16):
            logits = model(torch.tensor([ids], device=torch_device(self.machine)))[0, -1].float()
        better = int((logits > logits[target]).sum())
        return {"watched": float(logits.softmax(-1)[target]), "watched_rank": better + 1}


def masking_of(tokenizer: Tokenizer, share: float) -> Masking:
    """Raises UserError when the tokenizer has no mask token."""
    if MASK not in tokenizer.special:
        raise UserError(f"pretrain: the tokenizer has no {MASK} token, which a masked model needs; train one")
    return Masking(share, tokenizer.special[MASK], tokenizer.vocab_size, tuple(tokenizer.special.values()))


def watched_ids(tokenizer: Tokenizer, watch: tuple[str, str]) -> tuple[list[int], int]:
    """The ids of the text and the first id of what follows it; UserError where those are not its next tokens."""
    text, following = watch
    ids, both = tokenizer.encode(text), tokenizer.encode(text + following)
    if both[: len(ids)] != ids or len(both) == len(ids):
        raise UserError(f"pretrain: watch = {list(watch)}: its two parts share a token; cut it before a space")
    return [*tokenizer.begin, *ids], both[len(ids)]


def check_prompts(config: ModelConfig, tokenizer: Tokenizer, settings: PretrainSettings) -> None:
    """UserError for a prompt that does not fit."""
    for number, prompt in enumerate(settings.prompts):
        ids = [*tokenizer.begin, *tokenizer.encode(prompt)] if config.causal else _with_hole(tokenizer, prompt)
        longest = config.max_position_embeddings
        if len(ids) >= longest:
            raise UserError(f"pretrain: prompt {number} has {len(ids)} tokens; give one of fewer than {longest}")


def _completed(model: Transformer, tokenizer: Tokenizer, settings: PretrainSettings) -> Iterator[str]:
    greedy = Sampling(max_tokens=settings.sample_tokens, temperature=0.0, stop_ids=(tokenizer.end,))
    requests = [Request([*tokenizer.begin, *tokenizer.encode(prompt)], greedy) for prompt in settings.prompts]
    for completion in Sampler(model, slots=max(1, len(requests))).sample(requests):
        yield tokenizer.decode([id for id in completion.ids if id != tokenizer.end])


def _filled(model: Transformer, tokenizer: Tokenizer, settings: PretrainSettings) -> Iterator[str]:
    """For each mask of the prompt its likeliest tokens."""
    for prompt in settings.prompts:
        ids = _with_hole(tokenizer, prompt)
        masks = fill(model, ids, tokenizer.special[MASK], SHOWN)
        yield "; ".join(" | ".join(f"{tokenizer.decode([id]).strip()} {p:.2f}" for id, p in mask) for mask in masks)


def _with_hole(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt with masks; where it has none, one follows it."""
    return masked_ids(tokenizer, prompt if MASK in prompt else prompt + MASK)
