"""What a step will take, before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Accelerator = Literal["a100", "h100", "h200", "b200"]
PEAKS: Final[dict[Accelerator, float]] = {"a100": 312e12, "h100": 989e12, "h200": 989e12, "b200": 2250e12}
"""Dense bf16 FLOP/s of NVIDIA's data sheets (SXM)."""


@dataclass(frozen=True)
class Forecast:
    """Of one step that trains."""

    parameters: int
    steps: int
    tokens: int
    flops: float
    """Of all matrix products, forward and backward."""
    memory: int
    """Bytes: weights, gradients, optimizers, activations of one micro-batch."""
    seconds: float
    """On this machine: measured on a few of its blocks, then multiplied."""


@dataclass(frozen=True)
class Planned:
    """What will come out of a step, as far as that can be known beforehand; or what an outside input is."""

    kind: str
    """As an artifact's."""
    output: Any = None
    """tokens: how many ids the vocabulary has; checkpoint: the model's config."""
    cost: Forecast | None = None
    """None: the step does not train, or it depends on what an earlier step will find."""
    path: Path | None = None
    """Of an outside input."""


def seconds_on(flops: float, accelerator: Accelerator, count: int, mfu: float) -> float:
    """How long `count` accelerators take that reach the share `mfu` of their data sheet's peak."""
    return flops / (PEAKS[accelerator] * count * mfu)
