"""How training goes: the loss, how fast, and how well it uses the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch

from tumbler.device import Machine, matmul_peak
from tumbler.errors import Failure
from tumbler.log import Log
from tumbler.model import ModelConfig, matmul_flops_per_token
from tumbler.train.loop import Report

T = TypeVar("T")


def timed(items: Iterable[T]) -> Iterator[tuple[T, float]]:
    """Each item with the seconds that making it took; what its reader does meanwhile is not counted."""
    begun = time.perf_counter()
    for item in items:
        yield item, time.perf_counter() - begun
        begun = time.perf_counter()


@dataclass(frozen=True)
class Progress:
    """Some steps, read together."""

    step: int
    """The last of them."""
    loss: float
    """Mean, in nats a token."""
    grad_norm: float
    """Of the last step, before clipping."""
    rate: float
    tokens: int
    """Of one step."""
    tokens_per_second: float
    utilisation: float
    """Model FLOP utilisation (arXiv 2204.02311, appendix B): FLOPs that the model's products need, over what
    the machine's measured matmul peak would have done in that time."""

    def line(self, steps: int) -> str:
        """What a person reads every few seconds."""
        left = timedelta(seconds=round((steps - self.step) * self.tokens / self.tokens_per_second))
        return (
            f"step {self.step}/{steps}  loss {self.loss:.3f}  {self.tokens_per_second:,.0f} tok/s  "
            f"{self.utilisation:.0%} of matmul peak  {left} left"
        )


class Meter:
    """Collects the steps since the last reading. Tensors are read in `read`, so that a GPU need not wait each step."""

    def __init__(self, flops_per_token: int, peak: float) -> None:
        self.flops_per_token, self.peak = flops_per_token, peak
        self._steps: list[tuple[Report, float]] = []
        self._first: int | None = None

    def add(self, report: Report, seconds: float) -> None:
        self._first = report.step if self._first is None else self._first
        self._steps.append((report, seconds))

    def read(self) -> Progress:
        """The steps added since the last call (at least one)."""
        steps, self._steps = self._steps, []
        # The first step of a process compiles and touches memory for the first time: it tells nothing of speed.
        steady = [item for item in steps if item[0].step != self._first] or steps
        per_second = sum(report.tokens for report, _ in steady) / sum(seconds for _, seconds in steady)
        last = steps[-1][0]
        return Progress(
            last.step,
            math.fsum(float(report.loss) for report, _ in steps) / len(steps),
            float(last.grad_norm),
            last.rate,
            last.tokens,
            per_second,
            per_second * self.flops_per_token / self.peak,
        )


def meter_of(machine: Machine, config: ModelConfig, context: int, bf16: bool) -> Meter:
    """Against this machine's matmul peak in the dtype of the products, times the processes."""
    peak = matmul_peak(machine, torch.bfloat16 if bf16 else torch.float32)
    return Meter(matmul_flops_per_token(config, context), peak * machine.world)


def record(log: Log, now: Progress, advice: str, **more: float) -> None:
    """Write one line of metrics, with `more` figures.

    Raises Failure, with the advice, when the loss is no number: none of it is saved.
    """
    if not math.isfinite(now.loss) or not math.isfinite(now.grad_norm):
        raise Failure(f"{log.name}: loss {now.loss}, gradient {now.grad_norm} by step {now.step}; {advice}")
    log.metrics(
        now.step,
        loss=now.loss,
        grad_norm=now.grad_norm,
        rate=now.rate,
        tok_per_s=round(now.tokens_per_second),
        mfu=round(now.utilisation, 4),
        **more,
    )
