"""The settings that every stage which trains has: subclassed by the stages' own."""

from __future__ import annotations

from pydantic import Field

from tumbler.recipe import Settings


class TrainDials(Settings):
    """How a step is made, and how often the work is saved."""

    rows: int = Field(default=32, gt=0)
    """Rows of a batch, each as long as the model's context."""
    micro_rows: int = Field(default=8, gt=0)
    """Rows computed at a time. Fewer need less memory, and on a CPU stay in its cache; the step is the same."""
    matrix_rate: float = Field(default=0.02, gt=0)
    """Full learning rate of Muon, for the matrices of the blocks."""
    other_rate: float = Field(default=3e-3, gt=0)
    """Full learning rate of AdamW, for embedding, head and norms."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of the matrices."""
    warmup: int = Field(default=20, ge=0)
    """Steps in which the rates rise."""
    decay: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps, at the end, in which the rates fall to 0."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient, as a norm over all parameters."""
    compile: bool = False
    """Compile blocks and loss with torch.compile: faster steps for up to a minute of compiling first."""
    bf16: bool | None = None
    """Matrix products in bfloat16; none: where the machine has it in hardware."""
    save_every: int = Field(default=100, gt=0)
    """Steps between two saves of all that is needed to go on."""
