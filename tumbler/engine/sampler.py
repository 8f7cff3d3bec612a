"""The Sampler: the one seam to inference. One loop makes the ids; batch and stream both consume it.

Requests may come while others run: they join the batch as slots become free (continuous batching).
One thread at a time; `serve` gives the sampler a thread of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor

from tumbler.engine.runner import Runner, Score
from tumbler.engine.sampling import Sampling, choose
from tumbler.engine.scheduler import Decode, Prefill, Scheduler
from tumbler.errors import UserError
from tumbler.model import Transformer

Finish = Literal["stop", "length"]
PREFILL_TOKENS: Final = 8192
"""Padded ids of one batch of prompts, at most (a longer prompt goes alone): bounds its memory."""


@dataclass(frozen=True)
class Request:
    ids: Sequence[int]
    """The prompt; at least one id, and fewer than the context holds."""
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Token:
    """One id made."""

    request: int
    """The number of its request: the place in the list given to `stream` or `sample`."""
    id: int
    logprob: float
    """Of the distribution that it was drawn from (0 where greedy)."""
    raw_logprob: float
    """Of the model's own distribution."""
    finish: Finish | None
    """Set on the last token: `stop` (it is a stop id) or `length` (max_tokens, or the context is full)."""


@dataclass(frozen=True)
class Completion:
    """All that was made for one request; a stop id, if any, is the last of `ids`."""

    ids: tuple[int, ...]
    finish: Finish
    version: int
    """Of the weights that made it."""
    logprobs: tuple[float, ...]
    raw_logprobs: tuple[float, ...]


@dataclass
class _Run:
    """A request under way."""

    request: Request
    number: int
    deliver: Callable[[Token], None]
    generator: torch.Generator | None
    made: list[int] = field(default_factory=list)

    def uniform(self) -> float:
        if self.generator is None:
            return 0.0
        return float(torch.rand((), generator=self.generator, dtype=torch.float64))

    @property
    def held(self) -> int:
        """Ids in the cache: all but the last one made, which the next step reads."""
        return len(self.request.ids) + len(self.made) - 1


class Sampler:
    """Makes ids with a causal model, `slots` requests at a time, each of at most `context` ids with its prompt."""

    def __init__(self, model: Transformer, *, slots: int = 16, context: int | None = None, version: int = 0) -> None:
        if not model.config.causal:
            raise UserError(f"a {model.config.family} model fills masks and writes no text; give a causal model")
        longest = model.config.max_position_embeddings
        self.context = longest if context is None else context
        if not 1 < self.context <= longest or slots < 1:
            raise UserError(
                f"a sampler of {slots} slots and context {context}: slots at least 1, context 2 to {longest}"
            )
        self.vocab_size = model.config.vocab_size
        self.version = version
        self._runner = Runner(model, slots, self.context)
        self._scheduler = Scheduler(slots, PREFILL_TOKENS)
        self._runs: dict[int, _Run] = {}
        self._tickets = 0

    def stream(self, requests: Sequence[Request]) -> Iterator[Token]:
        """Yield the tokens of all requests as they are made. Closing the iterator frees their slots."""
        tokens: deque[Token] = deque()
        tickets = self._submit_all(requests, tokens.append)
        open_requests = len(requests)
        try:
            while open_requests:
                while not tokens:
                    self.step()
                token = tokens.popleft()
                open_requests -= token.finish is not None
                yield token
        finally:
            for ticket in tickets:
                self.cancel(ticket)

    def sample(self, requests: Sequence[Request]) -> list[Completion]:
        """The completion of each request, in their order."""
        made: list[list[Token]] = [[] for _ in requests]
        for token in self.stream(requests):
            made[token.request].append(token)
        return [self._completion(tokens) for tokens in made]

    def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """For each sequence, the raw log-probability of each id after its first, given those before it."""
        found = self.score_from(sequences, [1] * len(sequences))
        return [[score.logprob for score in scores] for scores in found]

    def score_from(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[Score]]:
        """For each sequence, the score of each id from the place `start` (at least 1) on, given those before it."""
        for number, (ids, start) in enumerate(zip(sequences, starts, strict=True)):
            assert start >= 1, "nothing stands before the first id"
            self._check_ids(ids, number)
            if len(ids) > self.context:
                raise UserError(f"sequence {number} has {len(ids)} ids, the model's context holds {self.context}")
        found: list[list[Score]] = [[] for _ in sequences]
        for group in _groups(sequences, PREFILL_TOKENS):
            scored = self._runner.score([sequences[n] for n in group], [starts[n] for n in group])
            for number, scores in zip(group, scored, strict=True):
                found[number] = scores
        return found

    def update(self, weights: Mapping[str, Tensor], version: int) -> None:
        """Take other weights. No request may be under way: finish or close their streams first."""
        assert not self._runs, "weights cannot change under requests that are under way"
        self._runner.load(weights)
        self.version = version

    # The incremental interface, for whoever has requests that come and go: submit, step, cancel.

    def submit(self, request: Request, deliver: Callable[[Token], None], number: int = 0) -> int:
        """Queue a request; `step` calls `deliver` with each of its tokens. -> a ticket, for `cancel`."""
        self.check(request, number)
        seed, greedy = request.sampling.seed, request.sampling.greedy
        self._tickets += 1
        self._runs[self._tickets] = _Run(request, number, deliver, None if greedy else _generator(seed))
        self._scheduler.add(self._tickets, len(request.ids))
        return self._tickets

    def step(self) -> bool:
        """One prefill or one decode step; False when there is nothing to do."""
        match self._scheduler.next():
            case Prefill(tickets, first):
                runs = [self._runs[ticket] for ticket in tickets]
                logits = self._runner.prefill([run.request.ids for run in runs], first)
            case Decode(tickets):
                runs = [self._runs[ticket] for ticket in tickets]
                logits = self._runner.decode([run.made[-1] for run in runs], [run.held for run in runs])
            case None:
                return False
        self._deliver(tickets, runs, logits)
        return True

    def cancel(self, ticket: int) -> None:
        """Forget a request and free its slot; nothing happens when it has ended."""
        if self._runs.pop(ticket, None) is None:
            return
        move = self._scheduler.end(ticket)
        if move is not None:
            self._runner.move(move.source, move.target, self._runs[self._scheduler.running[move.target]].held)

    def check(self, request: Request, number: int = 0) -> None:
        """Raise UserError if the request cannot be run: no ids, too many, or ids outside the vocabulary."""
        if not request.ids:
            raise UserError(f"request {number}: has no ids; begin the prompt with the bos id at least")
        if len(request.ids) >= self.context:
            raise UserError(
                f"request {number}: the prompt has {len(request.ids)} tokens, but the model's context holds "
                f"{self.context} with the answer; shorten the prompt"
            )
        self._check_ids(request.ids, number)

    def _check_ids(self, ids: Sequence[int], number: int) -> None:
        if ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            raise UserError(f"request {number}: an id is outside the vocabulary (0 to {self.vocab_size - 1})")

    def _submit_all(self, requests: Sequence[Request], deliver: Callable[[Token], None]) -> list[int]:
        for number, request in enumerate(requests):
            self.check(request, number)
        return [self.submit(request, deliver, number) for number, request in enumerate(requests)]

    def _deliver(self, tickets: Sequence[int], runs: Sequence[_Run], logits: Tensor) -> None:
        chosen = choose(logits, [run.request.sampling for run in runs], [run.uniform() for run in runs])
        rows = zip(tickets, runs, chosen.ids, chosen.logprobs, chosen.raw_logprobs, strict=True)
        # All ids first: a request that ends moves another's slot, which must then know its own length.
        for run, made in zip(runs, chosen.ids, strict=True):
            run.made.append(made)
        for ticket, run, made, logprob, raw_logprob in rows:
            finish = self._finish(run)
            run.deliver(Token(run.number, made, logprob, raw_logprob, finish))
            if finish:
                self.cancel(ticket)

    def _finish(self, run: _Run) -> Finish | None:
        if run.made[-1] in run.request.sampling.stop_ids:
            return "stop"
        full = len(run.request.ids) + len(run.made) >= self.context
        return "length" if full or len(run.made) >= run.request.sampling.max_tokens else None

    def _completion(self, tokens: Sequence[Token]) -> Completion:
        finish = tokens[-1].finish
        assert finish is not None, "a stream ends each request with a finish"
        return Completion(
            tuple(token.id for token in tokens),
            finish,
            self.version,
            tuple(token.logprob for token in tokens),
            tuple(token.raw_logprob for token in tokens),
        )


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def _groups(sequences: Sequence[Sequence[int]], tokens: int) -> Iterator[list[int]]:
    """Places of the sequences, of like length together, at most `tokens` padded ids a group."""
    group: list[int] = []
    for place in sorted((n for n, ids in enumerate(sequences) if ids), key=lambda n: len(sequences[n])):
        if group and len(sequences[place]) * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
