"""The settings that every stage which trains has: subclassed by the stages' own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tumbler.recipe import Settings
from tumbler.train.loop import TrainPlan
from tumbler.train.optimizers import LearningRates
from tumbler.train.schedule import Schedule


class TrainDials(Settings):
    """How a step is made, and how often the work is saved."""

    rows: int = Field(default=32, gt=0)
    """Rows of a batch, each as long as the model's context."""
    micro_rows: int = Field(default=8, gt=0)
    """Rows computed at a time. Fewer need less memory, and on a CPU stay in its cache; the step is the same."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """Of the matrices of the blocks; AdamW trains everything else."""
    matrix_rate: float = Field(default=0.02, gt=0)
    """Full learning rate of the matrices of the blocks."""
    embedding_rate: float | None = Field(default=None, gt=0)
    """Full learning rate of an embedding that is not the head as well; none: other_rate."""
    other_rate: float = Field(default=3e-3, gt=0)
    """Full learning rate of head and norms, and of an embedding that is the head as well."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of the matrices."""
    warmup: int = Field(default=20, ge=0)
    """Steps in which the rates rise."""
    schedule: Schedule = "trapezoid"
    """How the rates go on: constant, then linear down in the last `decay` share; or a cosine."""
    decay: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps, at the end, in which the rates fall to `floor` (trapezoid)."""
    floor: float = Field(default=0.0, ge=0, lt=1)
    """Share of the full rates at the end."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient, as a norm over all parameters."""
    on_spike: Literal["stop", "skip"] = "stop"
    """What becomes of a step whose loss or gradient is no number, or a spike."""
    spike_sigmas: float | None = Field(default=None, gt=0)
    """Standard deviations above the last 128 steps that make a spike (OLMo-core takes 6); none: none do."""
    compile: bool = False
    """Compile blocks and loss with torch.compile: faster steps for up to a minute of compiling first."""
    bf16: bool | None = None
    """Matrix products in bfloat16; none: where the machine has it in hardware."""
    save_every: int = Field(default=100, gt=0)
    """Steps between two saves of all that is needed to go on."""

    def plan(self, steps: int, rows: int, world: int) -> TrainPlan:
        """For `steps` batches of `rows` rows, shared by `world` processes."""
        return TrainPlan(
            steps=steps,
            warmup=self.warmup,
            decay=self.decay,
            clip=self.clip,
            micro_rows=min(self.micro_rows, max(1, rows // world)),
            floor=self.floor,
            schedule=self.schedule,
            on_spike=self.on_spike,
            sigmas=self.spike_sigmas,
        )

    @property
    def rates(self) -> LearningRates:
        return LearningRates(self.matrix_rate, self.other_rate, self.embedding_rate)
