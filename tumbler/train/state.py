"""All that training changes, in one value."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

from tumbler.model import Transformer
from tumbler.train.loader import Loader


@dataclass
class TrainState:
    """The model, its optimizers, where the data stand, how many steps are done.

    The random state of torch is the process's own; a checkpoint holds it too.
    """

    model: Transformer
    optimizers: tuple[Optimizer, ...]
    loader: Loader
    step: int = 0
