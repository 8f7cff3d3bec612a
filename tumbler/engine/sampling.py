"""From logits to the next id: temperature, top-k, top-p, min-p, a draw; each a small function.

N rows (one request each), V vocabulary. The order is that of transformers' logits processors, so the
same settings mean the same distribution there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tumbler.errors import Failure, UserError


@dataclass(frozen=True)
class Sampling:
    """How the ids of one request are chosen, and when it ends."""

    max_tokens: int
    """At most so many ids are made (fewer when the context is full)."""
    temperature: float = 1.0
    """Divides the logits; 0 takes the likeliest id, exactly."""
    top_k: int | None = None
    """Draw from the k likeliest ids (Fan et al. 2018)."""
    top_p: float | None = None
    """Draw from the fewest ids that hold this much probability (nucleus; Holtzman et al. 2020, section 3.1)."""
    min_p: float | None = None
    """Draw from ids with at least this share of the likeliest one's probability (Nguyen et al. 2024)."""
    seed: int | None = None
    """Equal seeds draw equal ids, whatever else is in the batch; None: another draw each time."""
    stop_ids: tuple[int, ...] = ()
    """An id that ends the request; it is the last id of the completion."""

    def __post_init__(self) -> None:
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        _require(0 <= self.temperature < math.inf, "temperature", self.temperature, "a finite number, at least 0")
        _require(self.top_k is None or self.top_k >= 1, "top_k", self.top_k, "at least 1")
        _require(self.top_p is None or 0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        _require(self.min_p is None or 0 <= self.min_p <= 1, "min_p", self.min_p, "from 0 to 1")
        _require(self.seed is None or 0 <= self.seed < 2**63, "seed", self.seed, "from 0 to 2^63 - 1")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise UserError(f"{name} = {value}: must be {rule}")


@dataclass(frozen=True)
class Chosen:
    """The next id of each of N rows."""

    ids: list[int]
    logprobs: list[float]
    """Of the distribution that was drawn from (0 for a greedy row: its choice is certain)."""
    raw_logprobs: list[float]
    """Of the model's own distribution, at temperature 1 and with nothing cut off."""


def choose(logits: Tensor, samplings: Sequence[Sampling], uniforms: Sequence[float]) -> Chosen:
    """One id a row of `logits` (N, V); `uniforms` are the rows' random numbers in [0, 1), unused where greedy.

    Raises Failure when the model gives NaN: its weights are broken.
    """
    logits = logits.float()
    ids = logits.argmax(-1)
    logprobs = torch.zeros(len(samplings), device=logits.device)
    drawn = [row for row, sampling in enumerate(samplings) if not sampling.greedy]
    if drawn:
        rows = torch.tensor(drawn, device=logits.device)
        probs = logits_to_probs(logits[rows], [samplings[row] for row in drawn])
        ids[rows] = draw(probs, torch.tensor([uniforms[row] for row in drawn], dtype=torch.float64))
        logprobs[rows] = probs.gather(-1, ids[rows, None]).squeeze(-1).log()
    raw = logits.gather(-1, ids[:, None]).squeeze(-1) - logits.logsumexp(-1)
    if not bool(raw.isfinite().all()):
        raise Failure("the model's output is not a number (NaN or infinite): its weights are broken")
    return Chosen(ids.tolist(), logprobs.tolist(), raw.tolist())


def logits_to_probs(logits: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """The distribution (N, V) that each row is drawn from; what is cut off has probability 0."""
    size = logits.shape[-1]
    # From the largest down, so that a temperature near 0 cannot overflow.
    temperature = _column([max(sampling.temperature, 1e-30) for sampling in samplings], logits)
    logits = (logits - logits.amax(-1, keepdim=True)) / temperature
    if any(sampling.top_k is not None for sampling in samplings):
        logits = keep_top_k(logits, [min(sampling.top_k or size, size) for sampling in samplings])
    if any(sampling.top_p is not None for sampling in samplings):
        top_p = [1.0 if sampling.top_p is None else sampling.top_p for sampling in samplings]
        logits = keep_top_p(logits, _column(top_p, logits))
    if any(sampling.min_p for sampling in samplings):
        logits = keep_min_p(logits, _column([sampling.min_p or 0.0 for sampling in samplings], logits))
    return logits.softmax(-1)


def keep_top_k(logits: Tensor, k: Sequence[int]) -> Tensor:
    """Cut off what is less likely than the k-th likeliest of its row; equals of the k-th stay."""
    size = logits.shape[-1]
    deepest = max((count for count in k if count < size), default=size)
    place = torch.tensor([min(count, deepest) - 1 for count in k], device=logits.device)[:, None]
    least = logits.topk(deepest).values.gather(-1, place)
    unlimited = torch.tensor([count >= size for count in k], device=logits.device)[:, None]
    return logits.masked_fill((logits < least) & ~unlimited, -math.inf)


def keep_top_p(logits: Tensor, p: Tensor) -> Tensor:
    """Cut off each id before which likelier ids already hold p (N, 1) of the probability."""
    ordered, places = logits.sort(-1, descending=True)
    probs = ordered.softmax(-1)
    before = probs.cumsum(-1) - probs
    surplus = (before >= p) & (p < 1)
    return logits.masked_fill(torch.zeros_like(surplus).scatter(-1, places, surplus), -math.inf)


def keep_min_p(logits: Tensor, min_p: Tensor) -> Tensor:
    """Cut off what has less than min_p (N, 1) of the likeliest id's probability."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + min_p.log(), -math.inf)


def draw(probs: Tensor, uniforms: Tensor) -> Tensor:
    """The ids (N,) at which the running sum of probs (N, V) passes `uniforms` (N,), in float64.

    One random number a row, not one an id: cheap at any vocabulary, and the row's generator alone
    decides, so a request draws the same whatever stands beside it in the batch.
    """
    running = probs.double().cumsum(-1)
    goal = uniforms.to(probs.device)[:, None] * running[:, -1:]
    found = torch.searchsorted(running, goal, right=True).squeeze(-1)
    # Rounding may carry the goal to the very end of the sum; the last id that has any probability is meant.
    last = (running < running[:, -1:]).sum(-1)
    return torch.minimum(found, last)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]
