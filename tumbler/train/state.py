"""All that training changes, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.optim import Optimizer

from tumbler.model import Transformer
from tumbler.train.loader import Loader
from tumbler.train.spikes import Spikes


@dataclass
class TrainState:
    """The model, its optimizers, where the data stand, how many steps are done, what the last ones looked like.

    The random state of torch is the process's own; a checkpoint holds it too.
    """

    model: Transformer
    optimizers: tuple[Optimizer, ...]
    loader: Loader
    step: int = 0
    spikes: Spikes = field(default_factory=Spikes)
    best: float | None = None
    """The lowest validation loss so far, where that is watched."""
    best_step: int | None = None
