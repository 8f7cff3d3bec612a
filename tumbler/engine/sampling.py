"""From logits to ids: bias, penalties, temperature, top-k, top-p, min-p, a draw; each a small function.

N rows (one request each), V vocabulary. The order is that of vLLM's and transformers' logits processors, so the same
settings mean the same distribution there: what is not allowed and the bias first, then penalties, temperature, cuts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import torch
from torch import Tensor

from tumbler.errors import Failure, UserError

TOP_IDS: Final = 20
"""Alternatives that are told with their log-probabilities, at most."""
LIKELY: Final = 1024
"""So many of the likeliest ids are put in order first; a row whose top-p they do not hold is ordered whole."""
STRONGEST: Final = 1e30
"""A bias counts for so much at most: by an infinite one, a row could lose all ids that its constraint allows."""
BLOCK: Final = 256


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
    repetition_penalty: float = 1.0
    """Divides the logits of ids of the prompt or the answer where above 0, multiplies them where below (arXiv
    1909.05858, section 4.1)."""
    presence_penalty: float = 0.0
    """Taken from the logits of ids that the answer has (OpenAI's API)."""
    frequency_penalty: float = 0.0
    """The same, as often as the answer has them."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """id -> what is added to its logit."""
    top: int = 0
    """With each id made, so many of the likeliest and their raw log-probabilities."""

    def __post_init__(self) -> None:
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        _require(0 <= self.temperature < math.inf, "temperature", self.temperature, "a finite number, at least 0")
        _require(self.top_k is None or self.top_k >= 1, "top_k", self.top_k, "at least 1")
        _require(self.top_p is None or 0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        _require(self.min_p is None or 0 <= self.min_p <= 1, "min_p", self.min_p, "from 0 to 1")
        _require(0 < self.repetition_penalty < math.inf, "repetition_penalty", self.repetition_penalty, "above 0")
        for name in ("presence_penalty", "frequency_penalty"):
            _require(math.isfinite(getattr(self, name)), name, getattr(self, name), "a finite number")
        for id, bias in self.logit_bias.items():
            _require(not math.isnan(bias) and bias < math.inf, f"logit_bias of {id}", bias, "a number below infinity")
        _require(self.seed is None or 0 <= self.seed < 2**63, "seed", self.seed, "from 0 to 2^63 - 1")
        _require(0 <= self.top <= TOP_IDS, "top", self.top, f"from 0 to {TOP_IDS}")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @property
    def penalized(self) -> bool:
        return self.repetition_penalty != 1 or self.presence_penalty != 0 or self.frequency_penalty != 0


class Constraint(Protocol):
    """What a request may make next; it is told each id that was made."""

    def allowed(self) -> Tensor:
        """(V,) bool, on the CPU; at least one is True."""

    def accept(self, id: int) -> None:
        """Raises Failure when it cannot go on: its request fails, alone."""


@dataclass(frozen=True)
class Row:
    """What a request brings to the choice of its next id."""

    sampling: Sampling
    uniform: float = 0.0
    """A random number in [0, 1); not used where greedy."""
    prompt: Sequence[int] = ()
    made: Mapping[int, int] = field(default_factory=dict)
    """id -> how often the answer has it."""
    constraint: Constraint | None = None


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
    """Of the model's own distribution, at temperature 1 and with nothing changed or cut off."""
    top: list[tuple[tuple[int, float], ...]]
    """The likeliest ids and their raw log-probabilities, as many as the row asked for."""


def choose(logits: Tensor, rows: Sequence[Row]) -> Chosen:
    """One id a row of `logits` (N, V).

    Raises Failure when the model gives NaN: its weights are broken.
    """
    logits = logits.float()
    whole = logits.logsumexp(-1)
    if not bool(whole.isfinite().all()):
        raise Failure("the model's output is not a number (NaN or infinite): its weights are broken")
    changed = adjusted(logits, rows)
    ids = changed.argmax(-1)
    logprobs = torch.zeros(len(rows), device=logits.device)
    drawn = [place for place, row in enumerate(rows) if not row.sampling.greedy]
    if drawn:
        places = torch.tensor(drawn, device=logits.device)
        probs = logits_to_probs(changed[places], [rows[place].sampling for place in drawn])
        ids[places] = draw(probs, torch.tensor([rows[place].uniform for place in drawn], dtype=torch.float64))
        logprobs[places] = probs.gather(-1, ids[places, None]).squeeze(-1).log()
    raw = logits.gather(-1, ids[:, None]).squeeze(-1) - whole
    return Chosen(
        ids.tolist(), logprobs.tolist(), raw.tolist(), likeliest(logits, whole, [r.sampling.top for r in rows])
    )


def likeliest(logits: Tensor, whole: Tensor, counts: Sequence[int]) -> list[tuple[tuple[int, float], ...]]:
    """The `counts[n]` likeliest ids of each row of logits (N, V), whose logsumexp is `whole` (N,)."""
    most = min(max(counts, default=0), logits.shape[-1])
    if most == 0:
        return [()] * len(counts)
    found = logits.topk(most)
    pairs = zip(found.indices.tolist(), (found.values - whole[:, None]).tolist(), counts, strict=True)
    return [tuple(zip(ids[:count], logprobs[:count], strict=True)) for ids, logprobs, count in pairs]


def adjusted(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """Logits (N, V) after constraints, bias and penalties; the given ones where no row has any."""
    touched = [n for n, row in enumerate(rows) if row.sampling.penalized or row.sampling.logit_bias or row.constraint]
    if not touched:
        return logits
    logits = logits.clone()
    for n in touched:
        row = rows[n]
        if row.constraint is not None:
            logits[n].masked_fill_(~row.constraint.allowed().to(logits.device), -math.inf)
        if row.sampling.logit_bias:
            ids, bias = _pairs(row.sampling.logit_bias, logits)
            logits[n, ids] += bias.clamp(-STRONGEST, STRONGEST)
        if row.sampling.penalized:
            penalize(logits[n], row)
    return logits


def penalize(logits: Tensor, row: Row) -> None:
    """Change logits (V,) in place by the row's penalties."""
    rate = row.sampling.repetition_penalty
    if rate != 1 and (seen := {*row.prompt, *row.made}):
        ids = torch.tensor(sorted(seen), device=logits.device)
        logits[ids] = torch.where(logits[ids] > 0, logits[ids] / rate, logits[ids] * rate)
    if row.made:
        ids, counts = _pairs(row.made, logits)
        logits[ids] -= row.sampling.presence_penalty + row.sampling.frequency_penalty * counts


def _pairs(values: Mapping[int, float], like: Tensor) -> tuple[Tensor, Tensor]:
    ids = torch.tensor(list(values), device=like.device)
    return ids, torch.tensor(list(values.values()), dtype=like.dtype, device=like.device)


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
    """Cut off each id before which likelier ids already hold p (N, 1) of the probability.

    Ordering a whole vocabulary is dear, and the likeliest ids nearly always hold p: only rows where they do not are
    ordered whole.
    """
    whole = logits.logsumexp(-1, keepdim=True)
    out = logits.clone()
    rows = torch.arange(len(logits), device=logits.device)
    for count in (min(LIKELY, logits.shape[-1]), logits.shape[-1]):
        ordered, ids = logits[rows].topk(count)
        probs = (ordered - whole[rows]).exp()
        before = probs.cumsum(-1) - probs
        kept = before < p[rows]
        enough = (~kept[:, -1]) | (count == logits.shape[-1])
        done, kept, ids, ordered = rows[enough], kept[enough], ids[enough], ordered[enough]
        out[done] = torch.full_like(out[done], -math.inf).scatter(-1, ids, ordered.masked_fill(~kept, -math.inf))
        rows = rows[~enough]
        if not len(rows):
            break
    return torch.where(p < 1, out, logits)


def keep_min_p(logits: Tensor, min_p: Tensor) -> Tensor:
    """Cut off what has less than min_p (N, 1) of the likeliest id's probability."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + min_p.log(), -math.inf)


def draw(probs: Tensor, uniforms: Tensor) -> Tensor:
    """The ids (N,) at which the running sum of probs (N, V) passes `uniforms` (N,), in float64.

    One random number a row, not one an id: cheap at any vocabulary, and the row's generator alone
    decides, so a request draws the same whatever stands beside it in the batch. The sum runs over
    blocks of ids first, then within one.
    """
    N, V = probs.shape
    blocks = torch.nn.functional.pad(probs, (0, -V % BLOCK)).view(N, -1, BLOCK)
    running = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    goal = uniforms.to(probs.device)[:, None] * running[:, -1:]
    block = _passed(running, goal)
    within = blocks[torch.arange(N, device=probs.device), block[:, 0]].double().cumsum(-1)
    before = torch.where(block > 0, running.gather(-1, (block - 1).clamp(min=0)), 0.0)
    return (block * BLOCK + _passed(within, goal - before))[:, 0]


def _passed(running: Tensor, goal: Tensor) -> Tensor:
    """(N, 1) The first place of running (N, n) above goal (N, 1); where rounding leaves none, the last that adds."""
    last = (running < running[:, -1:]).sum(-1, keepdim=True)
    return torch.minimum(torch.searchsorted(running, goal, right=True), last)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]
