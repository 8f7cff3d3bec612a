"""What pretraining will take, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence

from tumbler.device import prepare, this_machine
from tumbler.errors import UserError
from tumbler.forecast import Planned
from tumbler.model import ModelConfig
from tumbler.pretrain.dial import budget, model_config
from tumbler.pretrain.settings import PretrainSettings
from tumbler.text.tokenizer import Tokenizer
from tumbler.train.forecast import configs_of
from tumbler.train.forecast import forecast as forecast_training


def forecast(settings: PretrainSettings, inputs: Sequence[Planned]) -> Planned:
    """What the step will take; known before its inputs are made."""
    config = _planned_config(settings, inputs)
    many = budget(settings, config)
    looks = (many.steps // settings.eval_every + 2) * settings.eval_tokens
    machine = this_machine()
    prepare(machine)
    cost = forecast_training(config, settings, many.rows, many.steps, settings.context, looks, machine)
    return Planned("checkpoint", config, cost)


def _planned_config(settings: PretrainSettings, inputs: Sequence[Planned]) -> ModelConfig:
    """The base checkpoint's, or a new model's: for that the tokens input knows the vocabulary."""
    bases = configs_of(inputs)
    if bases:
        return bases[0]
    vocabularies = [item.output for item in inputs if item.kind == "tokens"] or [
        Tokenizer.load(item.path / "tokenizer").vocab_size for item in inputs if item.path is not None
    ]
    if not vocabularies:
        raise UserError("pretrain: needs a tokens input")
    return model_config(settings, vocabularies[0])
