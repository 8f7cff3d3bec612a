"""What fine-tuning will take, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence

from tumbler.device import prepare, this_machine
from tumbler.errors import UserError
from tumbler.forecast import Planned
from tumbler.sft.stage import SftSettings
from tumbler.train.forecast import configs_of
from tumbler.train.forecast import forecast as forecast_training


def forecast(settings: SftSettings, inputs: Sequence[Planned]) -> Planned:
    """Where the conversations decide how many steps there are, only the model is known."""
    configs = configs_of(inputs)
    if len(configs) != 1:
        raise UserError(f"sft: needs exactly one checkpoint among its inputs, has {len(configs)}")
    config, steps = configs[0], settings.steps
    if steps is None:
        return Planned("checkpoint", config)
    context = config.max_position_embeddings
    machine = this_machine()
    prepare(machine)
    cost = forecast_training(config, settings, settings.rows, steps, context, 0, machine)
    return Planned("checkpoint", config, cost)
