"""The Sampler: the one seam to inference. One loop makes the ids; batch and stream both consume it.

Requests may come while others run: they join the batch as slots become free (continuous batching).
One thread at a time; `serve` gives the sampler a thread of its own.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor

from tumbler.engine.products import Weights
from tumbler.engine.runner import PromptId, Read, Runner, Score
from tumbler.engine.sampling import Constraint, Row, Sampling, choose
from tumbler.engine.scheduler import Piece, Scheduler
from tumbler.errors import Failure, UserError
from tumbler.model import Transformer

Finish = Literal["stop", "length"]
PROMPT_IDS: Final = 512
"""Ids of prompts that one step reads, at most: so long those that decode wait for their next id."""
SCORED_IDS: Final = 8192
"""Ids that are scored at once (a longer sequence goes alone): bounds the memory."""
ABORTED: Final = "the model's weights were changed while it answered; ask again"


@dataclass(frozen=True)
class Request:
    ids: Sequence[int]
    """The prompt; at least one id, and fewer than the context holds."""
    sampling: Sampling
    prompt_top: int | None = None
    """The first token brings the scores of the prompt's ids, each with so many of the likeliest at its place."""
    constraint: Constraint | None = None
    """What may be made; of this request alone."""


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
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest ids at its place and their raw log-probabilities, as many as the request wants."""
    prompt: tuple[PromptId, ...] | None = None
    """With the first token, if the request wants it: the scores of the prompt's ids but the first."""


Item = Token | Failure


@dataclass(frozen=True)
class Completion:
    """All that was made for one request; a stop id, if any, is the last of `ids`."""

    ids: tuple[int, ...]
    finish: Finish
    version: int
    """Of the weights that made it."""
    logprobs: tuple[float, ...]
    raw_logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Load:
    running: int
    """Requests that hold a slot."""
    waiting: int
    reused: int
    """Ids of prompts that were not read, since an earlier request had left them; since the sampler began."""


@dataclass
class _Run:
    """A request under way."""

    request: Request
    number: int
    deliver: Callable[[Item], None]
    generator: torch.Generator | None
    made: list[int] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    scores: list[PromptId] = field(default_factory=list)

    def uniform(self) -> float:
        if self.generator is None:
            return 0.0
        return float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def take(self, id: int) -> None:
        self.made.append(id)
        self.counts[id] += 1
        if self.request.constraint is not None:
            self.request.constraint.accept(id)

    def row(self) -> Row:
        return Row(self.request.sampling, self.uniform(), self.request.ids, self.counts, self.request.constraint)


class Sampler:
    """Makes ids with a causal model, `slots` requests at a time, each of at most `context` ids with its prompt.

    Weights: `plain` (any machine and precision); for a CPU `packed` (bf16 in oneDNN's own layout), `int8` (8-bit
    weights and activations) or `int4` (4-bit weights, of a bf16 model). `compile`, for a CPU: a request that is alone
    runs as machine code, made in half a minute and kept; `packed` and `int8` layers then lie in memory twice.
    """

    def __init__(
        self,
        model: Transformer,
        *,
        slots: int = 16,
        context: int | None = None,
        version: int = 0,
        weights: Weights = "plain",
        compile: bool = False,
    ) -> None:
        if not model.config.causal:
            raise UserError(f"a {model.config.family} model fills masks and writes no text; give a causal model")
        longest = model.config.max_position_embeddings
        self.context = longest if context is None else context
        if not 1 < self.context <= longest or slots < 1:
            raise UserError(
                f"a sampler of {slots} slots and context {context}: slots at least 1, context 2 to {longest}"
            )
        self.config = model.config
        self.vocab_size = model.config.vocab_size
        self.version = version
        self._runner = Runner(model, slots, self.context, weights, compile)
        self._scheduler = Scheduler(slots, PROMPT_IDS)
        self._runs: dict[int, _Run] = {}
        self._tickets = 0

    def stream(self, requests: Sequence[Request]) -> Iterator[Token]:
        """Yield the tokens of all requests as they are made. Closing the iterator frees their slots.

        Raises Failure if `update` aborts them, or a constraint cannot go on.
        """
        items: deque[Item] = deque()
        tickets = self._submit_all(requests, items.append)
        open_requests = len(requests)
        try:
            while open_requests:
                while not items:
                    self.step()
                item = items.popleft()
                if isinstance(item, Failure):
                    raise item
                open_requests -= item.finish is not None
                yield item
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
        for group in _groups(sequences, SCORED_IDS):
            scored = self._runner.score([sequences[n] for n in group], [starts[n] for n in group])
            for number, scores in zip(group, scored, strict=True):
                found[number] = scores
        return found

    def embed(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """For each sequence of ids a vector of length 1 (D numbers): the mean of the model's last states."""
        for number, ids in enumerate(sequences):
            self._check_ids(ids, number)
            if not 0 < len(ids) <= self.context:
                raise UserError(f"sequence {number} has {len(ids)} ids, the model's context holds 1 to {self.context}")
        found: list[list[float]] = [[] for _ in sequences]
        for group in _groups(sequences, SCORED_IDS):
            vectors = self._runner.embed([sequences[n] for n in group]).tolist()
            for number, vector in zip(group, vectors, strict=True):
                found[number] = vector
        return found

    def update(self, weights: Mapping[str, Tensor], version: int, *, abort: bool = False) -> None:
        """Take other weights; requests under way are first run to their end, or fail (`abort`)."""
        while self._runs and not abort:
            self.step()
        for ticket, run in list(self._runs.items()):
            self.cancel(ticket)
            run.deliver(Failure(ABORTED))
        self._runner.load(weights)
        self._scheduler.forget()
        self.version = version

    # The incremental interface, for whoever has requests that come and go: submit, step, cancel.

    def submit(self, request: Request, deliver: Callable[[Item], None], number: int = 0) -> int:
        """Queue a request; `step` calls `deliver` with each of its tokens. -> a ticket, for `cancel`."""
        self.check(request, number)
        seed, greedy = request.sampling.seed, request.sampling.greedy
        self._tickets += 1
        self._runs[self._tickets] = _Run(request, number, deliver, None if greedy else _generator(seed))
        self._scheduler.add(self._tickets, request.ids, reuse=request.prompt_top is None)
        return self._tickets

    def step(self) -> bool:
        """Read an id of each request that decodes and pieces of prompts; False when there is nothing to do."""
        step = self._scheduler.next()
        if step is None:
            return False
        decoding = [self._runs[ticket] for ticket in step.decode]
        decode = [(run.made[-1], len(run.request.ids) + len(run.made) - 1) for run in decoding]
        reads = [Read(p.slot, p.start, self._runs[p.request].request.ids[p.start : p.end]) for p in step.pieces]
        try:
            states = self._runner.step(step.moves, decode, reads)
        except BaseException:
            self._abandon()
            raise
        makers, places = list(step.decode), list(range(len(decode)))
        row = len(decode)
        for piece in step.pieces:
            self._score(piece, states[row : row + piece.end - piece.start])
            row += piece.end - piece.start
            if piece.last:
                makers.append(piece.request)
                places.append(row - 1)
        if makers:
            self._deliver(makers, self._runner.logits(states[places]))
        return True

    def cancel(self, ticket: int) -> None:
        """Forget a request and free its slot; nothing happens when it has ended."""
        if self._runs.pop(ticket, None) is not None:
            self._scheduler.end(ticket)

    def _abandon(self) -> None:
        """A step broke off in its midst: nobody knows what of it stands in the cache, so nothing there is of use."""
        for ticket in list(self._runs):
            self.cancel(ticket)
        self._scheduler.forget()

    @property
    def load(self) -> Load:
        """How much is under way."""
        waiting = self._scheduler.waiting
        return Load(len(self._runs) - waiting, waiting, self._scheduler.reused)

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
        self._check_ids(list(request.sampling.logit_bias), number)

    def _check_ids(self, ids: Sequence[int], number: int) -> None:
        if ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            raise UserError(f"request {number}: an id is outside the vocabulary (0 to {self.vocab_size - 1})")

    def _submit_all(self, requests: Sequence[Request], deliver: Callable[[Item], None]) -> list[int]:
        for number, request in enumerate(requests):
            self.check(request, number)
        return [self.submit(request, deliver, number) for number, request in enumerate(requests)]

    def _score(self, piece: Piece, states: Tensor) -> None:
        """Of a prompt whose scores are wanted: each id that follows one of these states (T, D) within the prompt."""
        run = self._runs[piece.request]
        if run.request.prompt_top is not None:
            after = run.request.ids[piece.start + 1 : piece.end + 1]
            run.scores += self._runner.scores(states[: len(after)], after, run.request.prompt_top)

    def _deliver(self, tickets: Sequence[int], logits: Tensor) -> None:
        runs = [self._runs[ticket] for ticket in tickets]
        chosen = choose(logits, [run.row() for run in runs])
        rows = zip(tickets, runs, chosen.ids, chosen.logprobs, chosen.raw_logprobs, chosen.top, strict=True)
        for ticket, run, id, logprob, raw_logprob, top in rows:
            try:
                run.take(id)
            except Failure as failure:  # of its constraint; the others go on
                self.cancel(ticket)
                run.deliver(failure)
                continue
            finish = self._finish(run)
            scores = tuple(run.scores) if run.request.prompt_top is not None and len(run.made) == 1 else None
            if finish:
                self.cancel(ticket)
            else:
                self._scheduler.made(ticket, id)
            run.deliver(Token(run.number, id, logprob, raw_logprob, finish, top, scores))

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
