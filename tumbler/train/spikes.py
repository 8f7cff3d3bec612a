"""A guard against steps that would spoil a run: a loss or a gradient that is no number, or far above the usual."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

WINDOW: Final = 128
"""Steps that are the usual: OLMo-core's SkipStepOptimizer, `rolling_interval_length`."""
FEWEST: Final = WINDOW // 2
"""Steps that must have been seen before a finite number can be a spike (the same)."""


@dataclass
class Spikes:
    """What the last steps looked like; part of the training state, so that a resumed run judges alike."""

    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    norms: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    skipped: int = 0

    def judge(self, loss: float, norm: float, sigmas: float | None) -> str | None:
        """Why this step is a spike, or None, and then it is remembered.

        A number is one when it lies more than `sigmas` standard deviations above the mean of the last steps;
        None: only what is no finite number.
        """
        for what, value, past in (("loss", loss, self.losses), ("gradient norm", norm, self.norms)):
            if not math.isfinite(value):
                return f"{what} {value}"
            if sigmas is not None and len(past) >= FEWEST:
                usual, deviation = statistics.fmean(past), statistics.pstdev(past)
                if value > usual + sigmas * deviation:
                    return f"{what} {value:.3f}, more than {sigmas:g} deviations above the usual {usual:.3f}"
        self.losses.append(loss)
        self.norms.append(norm)
        return None

    def state(self) -> dict[str, Any]:
        return {"losses": list(self.losses), "norms": list(self.norms), "skipped": self.skipped}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.losses, self.norms = deque(state["losses"], WINDOW), deque(state["norms"], WINDOW)
        self.skipped = state["skipped"]
