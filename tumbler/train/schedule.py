"""The learning rate over the steps of a run."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["trapezoid", "cosine"]


def rate(
    step: int, steps: int, warmup: int, decay: float, floor: float = 0.0, schedule: Schedule = "trapezoid"
) -> float:
    """The share of the full learning rate at `step` (0 .. steps - 1).

    trapezoid: `warmup` steps up, constant, linear over the last `decay` share of the steps to `floor`
    ("Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", arXiv 2405.18392).
    cosine: `warmup` steps up, then half a cosine to `floor` (arXiv 1608.03983; GPT-3's schedule).
    """
    up = (step + 1) / (warmup + 1)
    if schedule == "cosine":
        done = max(0, step - warmup) / max(1, steps - warmup)
        return min(up, floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)
    decay_steps = max(1, round(decay * steps))
    down = (steps - step) / (decay_steps + 1)
    return min(1.0, up, max(floor, down))
