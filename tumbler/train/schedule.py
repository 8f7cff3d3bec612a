"""The learning rate over the steps of a run."""

from __future__ import annotations


def rate(step: int, steps: int, warmup: int, decay: float, floor: float = 0.0) -> float:
    """The share of the full learning rate at `step` (0 .. steps - 1): warm-up, constant, linear decay to `floor`.

    The trapezoid of "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations"
    (arXiv 2405.18392): `warmup` steps up, the last `decay` share of the steps down.
    """
    up = (step + 1) / (warmup + 1)
    decay_steps = max(1, round(decay * steps))
    down = (steps - step) / (decay_steps + 1)
    return max(floor, min(1.0, up, down))
